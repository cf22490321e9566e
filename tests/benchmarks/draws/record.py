"""Records what draws do: settings of studies/jhmdb_weights.py with and without distillation, by the product's trainer.

64 settings of a scrambled Sobol sequence, each as it is and with all teacher weights 0, meet 20 draws with one seed
each (four partitions of five folds, each draw with a teacher trained outside its fold), and one fixed draw with ten
seeds: one validation split and the best of three teachers on it, as studies had it before. Both arms of a setting share
seed and fold. Results lie in a journal: kill it at any moment and call it again; what is kept here is compact.

    KDSEARCH_DATA=... python -m tests.benchmarks.draws.record [--settings 64] [--draws 20] [--seeds 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch import environment
from kdsearch.data.folds import FIRST, Fold
from kdsearch.engines.code_hash import code_hash
from kdsearch.engines.study_file import load_study
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import RunContext, RunRequest, Scalar
from tests.benchmarks.planner.design import design

from . import work

REPOSITORY = Path(__file__).resolve().parents[3]
KEPT = Path(__file__).with_name("draws.npz")
ARMS = ("with", "without")
CANDIDATES = 3
"""Teachers of the fixed draw, of which the best on validation serves."""


def main() -> None:
    """Record what the journal lacks and keep it."""
    arguments = _parse()
    journal = arguments.journal or environment.home() / "benchmarks" / "draws.jsonl"
    rows = range(arguments.settings)
    teachers = [("teacher", "drawn", draw) for draw in range(arguments.draws)]
    teachers += [("teacher", "fixed", number) for number in range(CANDIDATES)]
    trained = work.run(train_teacher, teachers, journal, arguments.workers)
    best = max(range(CANDIDATES), key=lambda number: trained["teacher", "fixed", number]["objective"])
    # Draw by draw, so that a part of the record is a smaller one.
    units: list[work.Unit] = []
    for place in range(max(arguments.draws, arguments.seeds)):
        for kind, count in (("drawn", arguments.draws), ("fixed", arguments.seeds)):
            if place < count:
                teacher = place if kind == "drawn" else best
                units += [("student", kind, row, arm, place, teacher) for row in rows for arm in ARMS]
    found = work.run(train_student, units, journal, arguments.workers)
    _keep(arguments, trained, found)


def train_teacher(unit: work.Unit) -> dict[str, Any]:
    """One teacher; its weights lie where students find them."""
    _, kind, number = unit
    study, fold = _study(kind), place_of(kind, number)
    request = RunRequest("teacher", dict(study.task.parameters), 2_000_000 + number, fold=fold)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        result = study.task.train(request, RunContext(Path(folder), keep_weights=True))
        assert result.weights is not None, "a teacher diverged: take another seed"
        _file(kind, number).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(result.weights, _file(kind, number))
        return _values(result, begin)


def train_student(unit: work.Unit) -> dict[str, Any]:
    """One run of a setting's arm."""
    _, kind, row, arm, place, teacher = unit
    study = _study(kind)
    params = numbers(study, row)
    if arm == "without":
        params = study.without_teacher(params)
    seed = 1000 * row + place + (500 if kind == "fixed" else 0)
    file = _file(kind, teacher) if study.uses_teacher(params) else None
    request = RunRequest("student", params, seed, teacher=file, fold=place_of(kind, place))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        return _values(study.task.train(request, RunContext(Path(folder))), begin)


def numbers(study: Study, row: int) -> dict[str, Scalar]:
    """All parameters of a setting; a larger design begins with the settings of a smaller one."""
    return study.complete(design(dict(study.space), dict(study.task.parameters), 64)[f"s{row}"])


def place_of(kind: str, number: int) -> Fold:
    """The fold of a draw: five to a partition."""
    return Fold(1 + number // 5, number % 5) if kind == "drawn" else FIRST


@lru_cache
def _study(kind: str) -> Study:
    study = load_study(REPOSITORY / "studies" / "jhmdb_weights.py", "cpu")
    if kind == "drawn":
        return study
    before = study.before_draws()
    assert before is not None
    return before


def _file(kind: str, number: int) -> Path:
    return environment.home() / "benchmarks" / "teachers" / f"{kind}{number}.pt"


def _values(result: Any, begin: float) -> dict[str, Any]:
    return {
        "objective": round(float(result.objective), 6),
        "score": round(float(result.score), 6),
        "epochs": result.epochs,
        "seconds": round(time.process_time() - begin, 2),
    }


def _keep(arguments: argparse.Namespace, trained: dict[work.Unit, Any], found: dict[work.Unit, Any]) -> None:
    """Arrays ``[settings, arms, places]`` of each kind, and the teachers' ``[places]``."""
    arrays: dict[str, Any] = {}
    for kind, count in (("drawn", arguments.draws), ("fixed", arguments.seeds)):
        for name in ("objective", "score", "epochs", "seconds"):
            values = np.full((arguments.settings, len(ARMS), count), np.nan)
            for (_, own, row, arm, place, _), result in found.items():
                if own == kind:
                    values[row, ARMS.index(arm), place] = result[name]
            arrays[f"{kind}_{name}"] = values.astype(np.float32)
            teachers = [result[name] for unit, result in trained.items() if unit[1] == kind]
            arrays[f"{kind}_teacher_{name}"] = np.array(teachers, dtype=np.float32)
    study = _study("drawn")
    space = list(study.space)
    arrays["space"] = np.array(space)
    rows = [numbers(study, row) for row in range(arguments.settings)]
    arrays["settings"] = np.array([[float(row[name]) for name in space] for row in rows])
    words = f"torch {version('torch')}, numpy {version('numpy')}, trainer {code_hash(study.task.sources())}"
    arrays["provenance"] = np.array([study.task.description, words, datetime.now(UTC).date().isoformat()])
    np.savez_compressed(arguments.output, **arrays)
    print(f"{arguments.output}: {sum(arrays[f'{k}_score'].size for k in ('drawn', 'fixed'))} runs")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=64)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--journal", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=KEPT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
