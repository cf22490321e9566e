"""What a task's results are results of: two studies that agree in it may stand in one table. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from kdsearch.data.files import combined

MEASURING = ("best_epoch_on_test", "stable_ties")
"""Quirks that change what is measured, not what is trained. One that replaces the metric changes its name."""


class Measured(Protocol):
    """What a data declaration tells of itself."""

    def identity(self) -> dict[str, Any]: ...  # noqa: D102

    def fingerprint(self) -> str: ...  # noqa: D102


def measured_on(data: Measured, metric: str, quirks: Sequence[str]) -> str:
    """Hash of data with their parts, metric and rule of the epoch, 16 hex digits; networks and terms are not in it."""
    parts = json.dumps(data.identity(), sort_keys=True, default=str)
    return combined([parts, data.fingerprint(), metric, *(quirk for quirk in MEASURING if quirk in quirks)])
