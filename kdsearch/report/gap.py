"""What the pre-flight found: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.report.formats.cells import fixed
from kdsearch.statistics import Difference, summarize


@dataclass(frozen=True)
class Gap:
    """What the pre-flight found. ``warning``: the gap is below the larger of student sd and ``min_effect``.

    ``paired``: on how many folds teacher and student were compared; 0 where they were not paired.
    """

    gap: float
    low: float
    high: float
    student_sd: float
    min_effect: float
    warning: bool
    paired: int = 0

    @classmethod
    def stored(cls, data: Mapping[str, Any], effect: float) -> Gap | None:
        """Read the event ``preflight``, which the planner decided by; ``None`` where too few runs had ended."""
        if "gap" not in data or "warning" not in data:
            return None
        sd = summarize([float(value) for value in data.get("student", ())]).sd
        gap, low, high = float(data["gap"]), float(data["low"]), float(data["high"])
        return cls(gap, low, high, sd, effect, bool(data["warning"]), int(data.get("folds", 0)))

    @classmethod
    def of(cls, gap: Difference, student: Sequence[float], effect: float, paired: int = 0) -> Gap:
        """Judge runs as ``kdsearch.search.preflight`` will when all have ended."""
        sd = summarize(student).sd
        return cls(gap.mean, gap.low, gap.high, sd, effect, gap.mean < max(sd, effect), paired)

    def numbers(self, digits: int) -> str:
        """Write the gap with its interval."""
        low, high = fixed(self.low, digits, signed=True), fixed(self.high, digits, signed=True)
        return f"{fixed(self.gap, digits, signed=True)} [{low}, {high}]"

    def words(self, digits: int) -> str:
        """Say whether there is a gap to distil."""
        numbers = self.numbers(digits)
        if self.warning:
            text = f"hardly a gap to distil: teacher minus student alone is {numbers}"
            if self.gap < max(self.student_sd, self.min_effect):  # not so when min_effect was changed since
                sd = fixed(self.student_sd, digits)
                text += f", smaller than the student's seed sd ({sd}) or min_effect ({self.min_effect:g})"
            return text
        if self.low > 0:
            return f"fine: the teacher is better than the student alone, {numbers}"
        return f"a gap is likely but not sure from so few runs, {numbers}"

    @property
    def interval(self) -> str:
        """Say which interval it has."""
        return f"paired on {self.paired} folds, t 95 % interval" if self.paired else "Welch 95 % interval"
