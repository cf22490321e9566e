"""A study that minimizes is the mirror image of the same study maximized: same decisions, signs turned."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import run_program

import kdsearch as kd
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.errors import StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.search.replay.reading import read_table
from kdsearch.statistics import paired_difference, verdict
from kdsearch.tasks import Command, FunctionTask

pytestmark = pytest.mark.slow

_STUDY = """
import math

import numpy as np

import kdsearch as kd

SIGN = {sign}


def train(params, seed, report):
    rng = np.random.default_rng([seed, int(1e6 * params["x"]), params["k"]])
    for epoch in range(1, 4):
        value = 1.5 - (params["x"] - 0.3) ** 2 - 0.02 * (params["k"] - 2) ** 2 - 0.4 / epoch
        value += 0.4 * params["alpha"] * (1 - params["alpha"])
        value += 0.03 * rng.normal()
        report(epoch, SIGN * value)
    if params["x"] > 0.95:
        value = math.nan
    return SIGN * value, SIGN * (value - 0.05 + 0.02 * rng.normal())


study = kd.Study(
    "{name}",
    train,
    {{"x": kd.uniform(0, 1), "k": kd.integer(1, 5), "alpha": kd.uniform(0, 1)}},
    baselines={{"published": {{"x": 0.5, "k": 3, "alpha": 0.5}}, "near": {{"x": 0.31, "k": 2, "alpha": 0.01}}}},
    published=[kd.Published("theirs", SIGN * 1.2)],
    budget=kd.Budget(runs=120),
    confirm=kd.Confirm(seeds=8, finalists=2),
    min_effect=0.01,
    chance=SIGN * 0.2,
    without={{"alpha": 0}},
    preflight_seeds=0,
    {direction}
)
"""
UNSIGNED = {"n", "sd", "range", "search_n", "correlation", "pairs", "wins", "ties", "t_p", "holm_p", "flip_p"}
UNSIGNED |= {"probability", "diverged", "between", "within", "configurations", "runs", "repeated", "repeated_runs"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with both studies, finished."""
    folder = tmp_path_factory.mktemp("direction")
    for name, sign, direction in (("up", 1, ""), ("down", -1, 'direction="minimize",')):
        (folder / f"{name}.py").write_text(_STUDY.format(name=name, sign=sign, direction=direction))
        code, output = run_program(
            "launch", str(folder / f"{name}.py"), "--engine", "debug", home=folder / "home", timeout=300
        )
        assert code == 0, output
    yield folder / "home"
    embedded.stop(folder / "home" / "postgres")


def exported(home: Path, name: str) -> list[dict[str, str]]:
    code, output = run_program("export", "runs", name, "--format", "csv", home=home)
    assert code == 0, output
    return list(csv.DictReader(io.StringIO(output)))


def report(home: Path, name: str, *arguments: str) -> Any:
    code, output = run_program("report", name, *arguments, home=home)
    assert code == 0, output
    return json.loads(output) if "json" in arguments else output


def test_runs_are_the_same_with_signs_turned(home: Path) -> None:
    up, down = exported(home, "up"), exported(home, "down")
    assert len(up) == len(down) > 100
    same = ("configuration", "kind", "pool", "seed", "state", "epoch", "param.x", "param.k", "param.alpha")
    for one, other in zip(up, down, strict=True):
        assert [one[key] for key in same] == [other[key] for key in same]
        for key in ("objective", "score"):
            assert float(one[key]) == -float(other[key])
    assert "diverged" in {row["state"] for row in up}


def test_tables_are_the_same_with_signs_turned(home: Path) -> None:
    up, down = report(home, "up", "--format", "json"), report(home, "down", "--format", "json")
    assert [table["key"] for table in up["tables"]] == [table["key"] for table in down["tables"]]
    assert {"comparison", "inflation", "transfer", "published", "instability", "curves"} <= {
        table["key"] for table in up["tables"]
    }
    compared = 0
    for one, other in zip(up["tables"], down["tables"], strict=True):
        assert [row["label"] for row in one["rows"]] == [row["label"] for row in other["rows"]]
        for first, second in zip(one["rows"], other["rows"], strict=True):
            pairs = zip(first["cells"].items(), second["cells"].values(), strict=True)
            for (key, cell), other_cell in pairs:  # a key may hold an id
                sign = 1 if key in UNSIGNED or one["key"] in ("winner", "curves", "variance") else -1
                compared += mirrored(cell, other_cell, sign, f"{one['key']}.{first['label']}.{key}")
    assert compared > 100
    assert (up["answer"]["verdict"], up["answer"]["winner"]) == (down["answer"]["verdict"], down["answer"]["winner"])
    assert up["answer"]["verdict"] != "undecided"
    assert up["answer"]["comparison"]["difference"] == -down["answer"]["comparison"]["difference"]


def mirrored(one: Any, other: Any, sign: int, place: str) -> int:
    """Check that numbers are those of the other table with this sign; returns how many were checked."""
    if isinstance(one, dict):
        assert math.isclose(one["value"], sign * other["value"], rel_tol=1e-9, abs_tol=1e-12), place
        low, high = ("low", "high") if sign > 0 else ("high", "low")
        for ours, theirs in (("low", low), ("high", high)):
            if one[ours] is None:
                assert other[theirs] is None, place
            else:
                assert math.isclose(one[ours], sign * other[theirs], rel_tol=1e-6, abs_tol=1e-9), place
        assert (one["n"], one["sd"]) == (other["n"], pytest.approx(other["sd"])), place
        return 1
    if isinstance(one, int | float) and not isinstance(one, bool):
        assert math.isclose(one, sign * other, rel_tol=1e-6, abs_tol=1e-12), place
        return 1
    assert isinstance(other, str) == isinstance(one, str), place
    if place.endswith("verdict"):
        assert one == other, place
    return 0


