"""Declaring studies: what is accepted, and how mistakes are said."""

from __future__ import annotations

from typing import Any

import pytest
from support import ToyTask
from support import toy_study

import kdsearch as kd
from kdsearch.errors import StudyFileError
from kdsearch.space import dimension_from


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"alhpa": kd.uniform(0, 1)}}, r"unknown 'alhpa'; did you mean 'alpha'\? Known: alpha, rate"),
        ({"baselines": {"b": {"rat": 1}}}, r"baseline 'b': unknown 'rat'; did you mean 'rate'\?"),
        ({"baselines": {"b": {"rate": float("nan")}}}, "rate must be finite"),
        ({"space": {}}, "the space is empty; search at least one of: alpha, rate"),
        ({"space": {"alpha": (0, 1)}}, "must be kd.uniform"),
        ({"name": "a b"}, "a name has letters"),
        ({"search": "random"}, "kd.Adaptive"),
        ({"space": {"rate": kd.when(kd.uniform(0, 1), alpha=0.5)}}, "must stand before it"),
        ({"min_effect": 0}, "min_effect must be above 0"),
        ({"teachers": "many"}, "'one' or 'per-seed'"),
        ({"task": 3}, "got int"),
    ],
)
def test_mistakes_are_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        toy_study(**changes)


def test_budget_and_confirm_are_checked() -> None:
    with pytest.raises(StudyFileError, match="at least 2 search runs"):
        kd.Budget(runs=1)
    with pytest.raises(StudyFileError, match="seeds >= 2"):
        kd.Confirm(seeds=1)


def test_the_same_study_has_the_same_identity_and_another_has_not() -> None:
    assert toy_study().identity() == toy_study().identity()
    assert toy_study(budget=kd.Budget(runs=99)).identity() == toy_study().identity()
    for changed in (
        toy_study(space={"alpha": kd.uniform(0, 1), "rate": kd.log(0.1, 1)}),
        toy_study(baselines={}),
        toy_study(task=ToyTask(noise=0.03)),
        toy_study(seed=1),
        toy_study(teachers="per-seed"),
    ):
        assert changed.identity() != toy_study().identity()


def test_a_preset_changes_task_and_budget_and_names_the_study() -> None:
    study = toy_study(presets={"smoke": {"task": {"noise": 0.5}, "budget": kd.Budget(runs=4)}})
    smoke = study.with_preset("smoke")
    assert (smoke.task.noise, smoke.budget.runs) == (0.5, 4)  # type: ignore[union-attr]
    assert (study.stored_name, smoke.stored_name) == ("toy@toy", "toy@toy+smoke")
    with pytest.raises(StudyFileError, match="has no preset 'smok'; it has: smoke"):
        study.with_preset("smok")
    with pytest.raises(StudyFileError, match="unknown 'bugdet'; did you mean 'budget'"):
        toy_study(presets={"p": {"bugdet": 1}}).with_preset("p")


def test_a_bare_function_needs_complete_baselines() -> None:
    with pytest.raises(StudyFileError, match="nothing is set for y"):
        kd.Study(
            name="f",
            task=lambda params, seed, report: 0.0,
            space={"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)},
            baselines={"b": {"x": 1}},
        )


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (kd.uniform(0, 1), [0, 0.5, 1], [-0.1, 1.1, True, "a"]),
        (kd.log(1e-3, 30), [1e-3, 30], [0, 31]),
        (kd.integer(1, 10), [1, 10, 3.0], [0, 11, 2.5]),
        (kd.categorical(["a", "b"]), ["a"], ["c", 1]),
    ],
)
def test_dimensions(dimension: Any, inside: list[Any], outside: list[Any]) -> None:
    assert all(dimension.contains(value) for value in inside)
    assert not any(dimension.contains(value) for value in outside)
    assert dimension_from(dimension.identity()) == dimension


@pytest.mark.parametrize(
    "make",
    [
        lambda: kd.uniform(1, 0),
        lambda: kd.log(0, 1),
        lambda: kd.integer(3, 3),
        lambda: kd.categorical(["a"]),
        lambda: kd.uniform(0, float("inf")),
    ],
)
def test_impossible_ranges_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"range|categorical"):
        make()


def test_an_idle_number_of_a_bare_function_need_not_be_set_and_is_a_possible_one() -> None:
    space = {"loss": kd.categorical(["kl", "mse"]), "temperature": kd.when(kd.log(1, 16), loss="kl")}
    study = kd.Study("s", lambda params, seed, report: 0.0, space, baselines={"paper": {"loss": "mse"}})
    assert study.explicit(study.baselines["paper"]) == {"loss": "mse", "temperature": 4.0}
    with pytest.raises(StudyFileError, match="nothing is set for temperature"):
        study.explicit({"loss": "kl"})
    with pytest.raises(StudyFileError, match="loss='hinge' cannot be used: expected one of 'kl', 'mse'"):
        study.check({"loss": "hinge"})


def test_a_misspelt_baseline_of_a_bare_function_is_named() -> None:
    with pytest.raises(StudyFileError, match="unknown parameter 'rte'; did you mean 'rate'"):
        kd.Study("s", lambda params, seed, report: 0.0, {"rate": kd.uniform(0, 1)}, baselines={"paper": {"rte": 0.1}})
