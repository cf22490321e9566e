"""Which recipe makes the best teacher where nothing of it may be chosen on the clips that validate its students.

Each of 30 draws holds a fold of the train list out as a test part (the official one is not read), cuts the rest into
folds, trains a teacher by each recipe outside one of these and four students that listen to it. A recipe is worth what
its students reach on the outer fold. The cheapest that is not shown worse than the best is the product's default.

    KDSEARCH_DATA=... python -m tests.benchmarks.draws.recipes [--data poses|silhouettes|cifar10] [--draws 30]

Results lie in a journal (``--journal``, default below KDSEARCH_HOME), and are kept, compact, beside this file: what is
there is not measured again. With ``--draws`` as many as the journal holds, nothing is trained and the table is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch import environment
from kdsearch.data.folds import Fold
from kdsearch.engines.study_file import load_study
from kdsearch.statistics import paired_difference, summarize
from kdsearch.tasks.base import RunContext, RunRequest, RunResult

from . import work
from .ensemble import as_kind, listening
from .outer import Outer

REPOSITORY = Path(__file__).resolve().parents[3]
KEPT = Path(__file__).with_name("recipes.json")
DATA = {
    "poses": ("jhmdb_weights", "cpu", {"representation_weight": 1.0, "alpha": 0.5, "temperature": 4.0, "patience": 5}),
    "silhouettes": (
        "jhmdb_weights",
        "silhouettes",
        {"representation_weight": 1.0, "alpha": 0.5, "temperature": 4.0, "patience": 5},
    ),
    "cifar10": ("cifar10_temperature", "cpu", {"alpha": 0.5, "temperature": 4.0, "mode": "cse", "patience": 3}),
}
"""Study, preset, and the student's numbers: those of a usual setting with distillation."""

RECIPES = (
    "none",
    "chosen on validation",
    "nested",
    "last",
    "last, half the epochs",
    "averaged",
    "three, half the epochs",
)
"""``none``: the student with teacher weights 0. ``chosen on validation``: plateau, best of three, all on the fold."""

LEAKS = "chosen on validation"


def main() -> None:
    """Measure what the journal lacks, keep the results, print the table."""
    arguments = _parse()
    journal = arguments.journal or environment.home() / "benchmarks" / f"recipes-{arguments.data}.jsonl"
    recipes = [recipe for recipe in RECIPES if recipe in arguments.recipes]
    units = [(arguments.data, recipe, draw, arguments.seeds) for draw in range(arguments.draws) for recipe in recipes]
    before = {
        (arguments.data, row.pop("recipe"), row.pop("draw"), len(row["students"])): row
        for row in _kept().get(arguments.data, [])
    }
    left = [unit for unit in units if unit not in before]
    found = before | work.run(measure, left, journal, arguments.workers)
    kept = _kept()  # read again: another process may have kept the results of other data meanwhile
    kept[arguments.data] = [{"recipe": unit[1], "draw": unit[2], **result} for unit, result in sorted(found.items())]
    KEPT.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {_lines(v)}" for k, v in sorted(kept.items())) + "\n}\n")
    print(table(kept[arguments.data]))


def measure(unit: work.Unit) -> dict[str, Any]:
    """One recipe in one draw: the teacher's and the students' metric on the outer fold, and the CPU seconds."""
    data, recipe, draw, seeds = unit
    study, preset, numbers = DATA[data]
    base = load_study(REPOSITORY / "studies" / f"{study}.py", preset).task
    task = base.with_options(data=Outer(base.data.with_folds(5), draw), teacher_recipe="last")
    fold, folder = Fold(1, draw % 5), Path(tempfile.mkdtemp())
    try:
        begin = time.process_time()
        student, file, teacher = _teacher(task, recipe, fold, draw, folder)
        middle = time.process_time()
        params = {**task.parameters, **numbers}
        if file is None:
            params |= dict.fromkeys(task.teacher_parameters, 0)
        scores = []
        for seed in range(seeds):
            place = folder / f"student{seed}"
            place.mkdir()
            request = RunRequest("student", params, 1000 * draw + seed, teacher=file, fold=fold)
            scores.append(_rounded(student.train(request, RunContext(place)).score))
        return {
            "teacher": _rounded(teacher),
            "students": scores,
            "teacher_seconds": round(middle - begin, 2),
            "student_seconds": round((time.process_time() - middle) / seeds, 2),
        }
    finally:
        shutil.rmtree(folder)