def test_sentences_say_which_side_is_better(home: Path) -> None:
    up, down = report(home, "up"), report(home, "down")
    assert "lower is better" in down
    assert "lower is better" not in up
    flat = " ".join(down.split())
    assert "P(winner < row)" in flat
    assert "P(winner > row)" not in flat
    assert "below 0, the search was lucky" in flat
    found = re.search(
        r"best run would have claimed (-?[\d.]+) \(([-+][\d.]+)\) against the mean .* gives ([-+]\d\.\d+)", flat
    )
    assert found is not None
    assert float(found[2]) < 0 > float(found[3])
    mirrored_words = re.sub(r"[-+]?\d[\d.,]*", "#", flat)
    assert re.sub(r"[-+]?\d[\d.,]*", "#", " ".join(up.split())).count("better") == mirrored_words.count(
        "better"
    ) - flat.count("lower is better")


def test_tables_for_replay_are_the_same(home: Path, tmp_path: Path) -> None:
    tables = []
    for name, sign, direction in (("rising", 1, ""), ("falling", -1, 'direction="minimize",')):
        study = tmp_path / f"{name}.py"
        text = _STUDY.format(name=name, sign=sign, direction=direction + " search=kd.Fixed(seeds=3),")
        study.write_text(text.replace("runs=120", "runs=24"))
        code, output = run_program("launch", str(study), "--engine", "debug", home=home, timeout=300)
        assert code == 0, output
        for ending in ("npz", "json"):
            file = tmp_path / f"{name}.{ending}"
            option = "--table" if ending == "npz" else "-o"
            assert run_program("export", "runs", name, option, str(file), home=home)[0] == 0
            tables.append(read_table(file))
    assert tables[0].values.size > 6
    assert all((table.values == tables[0].values).all() for table in tables)


def test_a_loss_and_an_accuracy_are_not_compared(home: Path) -> None:
    code, output = run_program("compare", "up", "down", home=home)
    assert code == 1
    assert "down@function minimizes and up@function maximizes: they are not of one metric" in output


def test_the_optuna_study_goes_the_same_way(home: Path) -> None:
    ledger = Ledger.connect(embedded.start(home / "postgres"))
    for name, direction in (("up", "MAXIMIZE"), ("down", "MINIMIZE")):
        study = ledger.study(name)
        found = optuna.load_study(study_name=study.name, storage=optuna_storage(ledger.database))
        assert found.direction.name == direction
        assert found.best_trial.user_attrs["name"] == ledger.results(study.id).configurations[study.winner_id or 0].name


def test_the_first_difference_below_zero_is_the_better_one() -> None:
    difference = paired_difference([0.1, 0.11, 0.09, 0.1], [0.3, 0.31, 0.3, 0.29])
    assert verdict(difference, 0.01) == "worse"
    assert verdict(difference, 0.01, minimize=True) == "better"
    assert verdict(difference, 1.0, minimize=True) == "equivalent"


def loss(params: dict[str, Any], seed: int, report: Any) -> float:
    return float(params["x"]) + 0.01 * seed


def test_the_direction_is_part_of_what_a_study_is_and_needs_a_chance() -> None:
    space = {"x": kd.uniform(0, 1)}
    down = kd.Study("s", loss, space, chance=9.0, direction="minimize")
    up = kd.Study("s", loss, space, chance=9.0)
    assert (down.direction, up.direction) == ("minimize", "maximize")
    assert down.identity()["direction"] == "minimize"
    assert "direction" not in up.identity()
    assert (
        kd.Study("s", FunctionTask(loss, {"x": 0.5}, chance=9.0, direction="minimize"), space).direction == "minimize"
    )
    with pytest.raises(StudyFileError, match=r"with direction='minimize' expected chance=NUMBER"):
        kd.Study("s", loss, space, direction="minimize")
    preset = {"loss": {"direction": "minimize"}}
    with pytest.raises(StudyFileError, match=r"with direction='minimize' expected chance=NUMBER"):
        kd.Study("s", loss, space, presets=preset).with_preset("loss")
    assert kd.Study("s", loss, space, chance=9.0, presets=preset).with_preset("loss").direction == "minimize"
    by_task = {"loss": {"task": {"direction": "minimize"}}}
    assert kd.Study("s", loss, space, chance=9.0, presets=by_task).with_preset("loss").direction == "minimize"
    with pytest.raises(StudyFileError, match=r"direction is 'maximize' or 'minimize', got 'down'"):
        kd.Study("s", loss, space, chance=9.0, direction="down")  # type: ignore[arg-type]
    with pytest.raises(StudyFileError, match=r"direction='minimize' is for a function or a command; accuracy of this"):
        kd.Study("s", kd.tasks.ImageClassification(kd.data.cifar10()), direction="minimize")
    with pytest.raises(StudyFileError, match=r"direction is 'maximize' or 'minimize', got 'up'"):
        Command("train {x}", "(.)", chance=0.0, direction="up")  # type: ignore[arg-type]


def test_optunas_own_study_must_go_the_same_way() -> None:
    study = kd.Study("s", loss, {"x": kd.uniform(0, 1)}, chance=9.0, direction="minimize")
    with pytest.raises(ValueError, match=r"optuna\.create_study\(direction='minimize'\), which has 'maximize'"):
        optuna.create_study(direction="maximize").optimize(kd.objective(study), n_trials=1)
    mine = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
    mine.optimize(kd.objective(study, seeds=2), n_trials=5)
    assert mine.best_value == min(trial.value or 9.0 for trial in mine.trials)
