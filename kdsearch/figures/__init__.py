"""What the figures of ``dashboards/`` are drawn with: one view of a study for all of them, its model, their style."""

from kdsearch.figures.style import (
    PALETTE,
    SCALE,
    SERIES,
    axis_title,
    faded,
    finish,
    label,
    labels,
    left_out,
    log_axis,
    nothing,
    rounded,
)
from kdsearch.figures.view import View, thinned, view

__all__ = [
    "PALETTE",
    "SCALE",
    "SERIES",
    "View",
    "axis_title",
    "faded",
    "finish",
    "label",
    "labels",
    "left_out",
    "log_axis",
    "nothing",
    "rounded",
    "thinned",
    "view",
]