def _teacher(task: Any, recipe: str, fold: Fold, draw: int, folder: Path) -> tuple[Any, Path | None, float | None]:
    """The task that trains the students, the file they listen to, and what the teacher reaches on the outer fold."""

    def train(own: Any, number: int, keep: Callable[..., None] | None = None) -> RunResult:
        place = folder / f"teacher{number}"
        place.mkdir()
        request = RunRequest("teacher", dict(task.parameters), 2_000_000 + 10 * draw + number, fold=fold)
        return own.train(request, RunContext(place, keep_weights=True))

    half = _epochs(task) // 2
    if recipe == "none":
        return task, None, None
    if recipe == LEAKS:
        # The recipe of studies before folds: its schedule, epoch and candidate look at the clips of the fold.
        found = [train(_leaking(task), number) for number in range(3)]
        best = max(found, key=lambda result: result.objective)
        return task, best.weights, best.score
    if recipe in ("nested", "averaged"):
        result = train(task.with_options(teacher_recipe=recipe), 0)
        return task, result.weights, result.score
    if recipe.startswith("three"):
        found = [train(_with_epochs(task, half), number) for number in range(3)]
        return listening(task, [result.weights for result in found]), found[0].weights, None
    own = task if recipe == "last" else _with_epochs(task, half)
    result = train(own, 0)
    return task, result.weights, result.score


def _epochs(task: Any) -> int:
    return int(task.epochs_of("teacher"))


def _with_epochs(task: Any, epochs: int) -> Any:
    return task.with_options(teacher={"epochs": epochs})


def _leaking(task: Any) -> Any:
    """The task with the older recipe in place of its check, which refuses it where data have folds."""

    class Leaking(type(task)):  # type: ignore[misc]
        recipe = "validation"

    return as_kind(Leaking, task)


def table(rows: list[dict[str, Any]]) -> str:
    """Each recipe's students on the outer fold, its difference to the best recipe that does not leak, its cost."""
    students = {
        recipe: {row["draw"]: float(np.mean(row["students"])) for row in rows if row["recipe"] == recipe}
        for recipe in RECIPES
    }
    students = {recipe: values for recipe, values in students.items() if values}
    candidates = [recipe for recipe in students if recipe not in ("none", LEAKS)]
    best = max(candidates, key=lambda recipe: float(np.mean(list(students[recipe].values()))))
    lines = [f"{'recipe':<24} {'draws':>5} {'students':>9} {'minus best [95 %]':>28} {'teacher':>9} {'CPU s':>7}"]
    for recipe, values in students.items():
        own = [row for row in rows if row["recipe"] == recipe]
        common = sorted(values.keys() & students[best].keys())
        difference = "-"
        if recipe != best:
            found = paired_difference([values[d] for d in common], [students[best][d] for d in common])
            difference = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        teachers = [row["teacher"] for row in own if row["teacher"] is not None]
        reached = f"{summarize(teachers).mean:.4f}" if len(teachers) > 1 else "-"
        seconds = float(np.mean([row["teacher_seconds"] for row in own]))
        mean = float(np.mean(list(values.values())))
        lines.append(f"{recipe:<24} {len(values):>5} {mean:>9.4f} {difference:>28} {reached:>9} {seconds:>7.1f}")
    return "\n".join(lines)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _kept() -> dict[str, list[dict[str, Any]]]:
    """The kept results by data."""
    found: dict[str, list[dict[str, Any]]] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    return found


def _lines(rows: list[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=tuple(DATA), default="poses")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES, metavar="RECIPE")
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--journal", type=Path, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    main()
