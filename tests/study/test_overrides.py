"""What a launch sets in place of what the file says: read once, part of what the study is, known to its workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import run_program

import kdsearch as kd
from kdsearch.engines.study_file import load
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.study.overrides import overridden, read
from kdsearch.tasks import RunContext, RunRequest

_STUDY = """
import kdsearch as kd


def train(params, seed, report):
    report(1, params["x"])
    return params["x"] * params["scale"]


study = kd.Study(
    "mine",
    train,
    {"x": kd.uniform(0, 1)},
    search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=8),
    confirm=kd.Confirm(seeds=2, finalists=1),
    defaults={"scale": 1.0},
    chance=0.0,
)
"""


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return float(params["x"])


STUDY = kd.Study("mine", train, {"x": kd.uniform(0, 1)}, defaults={"scale": 1.0}, budget=kd.Budget(runs=8))


def test_values_are_literals_or_texts() -> None:
    pairs = ["name=mine", "budget.runs=60", "task.rate=1e-3", "task.flag=True", "task.sizes=(1, 2)", "task.text=a=b"]
    assert read(pairs) == {
        "name": "mine",
        "budget.runs": 60,
        "task.rate": 1e-3,
        "task.flag": True,
        "task.sizes": (1, 2),
        "task.text": "a=b",
    }
    for pairs, said in (
        (["runs"], "expected NAME=VALUE, such as task.epochs=40, got 'runs'"),
        (["=1"], "expected NAME=VALUE"),
        (["seed=1", "seed=2"], "seed is set twice, to 1 and to '2'"),
    ):
        with pytest.raises(KdsearchError, match=said):
            read(pairs)


def test_fields_parts_and_options_are_replaced() -> None:
    given = {
        "name": "other",
        "budget.runs": 20,
        "confirm.seeds": 4,
        "confirm.finalists": 1,
        "seed": 7,
        "defaults.scale": 2,
    }
    study = overridden(STUDY, {**given, "task.metric": "accuracy"})
    assert (study.name, study.seed, study.task.metric) == ("other", 7, "accuracy")
    assert (study.budget.runs, study.confirm.seeds, study.confirm.finalists) == (20, 4, 1)
    assert dict(study.defaults) == {"x": 0.5, "scale": 2.0}
    assert study.settings()["overrides"] == {**given, "task.metric": "accuracy"}
    assert overridden(STUDY, {}) is STUDY
    assert "overrides" not in STUDY.settings()
    assert overridden(STUDY, {"budget.runs": 20}).identity() == STUDY.identity()
    assert overridden(STUDY, {"defaults.scale": 2.0}).identity() != STUDY.identity()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"runs": 3}, "a launch cannot set 'runs'; did you mean 'budget.runs'"),
        ({"budget.run": 3}, "a launch cannot set 'budget.run'; did you mean 'budget.runs'"),
        ({"space": {}}, "a launch cannot set 'space'"),
        ({"task.": 3}, "a launch cannot set 'task.'"),
        ({"task.epochs": 3}, "FunctionTask has no argument 'epochs'"),
        ({"budget.runs": "many"}, "runs"),
        ({"name": "a b"}, "a name has letters, digits"),
        ({"min_effect": -1}, "min_effect"),
    ],
)
def test_what_a_study_cannot_have_is_refused(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyFileError, match=said) as raised:
        overridden(STUDY, overrides)
    (name, value), *_ = overrides.items()
    blames = f"This is with {name}={value!r} in place of what the study file says."
    assert (blames in str(raised.value)) != said.startswith("a launch cannot")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder with the study file, its home's server stopped at the end."""
    (tmp_path / "mine.py").write_text(_STUDY)
    yield tmp_path
    embedded.stop(tmp_path / "home" / "postgres")


@pytest.mark.slow
def test_a_launch_with_overrides_is_a_study_that_every_command_knows(home: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        return run_program(*arguments, home=home / "home")

    file = str(home / "mine.py")
    given = ["--name", "scaled", "--runs", "6", "--confirm-seeds", "3", "--set", "defaults.scale=2.0"]
    code, output = run("launch", file, "--workers", "1", *given)
    assert code == 0, output
    ledger = Ledger.connect(embedded.start(home / "home" / "postgres"))
    record = ledger.study("scaled")
    results = ledger.results(record.id)
    assert sum(run.pool == "search" for run in results.runs) == 6
    values = {run.objective: results.configurations[run.configuration_id].params["x"] for run in results.runs}
    assert all(objective == 2 * x for objective, x in values.items())
    command = next(line for line in output.splitlines() if line.startswith("To train it: "))
    assert command.startswith("To train it: kdsearch train scaled@function --seed 0 --set x=")
    code, output = run(*command.removeprefix("To train it: kdsearch ").split())
    assert code == 0, output
    code, output = run("launch", file, "--workers", "1", *given)
    assert code == 0
    assert "Nothing was left to do" in output
    code, output = run("launch", file, "--workers", "1", "--name", "scaled")
    assert code == 1
    assert "another study named 'scaled@function', launched with --set defaults.scale=2.0" in output
    code, output = run("launch", file, "--runs", "6", "--set", "budget.runs=9")
    assert code == 1
    assert "budget.runs is given by --set and by an option of its own" in output
    code, output = run("worker", "scaled")
    assert code == 0
    assert "scaled@function is finished" in output
    assert [row.name for row in ledger.studies()] == ["scaled@function"]


def test_a_command_stays_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another script of that name lies in the folder that the launch is made from."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, value in ((own, 0.25), (other, 0.75)):
        folder.mkdir()
        (folder / "train.py").write_text(f"print('v={value}')")
    (own / "study.py").write_text(
        "import kdsearch as kd\n"
        "task = kd.tasks.Command('{python} train.py --x={x}', r'v=([\\d.]+)', chance=0.0)\n"
        "study = kd.Study('mine', task, {'x': kd.uniform(0, 1)}, budget=kd.Budget(runs=8))\n"
    )
    monkeypatch.chdir(other)
    made = overridden(load(own / "study.py").study, {"budget.runs": 6, "name": "yours"})
    assert (made.name, made.budget.runs) == ("yours", 6)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    assert made.task.train(RunRequest("student", {"x": 0.5}, 0), RunContext(workspace)).objective == 0.25


def test_a_default_that_there_is_not_is_refused() -> None:
    with pytest.raises(StudyFileError, match=r"the study has no default 'scael'.*scale"):
        overridden(STUDY, {"defaults.scael": 3})
