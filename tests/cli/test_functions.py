"""A study of a user's function on the command line: without distillation, folds and defaults, and two side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import run_program

from kdsearch.ledger import embedded

pytestmark = pytest.mark.slow

TEXT = """
import numpy as np

import kdsearch as kd

LABELS = np.repeat(["cat", "dog"], 15)


def train(params, seed, report, fold):
    rows, held = fold.split(LABELS)
    noise = 0.01 * np.random.default_rng([seed, fold.partition, fold.number, len(held)]).normal(size=2)
    value = 0.5 + 0.1 * params["alpha"] - (params["rate"] - 0.4) ** 2 + 0.001 * params["width"]
    report(1, value)
    return value + noise[0], value + noise[1]


study = kd.Study(
    name="NAME",
    task=train,
    space={"alpha": kd.log(0.1, 1), "rate": kd.uniform(0, 1)},
    without={"alpha": 0},
    defaults={"width": 8, "rate": 0.2},
    baselines={"paper": {"alpha": 0.5}},
    folds=5,
    budget=kd.Budget(runs=24),
    confirm=kd.Confirm(seeds=6, finalists=0),
)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two finished studies of functions and their home."""
    folder = tmp_path_factory.mktemp("functions")
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(TEXT.replace("NAME", name))
        engine = ["--workers", "1"] if name == "one" else ["--engine", "debug"]
        code, output = run_program("launch", str(folder / f"{name}.py"), *engine, home=folder / "home")
        assert code == 0, output
        assert "search runs without distillation; then 6 fresh seeds for each of up to 4" in output
        assert "draws     5 folds validate in turn, with new partitions for fresh seeds" in output
        assert "without   distillation: alpha=0" in output
    yield folder
    embedded.stop(folder / "home" / "postgres")


def test_the_report_has_the_primary_comparison(place: Path) -> None:
    code, output = run_program("report", "one", "--format", "json", home=place / "home")
    assert code == 0, output
    comparison = next(table for table in json.loads(output)["tables"] if table["key"] == "comparison")
    assert "winner without distillation" in [row["label"] for row in comparison["rows"]]


def test_train_needs_no_more_than_what_has_no_default(place: Path) -> None:
    file = str(place / "one.py")
    code, output = run_program("train", file, "--seed", "7", "--set", "alpha=0", home=place / "home")
    assert code == 0, output
    assert "alpha=0, rate=0.2, width=8, seed=7" in output
    assert "outside the search space, trained all the same: alpha=0 cannot be used: expected a number from" in output
    assert "validated on fold 2 of 5" in output
    code, output = run_program("train", file, "--set", "rate=0.3", home=place / "home")
    assert code == 1
    assert "nothing is set for alpha; set them, or give kd.Study(..., defaults={'alpha': VALUE})" in output


def test_add_takes_what_is_set_and_the_defaults(place: Path) -> None:
    code, output = run_program("add", "two", "--set", "alpha=0.3", "--set", "width=9", home=place / "home")
    assert code == 0, output
    assert "u0 has 2 search seeds, queued or done" in output


def test_two_functions_are_compared(place: Path) -> None:
    files = [str(place / "one.py"), str(place / "two.py")]
    code, output = run_program("compare", *files, home=place / "home")
    assert code == 0, output
    text = " ".join(output.split())
    assert "one and two do not say what data a run reads" in text
    assert "paired over common seeds" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("report, fold)", "report)", "takes none by that name. Write def train(params, seed, report, fold)"),
        ("folds=5,", "", "train takes a fold and the study has none to give"),
        ('without={"alpha": 0}', 'without={"alhpa": 0}', "unknown 'alhpa'; did you mean 'alpha'?"),
    ],
)
def test_mistakes_are_said_when_the_file_is_read(tmp_path: Path, old: str, new: str, expected: str) -> None:
    file = tmp_path / "wrong.py"
    assert old in TEXT
    file.write_text(TEXT.replace(old, new))
    code, output = run_program("train", str(file), home=tmp_path / "home")
    assert code == 1
    assert expected in " ".join(output.split())
    assert "Traceback" not in output
