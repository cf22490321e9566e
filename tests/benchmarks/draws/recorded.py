"""Reads what ``record`` keeps: settings with and without distillation, on many draws once and on one draw many times.

A record that is not finished yet has holes; the largest part without any is taken, and what was left out is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.engines.study_file import load_study
from kdsearch.errors import KdsearchError
from kdsearch.space import Dimension, Integer
from kdsearch.tasks.base import Scalar

Floats = np.ndarray[Any, np.dtype[np.float64]]

REPOSITORY = Path(__file__).resolve().parents[3]
KEPT = Path(__file__).with_name("draws.npz")
FOLDS = 5
"""Draws of one partition."""

VALUES = ("objective with", "score with", "objective without", "score without")
"""What one pair of runs, with and without distillation on the same draw and seed, has: the last axis of all arrays."""

SCORES = (1, 3)
OBJECTIVE_GAIN = np.array([1.0, 0.0, -1.0, 0.0])
TEST_GAIN = np.array([0.0, 1.0, 0.0, -1.0])
_FEWEST = 3


@dataclass(frozen=True)
class Seconds:
    """Mean CPU seconds: all ``candidates`` for the fixed draw's teacher together, a drawn teacher, the runs."""

    candidates: int
    fixed_teachers: float
    drawn_teacher: float
    fixed_with: float
    fixed_without: float
    drawn_with: float
    drawn_without: float


@dataclass(frozen=True)
class Record:
    """C settings, ``drawn [C, D, 4]`` on D draws and ``fixed [C, S, 4]`` on S seeds of one draw; the 4 are ``VALUES``.

    ``settings``: their searched numbers. ``draws``: number of each draw, five to a partition.
    """

    settings: tuple[Mapping[str, Scalar], ...]
    drawn: Floats
    draws: tuple[int, ...]
    fixed: Floats
    seconds: Seconds
    provenance: tuple[str, ...]
    left_out: str

    @property
    def partitions(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the draws of each partition that is whole, in the order of its folds."""
        place = {draw: position for position, draw in enumerate(self.draws)}
        numbers = sorted({draw // FOLDS for draw in self.draws})
        wanted = [range(FOLDS * number, FOLDS * (number + 1)) for number in numbers]
        return tuple(tuple(place[draw] for draw in each) for each in wanted if all(draw in place for draw in each))

    @property
    def words(self) -> str:
        """How much there is."""
        count, draws, seeds = len(self.settings), self.drawn.shape[1], self.fixed.shape[1]
        return f"{count} settings with and without distillation, {draws} draws x 1 seed, one fixed draw x {seeds} seeds"


def read(path: Path = KEPT) -> Record:
    """The record at ``path``. Raises ``KdsearchError`` where there is none, or less than 3 settings x 2 x 2 runs."""
    if not path.is_file():
        raise KdsearchError(f"no record {path.name}: python -m tests.benchmarks.draws.record makes it in hours")
    with np.load(path) as archive:
        return of(dict(archive))


def of(arrays: Mapping[str, Any]) -> Record:
    """The record in the arrays of its file."""
    drawn, fixed = (_values(arrays, kind) for kind in ("drawn", "fixed"))
    rows, draws = _whole(np.isfinite(drawn).all(2))
    some, seeds = _whole(np.isfinite(fixed[rows]).all(2), draws.size)
    rows = rows[some]
    if rows.size < _FEWEST or min(draws.size, seeds.size) < 2:
        raise KdsearchError(
            f"the record has {rows.size} settings with {draws.size} draws and {seeds.size} seeds: expected at least "
            f"{_FEWEST} with 2 and 2. python -m tests.benchmarks.draws.record goes on with it"
        )
    declared = space()
    if [str(name) for name in arrays["space"]] != list(declared):
        raise KdsearchError("the record has another space than the study file: record it anew, or take its study file")
    runs = 2 * (drawn[..., 0].size + fixed[..., 0].size)
    missing = runs - 2 * rows.size * (draws.size + seeds.size)
    return Record(
        settings=tuple(_params(declared, line) for line in arrays["settings"][rows]),
        drawn=drawn[np.ix_(rows, draws)],
        draws=tuple(int(draw) for draw in draws),
        fixed=fixed[np.ix_(rows, seeds)],
        seconds=_seconds(arrays),
        provenance=tuple(str(line) for line in arrays["provenance"]),
        left_out=f"{missing} of {runs} runs are missing, or left out beside missing ones" if missing else "",
    )


@lru_cache
def space() -> dict[str, Dimension]:
    """The space of the study that was recorded."""
    return dict(load_study(REPOSITORY / "studies" / "jhmdb_weights.py", "cpu").space)


def _values(arrays: Mapping[str, Any], kind: str) -> Floats:
    """``[settings, places, 4]``."""
    metrics = [np.asarray(arrays[f"{kind}_{name}"], dtype=np.float64) for name in ("objective", "score")]
    return np.stack([metric[:, arm] for arm in (0, 1) for metric in metrics], axis=-1)


def _whole(present: Any, beside: int = 0) -> tuple[Any, Any]:
    """Rows and columns of the largest part that is all there, where each row has so many more columns ``beside``."""
    order = np.argsort(-present.sum(0), kind="stable")
    parts = [(order[:count], np.flatnonzero(present[:, order[:count]].all(1))) for count in range(1, order.size + 1)]
    columns, rows = max(parts, key=lambda part: (part[0].size + beside) * part[1].size)
    return rows, np.sort(columns)


def _seconds(arrays: Mapping[str, Any]) -> Seconds:
    teachers = [np.asarray(arrays[f"{kind}_teacher_seconds"], dtype=np.float64) for kind in ("fixed", "drawn")]
    runs = [np.nanmean(np.asarray(arrays[f"{kind}_seconds"][:, arm])) for kind in ("fixed", "drawn") for arm in (0, 1)]
    return Seconds(teachers[0].size, float(np.nansum(teachers[0])), float(np.nanmean(teachers[1])), *map(float, runs))


def _params(declared: Mapping[str, Dimension], line: Floats) -> dict[str, Scalar]:
    pairs = zip(declared.items(), map(float, line), strict=True)
    return {name: round(value) if isinstance(dimension, Integer) else value for (name, dimension), value in pairs}
