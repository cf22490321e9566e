"""How all figures look: colours that the colour-blind and a printer tell apart, titles with data and n, plain texts."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from types import SimpleNamespace
from typing import Any, TypeVar

from kdsearch.figures.view import View
from kdsearch.report.captions import short_data
from kdsearch.report.wording import plural
from kdsearch.texts import literal, one_line, shortened

Key = TypeVar("Key", bound=Hashable)

# Okabe and Ito 2008. Marks differ in shape too, for print.
PALETTE = SimpleNamespace(
    search="#0072B2",
    fresh="#D55E00",
    winner="#009E73",
    out="#999999",
    baseline="#CC79A7",
    line="#444444",
)
SERIES = ("#009E73", "#0072B2", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""Colours of compared configurations, the winner's first."""

SCALE = "Cividis"
"""Of contours: its lightness rises evenly, so that it reads in grey too."""

LONGEST_LABEL, LINE = 32, 96  # characters
LEGEND = 26  # pixels
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def label(text: str, most: int = LONGEST_LABEL) -> str:
    """A user's text in a figure: one line, not too long, and no tag, since plotly reads tags."""
    line = one_line(literal(text))
    return escape(line if len(line) <= most else f"{line[: most - 1]}…", quote=False)


def labels(texts: Mapping[Key, str], most: int = LONGEST_LABEL) -> dict[Key, str]:
    """Labels that differ, as rows of a figure need: plotly puts what has one label into one row.

    Those that agree once they are cut keep their end in place of their middle; those that agree still are numbered.
    """
    found = {key: label(text, most) for key, text in texts.items()}
    twice = {text for text, count in Counter(found.values()).items() if count > 1}
    for key, text in texts.items():
        if found[key] in twice:
            line = one_line(literal(text))
            kept = line if len(line) <= most else f"{line[: most // 2 - 1]}…{line[-most // 2 :]}"
            found[key] = escape(kept, quote=False)
    taken: Counter[str] = Counter()
    for key, text in found.items():
        taken[text] += 1
        found[key] = text if taken[text] == 1 else f"{text} [{taken[text]}]"
    return found


def rounded(values: Iterable[float]) -> list[float]:
    """Values with no more digits than a figure can show: four beyond the first of their range."""
    kept = [float(value) for value in values]
    finite = [value for value in kept if math.isfinite(value)]
    span = max(finite, default=0.0) - min(finite, default=0.0)
    if span <= 0:
        return kept
    digits = 4 - math.floor(math.log10(span))
    return [round(value, digits) for value in kept]


def axis_title(text: str) -> str:
    """A name on an axis."""
    return label(text, 60)


def faded(colour: str, alpha: float) -> str:
    """A colour ``#rrggbb`` that lets through what lies behind."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def counts(view: View) -> str:
    """``49 configurations, 182 search runs``, and fresh ones once they may be shown."""
    searched = {run.configuration_id for run in view.search_runs}
    said = f"{plural(len(searched), 'configuration')}, {plural(len(view.search_runs), 'search run')}"
    fresh = sum(run.pool == "confirm" for run in view.selection.runs) if view.decided else 0
    return f"{said}, {plural(fresh, 'run')} on fresh seeds" if fresh else said


def finish(figure: Any, view: View, title: str, *, note: str = "", height: int = 460, **layout: Any) -> Any:
    """Give a figure its title, data and counts, and what all figures have in common; returns it.

    ``height``: of the plot without its title, in pixels. ``note``: one sentence more.
    """
    study = view.selection.study
    said = [f"{study.name}. {shortened(short_data(study), 300)}. {counts(view)}."]
    said += [note] if note else []
    lines = [label(line, LINE + 4) for text in said for line in textwrap.wrap(one_line(literal(text)), LINE)]
    top = 58 + 17 * len(lines)
    options: dict[str, Any] = {
        "template": "plotly_white",
        "title": {
            "text": f"<b>{label(title, 110)}</b><br><sub>{'<br>'.join(lines)}</sub>",
            "x": 0.01,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 20},
            "font": {"size": 17},
        },
        "font": {"family": _FONT, "size": 13},
        "height": height + top,
        "margin": {"l": 70, "r": 24, "t": top, "b": 56},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "hoverlabel": {"align": "left"},
    }
    named = any(trace.showlegend is not False and trace.name for trace in figure.data)
    if named and layout.get("showlegend") is not False:
        options["margin"] = {**options["margin"], "t": top + LEGEND}
        options["height"] += LEGEND
    for name, value in layout.items():
        both = isinstance(options.get(name), dict) and isinstance(value, dict)
        options[name] = {**options[name], **value} if both else value
    # A page writes title and sentences as its own text, which wraps, and takes their room away.
    options["meta"] = {
        "kind": "kdsearch",
        "title": label(title, 110),
        "lines": [label(text, 400) for text in said],
        "top": top,
    }
    figure.update_layout(**options)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def nothing(view: View, title: str, why: str) -> Any:
    """A figure that says why there is nothing to show yet."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_annotation(
        text=label(why, 120), showarrow=False, font={"size": 14}, x=0.5, y=0.5, xref="paper", yref="paper"
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finish(figure, view, title, height=140)


def left_out(count: int) -> str:
    """A sentence on rows for which a figure has no room; empty where there are none."""
    return f" {count:,} further compared configurations are in the table." if count > 0 else ""


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis with as many numbers at it as it has room for."""
    numbers = [value for value in values if value > 0]
    if not numbers:
        return {"type": "log"}
    first, last = (math.floor(math.log10(end)) for end in (min(numbers), max(numbers)))
    if max(numbers) >= 100 * min(numbers):
        return {"type": "log", "dtick": max(1, (last - first) // 5), "exponentformat": "power"}
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
