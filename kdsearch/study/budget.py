"""What a study may spend and how, on which seeds it is confirmed, and which figures stand beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from kdsearch.errors import StudyFileError


@dataclass(frozen=True)
class Budget:
    """What the search may spend; the first limit to be reached ends it. Without any: 200 runs.

    ``runs``: search runs. ``hours``: time in which search runs were under way, so that a stopped study does not age.
    ``gpu_hours``: the search runs' own times added up (core-hours where runs train on CPU cores). Confirm, teacher and
    pre-flight runs come on top. ``without``: the share of it that searches without distillation (all teacher weights 0,
    or what the study names by its ``without``), so that distillation is held against the best that there is without it.
    Where nothing is said a tenth, and half of it where that is what the study asks first of all: the best of a few runs
    is no match for the best of many, whatever distillation does.
    """

    runs: int | None = None
    hours: float | None = None
    gpu_hours: float | None = None
    without: float | None = None

    def __post_init__(self) -> None:
        if self.runs is None and self.hours is None and self.gpu_hours is None:
            object.__setattr__(self, "runs", 200)
        if self.runs is not None and self.runs < 2:
            raise StudyFileError(f"a budget needs at least 2 search runs, got runs={self.runs}")
        given: object = self.without
        if given is not None and (
            isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 0.5
        ):
            raise StudyFileError(f"without is the share of the budget without a teacher, 0 to 0.5; got {self.without}")
        for name in ("hours", "gpu_hours"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise StudyFileError(f"a budget of {name} must be above 0, got {name}={value}")


@dataclass(frozen=True)
class Adaptive:
    """Seeds and settings are chosen by what they are worth for the decision (``kdsearch.search.policies.adaptive``).

    ``stop_early``: end the search when what more runs can still gain is small against ``min_effect``.
    """

    stop_early: bool = True

    def identity(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        return {"policy": "adaptive", "stop_early": self.stop_early}


@dataclass(frozen=True)
class Fixed:
    """Quasi-random settings with the same number of ``seeds`` each: a design to look at, not to find the best."""

    seeds: int = 5

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise StudyFileError(f"Fixed needs 2 seeds or more, since one seed is not a result; got {self.seeds}")

    def identity(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        return {"policy": "fixed", "seeds": self.seeds}


@dataclass(frozen=True)
class Confirm:
    """Fresh seeds of the winner and of what it is first compared with, and what else stands beside them.

    ``seeds``: of the winner, of itself without distillation and of the best without distillation. ``others``: of the
    baselines and of the ``finalists``, the runners-up that are shown as context; ``None``: as many.
    """

    seeds: int = 10
    finalists: int = 3
    others: int | None = None

    def __post_init__(self) -> None:
        if self.seeds < 2 or self.finalists < 0:
            raise StudyFileError(f"confirm needs seeds >= 2 and finalists >= 0, got {self}")
        others: Any = self.others
        if others is not None and not (isinstance(others, Integral) and 2 <= int(others) <= self.seeds):
            raise StudyFileError(f"confirm: others is 2 to {self.seeds}, the number of seeds; got {self.others}")


@dataclass(frozen=True)
class Published:
    """A figure somebody published, printed beside ours."""

    label: str
    value: float
    note: str = ""
