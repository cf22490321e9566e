"""Declaring studies of functions: what is without distillation, folds and defaults; and how mistakes are told."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest
from support import ToyTask, settings_of, toy_study

import kdsearch as kd
from kdsearch.cli.launch_header import describe_without
from kdsearch.errors import StudyFileError
from kdsearch.ledger.studies import to_json
from kdsearch.search.searches import shares_of, without_space
from kdsearch.space import Dimension
from kdsearch.tasks import FunctionTask
from kdsearch.tasks.function import takes_fold


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 0.5


def folded(params: dict[str, Any], seed: int, report: Any, fold: kd.Fold) -> float:
    return float(fold.number)


SPACE: dict[str, Dimension] = {
    "mode": kd.categorical(["kd", "none"]),
    "alpha": kd.when(kd.log(0.1, 1), mode="kd"),
    "layers": kd.integer(1, 4),
    "rate": kd.log(1e-3, 1),
}


def study(**changes: Any) -> kd.Study:
    fields: dict[str, Any] = {"name": "s", "task": train, "space": SPACE}
    return kd.Study(**{**fields, **changes})


# What "without distillation" is


def test_a_function_names_values_that_are_taken_away() -> None:
    named = study(space={"alpha": kd.log(0.1, 1), "rate": kd.log(1e-3, 1)}, without={"alpha": 0})
    assert named.without_teacher({"alpha": 0.7, "rate": 0.1}) == {"alpha": 0, "rate": 0.1}
    settings = named.settings()
    assert (settings["teacher_parameters"], settings["without"]) == (["alpha"], 0.1)
    stored = settings_of(named)
    assert stored.off == {"alpha": 0}
    assert without_space(stored) == {"rate": kd.log(1e-3, 1)}
    assert [budget.runs for budget in shares_of(stored.changed(without=0.25)).values()] == [150, 50]
    assert not named.uses_teacher({"alpha": 0.7}), "no run waits for a teacher"


def test_what_depends_on_it_falls_back_to_its_default() -> None:
    named = study(without={"mode": "none", "alpha": 0}, defaults={"alpha": 0.3})
    assert named.off == {"mode": "none"}, "alpha is read by no run of mode none"
    assert named.identity() == study(without={"mode": "none"}, defaults={"alpha": 0.3}).identity()
    off = named.without_teacher({"mode": "kd", "alpha": 0.9, "layers": 2, "rate": 0.1})
    assert off == {"mode": "none", "alpha": 0.3, "layers": 2, "rate": 0.1}
    assert list(without_space(settings_of(named))) == ["layers", "rate"]
    alone = study(space={**SPACE, "margin": kd.when(kd.uniform(0, 1), mode="none")}, without={"mode": "none"})
    assert without_space(settings_of(alone))["margin"] == kd.uniform(0, 1), "its condition always holds then"


def test_it_is_part_of_the_study_only_where_it_is_named() -> None:
    assert "without" not in study().identity()
    assert study(without={"mode": "none"}).identity()["without"] == {"mode": "none"}
    assert study(without={}).identity() == study().identity()
    assert toy_study(without={"alpha": 0}).identity() == toy_study().identity(), "what it is anyway"
    assert toy_study(without={"alpha": 0}).settings() == toy_study().settings()
    silent = study().settings()
    assert (silent["teacher_parameters"], silent["without"]) == ([], 0.0)
    assert "without_values" not in silent
    assert without_space(settings_of(study())) == {}


def test_a_study_says_it_or_how_to_say_it() -> None:
    assert describe_without(study(without={"mode": "none"})) == "distillation: mode=none"
    foreign = describe_without(study(without={"mode": "0"}))
    assert foreign == "distillation: mode=0 (none of the choices that are searched)"
    assert 'kd.Study(..., without={"alpha": 0}) says which values switch it off' in describe_without(study())
    assert describe_without(toy_study()) == ""


def test_a_task_of_ones_own_without_weights_may_name_it_too() -> None:
    task = ToyTask(teacher_parameters=(), has_teacher=False)
    assert toy_study(task=task, without={"alpha": 0}).off == {"alpha": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": {"alpah": 0}}, r"without: unknown 'alpah'; did you mean 'alpha'\? Known: mode, alpha, layers"),
        ({"without": {"mode": "nono"}}, "mode='nono' cannot be used: .*did you mean 'none'"),
        ({"without": {"mode": 0}}, "mode=0 cannot be used: expected one of 'kd', 'none'"),
        ({"without": {"alpha": "off"}}, "alpha='off' cannot be used: expected a number"),
        ({"without": {"alpha": True}}, "alpha=True cannot be used: expected a number"),
        ({"without": {"alpha": float("nan")}}, "expected a finite number"),
        ({"without": {"layers": 0.5}}, "layers=0.5 cannot be used: expected a whole number"),
        ({"without": {"loss": 0}, "defaults": {"loss": "kl"}}, "loss=0 .* such as its default 'kl'"),
        ({"without": ["alpha"]}, r"without is a mapping such as {'alpha': 0}, got \['alpha'\]"),
        ({"without": {"loss": "ce"}, "defaults": {"loss": "ce"}}, "every run is without distillation"),
        ({"question": "best without"}, "or of a function without={name: value}"),
    ],
)
def test_what_cannot_be_taken_away_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        study(**changes)


def test_a_value_need_not_lie_in_the_space() -> None:
    assert study(without={"mode": "plain", "layers": 0}).off == {"mode": "plain", "layers": 0}


def test_of_a_task_with_teacher_weights_it_is_not_given_otherwise() -> None:
    with pytest.raises(StudyFileError, match=r"'without distillation' is {'alpha': 0}, .* Leave it out"):
        toy_study(without={"alpha": 0.5})
    with pytest.raises(StudyFileError, match="is not given otherwise"):
        toy_study(without={"rate": 0})


# Defaults

BATCH = {"defaults": {"batch": 8}}


def test_defaults_complete_baselines_and_settings() -> None:
    named = study(
        defaults={"batch": 32, "loss": "kl", "rate": 0.1},
        baselines={"paper": {"mode": "none", "layers": 2}, "large": {"mode": "none", "layers": 2, "batch": 64}},
    )
    assert named.explicit(named.baselines["large"]) == {
        "mode": "none", "alpha": pytest.approx(0.1**0.5), "layers": 2, "rate": 0.1, "batch": 64, "loss": "kl",
    }  # fmt: skip
    assert named.complete({"mode": "kd", "alpha": 0.5, "layers": 1, "rate": 0.2})["batch"] == 32
    assert named.defaults["loss"] == "kl"
    with pytest.raises(StudyFileError, match=r"nothing is set for layers; set them, or give kd.Study\(..., defaults="):
        named.explicit({"mode": "none"})


def test_a_default_can_make_a_condition_hold() -> None:
    with pytest.raises(StudyFileError, match="nothing is set for alpha"):
        study(defaults={"mode": "kd"}, baselines={"paper": {"layers": 2, "rate": 0.1}})
    assert study(defaults={"mode": "none"}, baselines={"paper": {"layers": 2, "rate": 0.1}}).baselines


def test_defaults_are_what_the_study_is_and_survive_a_copy() -> None:
    first, other = study(defaults={"batch": 32}), study(defaults={"batch": 64})
    assert first.identity() != other.identity()
    assert replace(first, seed=1).defaults == first.defaults
    preset = study(defaults={"batch": 32}, presets={"small": {"defaults": {"batch": 8}}}).with_preset("small")
    assert (preset.defaults["batch"], preset.explicit({"mode": "none", "layers": 1, "rate": 0.1})["batch"]) == (8, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"defaults": {"layers": "two"}}, "defaults: layers='two' cannot be used: expected a whole number"),
        ({"defaults": {"batch": [32]}}, r"defaults: batch=\[32\] cannot be used"),
        (
            {"task": FunctionTask(train, {"rate": 0.1}, chance=0.0), "space": {"rate": kd.uniform(0, 1)}, **BATCH},
            r"for a bare function, got defaults={'batch': 8} beside a task that says it itself \(parameters",
        ),
    ],
)
def test_defaults_that_cannot_be_are_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        study(**changes)
    with pytest.raises(StudyFileError, match="defaults is for a bare function"):
        toy_study(defaults={"rate": 0.2})
    with pytest.raises(StudyFileError, match="preset, defaults: layers='two' cannot be used"):
        study(presets={"p": {"defaults": {"layers": "two"}}}).with_preset("p")


# Folds


class Callable:
    def __init__(self, takes: bool) -> None:
        self.takes = takes

    def __call__(self, params: Any, seed: int, report: Any, *, fold: Any = None) -> float:
        return 0.5


def bound(width: int, params: Any, seed: int, report: Any, fold: Any) -> float:
    return float(fold.number)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (train, "no"),
        (folded, "must"),
        (functools.partial(bound, 3), "must"),
        (functools.partial(bound, 3, fold=None), "no"),
        (Callable(True), "may"),
        (lambda params, seed, report, **others: 0.5, "may"),
        (lambda params, seed, report, part: 0.5, "no"),
        (dict, "no"),
    ],
)
def test_whether_a_function_takes_a_fold_follows_from_the_name(function: Any, expected: str) -> None:
    assert takes_fold(function) == expected


def test_a_fold_is_given_where_the_study_has_folds() -> None:
    seen: list[dict[str, Any]] = []

    def anything(params: Any, seed: int, report: Any, **others: Any) -> float:
        seen.append(others)
        return 0.5

    for folds in (0, 4):
        made = study(task=anything, folds=folds)
        made.task.train(kd.tasks.RunRequest("student", {}, 0), kd.tasks.RunContext(None))  # type: ignore[arg-type]
    assert seen == [{}, {"fold": kd.Fold(0, 0, 4)}]


def test_a_function_and_its_study_agree_on_folds() -> None:
    with pytest.raises(
        StudyFileError, match=r"with folds=5 .* train takes none by that name. Write def train\(params,"
    ):
        study(folds=5)
    with pytest.raises(StudyFileError, match=r"folded takes a fold and the study has none to give. .* or drop fold"):
        study(task=folded)
    for wrong in (-1, 2.5, True, "5"):
        with pytest.raises(StudyFileError, match="folds is a whole number"):
            study(task=folded, folds=wrong)
        with pytest.raises(StudyFileError, match="function task folded: folds is a whole number"):
            FunctionTask(folded, chance=0.0, folds=wrong)


def test_folds_of_a_task_come_from_its_data() -> None:
    assert toy_study(task=ToyTask(folds=3)).folds == toy_study(task=ToyTask(folds=3), folds=3).folds == 3
    with pytest.raises(StudyFileError, match=r"folds=5 is for a function, .* and they have 3"):
        toy_study(task=ToyTask(folds=3), folds=5)


def test_folds_are_what_the_study_is_and_a_preset_may_change_them() -> None:
    five = study(task=folded, folds=5, presets={"few": {"folds": 2}, "said": {"task": {"folds": 3}}})
    assert (five.folds, five.settings()["folds"], five.identity()["task"]["folds"]) == (5, 5, 5)
    assert (five.with_preset("few").folds, five.with_preset("said").folds) == (2, 3)
    assert replace(five, seed=2).folds == 5
    said = FunctionTask(folded, {"rate": 0.1}, chance=0.0, folds=4)
    assert kd.Study("s", said, {"rate": kd.uniform(0, 1)}).folds == 4
    with pytest.raises(StudyFileError, match="folds=5 beside a function task with folds=4; drop one"):
        kd.Study("s", said, {"rate": kd.uniform(0, 1)}, folds=5)


def test_a_function_that_names_its_streams_names_the_fold() -> None:
    streams = {"vary": "initialisation+order"}
    with pytest.raises(StudyFileError, match=r"write vary='initialisation\+order\+split'"):
        study(task=folded, folds=5, defaults=streams)
    held = study(task=folded, folds=5, defaults={"vary": "initialisation+order+split"}, vary="order")
    assert held.defaults["vary"] == "order"


# Studies of before


def test_a_function_study_that_says_nothing_new_is_the_one_it_was() -> None:
    space: dict[str, Dimension] = {"x": kd.uniform(0, 1)}
    bare = kd.Study("s", train, space, baselines={"b": {"x": 0.25}}, chance=-2.0)
    assert to_json(bare.identity()) == {
        "task": {
            "task": "function", "function": "train", "defaults": {"x": 0.5}, "metric": "objective", "chance": -2.0,
        },
        "space": {"x": {"kind": "uniform", "low": 0.0, "high": 1.0}},
        "baselines": {"b": {"x": 0.25}},
        "data": "140bedbf9c3f6d56",
        "teachers": "none",
        "preset": None,
        "seed": 0,
        "vary": None,
    }  # fmt: skip
    told = kd.Study("s", FunctionTask(train, {"x": 0.1, "y": 2}, chance=0.0, metric="accuracy", label="mine"), space)
    assert told.identity()["task"] == {
        "task": "function", "function": "train", "defaults": {"x": 0.1, "y": 2}, "metric": "accuracy", "chance": 0.0,
    }  # fmt: skip
    settings = bare.settings()
    assert (settings["teachers"], settings["folds"], settings["teacher_parameters"]) == ("none", 0, [])
    assert settings.keys() == toy_study().settings().keys()


def test_a_function_without_a_space_is_told_what_to_search() -> None:
    def train(params: dict[str, object], seed: int, report: object) -> float:
        return 0.5

    with pytest.raises(StudyFileError, match="search at least one of: the parameters that the function reads"):
        kd.Study("bare", train)


def test_the_first_placeholder_that_nothing_sets_is_named() -> None:
    for line, name in (("{beta} {rate}", "beta"), ("{gamma} {beta}", "gamma")):
        command = kd.tasks.Command(f"echo {line}", objective=r"(\d+)", chance=0.0)
        with pytest.raises(StudyFileError, match=rf"has the placeholder \{{{name}\}}, .*defaults={{'{name}': VALUE}}"):
            study(task=command, space={"rate": kd.log(1e-3, 1)})
