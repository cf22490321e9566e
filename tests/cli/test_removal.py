"""Studies that were wrong at first, or are not wanted any more: corrected, renamed, deleted with all that is theirs."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from support import program, run_program, wait_for

from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger

pytestmark = pytest.mark.slow

_STUDY = """
import time

import kdsearch as kd


def train(params, seed, report):
    time.sleep({seconds})
    report(1, params["x"])
    return {value}


study = kd.Study(
    "{name}",
    train,
    {{"x": kd.uniform({low}, 1)}},
    search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=6),
    confirm=kd.Confirm(seeds=2, finalists=1),
    chance={chance},
)
"""


class Home:
    """A home with a study file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.file = folder, folder / "home", folder / "mine.py"

    def write(
        self, value: str = "params['x']", *, name: str = "mine", low: float = 0, chance: float = 0, seconds: float = 0
    ) -> None:
        self.file.write_text(_STUDY.format(value=value, name=name, low=low, chance=chance, seconds=seconds))

    def run(self, *arguments: str) -> tuple[int, str]:
        return run_program(*arguments, home=self.home)

    def launch(self) -> tuple[int, str]:
        return self.run("launch", str(self.file), "--engine", "debug")

    @property
    def ledger(self) -> Ledger:
        return Ledger.connect(embedded.start(self.home / "postgres"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """One whose server is stopped at the end."""
    made = Home(tmp_path)
    yield made
    embedded.stop(made.home / "postgres")


def test_a_study_that_was_wrong_at_first_is_corrected_under_its_name(home: Home) -> None:
    home.write("1 / 0")
    code, output = home.launch()
    assert code == 1
    assert "3 runs in a row ended with the same error in this worker:\n  ZeroDivisionError: division by zero" in output
    before = home.ledger.study("mine")
    home.write(low=0.25, chance=-1)
    code, output = home.launch()
    assert code == 0, output
    flat = " ".join(output.split())
    assert "no run of it had ended, so it is begun anew as the file says now: " in flat
    assert "space.x.low: 0" in flat, flat
    ledger = home.ledger
    after = ledger.study("mine")
    assert after.id != before.id, "who has opened the wrong one finds that it is gone"
    assert after.uid == before.uid
    assert after.identity != before.identity
    assert after.chance == -1
    configurations = ledger.results(after.id).configurations
    storage = optuna_storage(ledger.database)
    told = optuna.load_study(study_name=after.name, storage=storage).trials
    assert {trial.user_attrs["kdsearch:configuration"] for trial in told} <= set(configurations)
    assert told
    home.write(low=0.5, chance=-1)  # now runs have ended
    code, output = home.launch()
    assert code == 1
    assert "the ledger holds another study named 'mine@function'" in output


def test_a_study_is_deleted_with_all_that_is_its_own(home: Home) -> None:
    home.write()
    assert home.launch()[0] == 0
    other = home.folder / "other.py"
    other.write_text(home.file.read_text().replace('"mine"', '"other"'))
    assert home.run("launch", str(other), "--engine", "debug")[0] == 0
    ledger = home.ledger
    uid = ledger.study("mine").uid
    for folder in ("runs", "outputs"):
        (home.home / folder / str(uid) / "1").mkdir(parents=True)
    code, output = home.run("delete", "mine")
    assert code == 1
    assert "Delete mine@function with 10 of 10 runs ended? This cannot be undone. There is no terminal" in output
    assert ledger.study("mine").uid == uid
    code, output = home.run("delete", "mine", "--yes")
    assert (code, output.strip()) == (0, "mine@function with 10 of 10 runs ended is deleted.")
    assert [row.name for row in ledger.studies()] == ["other@function"]
    assert not list((home.home / "runs").glob(str(uid)))
    assert not list((home.home / "outputs").glob(str(uid)))
    names = [row.study_name for row in optuna_storage(ledger.database).get_all_studies()]
    assert names == ["other@function"]
    assert len(ledger.results(ledger.study("other").id).runs) == 10
    code, output = home.run("delete", "mine", "--yes")
    assert code == 1
    assert home.launch()[0] == 0  # it begins anew


def test_weights_that_another_study_uses_stay(home: Home) -> None:
    home.write()
    assert home.launch()[0] == 0
    ledger, store = home.ledger, home.home / "artifacts"
    other = home.folder / "other.py"
    other.write_text(home.file.read_text().replace('"mine"', '"other"'))
    assert home.run("launch", str(other), "--engine", "debug")[0] == 0
    store.mkdir(exist_ok=True)
    for name in ("shared", "own"):
        (store / name).write_text(name)
    with ledger.database.engine.begin() as connection:
        import sqlalchemy as sa

        statement = sa.text("UPDATE kdsearch.run SET artifact = :name WHERE id = :id")
        for study, names in (("mine", ("shared", "own")), ("other", ("shared",))):
            runs = ledger.results(ledger.study(study).id).runs
            for run, name in zip(runs, names, strict=False):
                connection.execute(statement, {"name": name, "id": run.id})
    code, output = home.run("delete", "mine", "--yes")
    assert (code, output.strip()) == (0, "mine@function with 10 of 10 runs ended is deleted, and 1 file of weights.")
    assert sorted(path.name for path in store.iterdir()) == ["shared"]


def test_a_study_at_work_is_neither_deleted_nor_renamed(home: Home) -> None:
    home.write(seconds=0.5)
    launcher = program("launch", str(home.file), "--workers", "1", home=home.home)
    wait_for(lambda: (home.home / "postgres").exists() and home.run("status", "mine")[0] == 0, what="the study")
    wait_for(lambda: home.ledger.lease_holders(home.ledger.study("mine").id), what="a run")
    for command in (("delete", "mine", "--yes"), ("rename", "mine", "theirs", "--yes")):
        code, output = home.run(*command)
        assert code == 1
        found = re.search(
            rf"mine@function is not {command[0].rstrip('e')}ed: (its runs are trained now, by |a run)", output
        )
        assert found is not None, output
        assert "Stop it first: kdsearch stop mine@function" in output
    output, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, output


def test_a_renamed_study_goes_on_under_its_new_name(home: Home) -> None:
    home.write()
    assert home.launch()[0] == 0
    code, output = home.run("rename", "mine", "theirs", "--yes")
    assert (code, output.split(". ")[0]) == (0, "mine@function is now theirs@function")
    assert "Its file must say name='theirs' from now on" in output
    home.write(name="theirs")
    code, output = home.launch()
    assert code == 0
    assert "Nothing was left to do: all 10 runs had ended before this launch." in output
    storage = optuna_storage(home.ledger.database)
    assert [row.study_name for row in storage.get_all_studies()] == ["theirs@function"]
    home.write()
    assert home.launch()[0] == 0
    for name, said in (("theirs", "there is a study 'theirs@function' already"), ("a b", "a name has letters, digits")):
        code, output = home.run("rename", "mine", name, "--yes")
        assert code == 1
        assert said in output


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_it_asks_in_a_terminal(home: Home, answer: str, code: int) -> None:
    home.write()
    assert home.launch()[0] == 0
    master, slave = pty.openpty()
    environment = {**os.environ, "KDSEARCH_HOME": str(home.home)}
    environment.pop("KDSEARCH_STORAGE", None)
    command = [sys.executable, "-m", "kdsearch", "delete", "mine"]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    os.write(master, f"{answer}\n".encode())
    assert process.wait(60) == code
    os.close(master)
    assert [row.name for row in home.ledger.studies()] == ([] if code == 0 else ["mine@function"])
