"""Numbers and epochs that a command gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.values import shown

Points = dict[int, float]
"""Epoch to value; of several values of one epoch the last one."""


def number(value: Any, where: str) -> float:
    """A number that a command gave, which may be no finite one; raises ``KdsearchError`` for what is none."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise KdsearchError(f"expected a number, came {shown(value)}: {where}") from None


@dataclass
class Epochs:
    """The epochs of one reading, as whole numbers."""

    _seen: dict[int, float] = field(default_factory=dict)

    def whole(self, value: Any) -> int:
        """The epoch without its fraction, such as 2 for 2.99.

        Raises ``KdsearchError`` for what is no number, and where two epochs would be one: 0.5 and 0.75 are both
        within the first, and the value of one would be lost.
        """
        try:
            given = float(value)
            epoch = int(given)
        except (TypeError, ValueError, OverflowError):
            raise KdsearchError(f"expected a number as the epoch, came {shown(value)}") from None
        other = self._seen.setdefault(epoch, given)
        if other != given:
            raise KdsearchError(
                f"expected whole epochs, came {other:g} and {given:g}, which would be one: name the step in place of "
                "the epoch, such as epoch='step'"
            )
        return epoch
