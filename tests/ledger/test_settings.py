"""A study's settings as one typed record: what is read, what older studies do not say, and what is given back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from support import ToyTask, declaration, settings_of, toy_study

import kdsearch as kd
from kdsearch.errors import LedgerError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.settings import NOT_STORED, FreshSeeds, Limits, StudySettings
from kdsearch.ledger.studies import to_json


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 0.5


TASK = toy_study(
    task=ToyTask(folds=5),
    budget=kd.Budget(runs=40, hours=2, without=0.2),
    confirm=kd.Confirm(seeds=8, finalists=2, others=4),
    teachers=3,
    min_effect=0.02,
    search=kd.Adaptive(stop_early=False),
    published=[kd.Published("KD & more", 0.531, "one run"), kd.Published("alone", 1)],
    question="best without",
    preflight_seeds=0,
)
FUNCTION = kd.Study(
    name="f",
    task=train,
    space={"kind": kd.categorical(["kd", "none"]), "alpha": kd.when(kd.uniform(0.1, 1), kind="kd")},
    without={"kind": "none"},
    defaults={"alpha": 0.5},
    search=kd.Fixed(seeds=3),
)
OLD: Mapping[str, Any] = {
    "title": "toy",
    "budget": {"runs": 20, "hours": None, "gpu_hours": None},
    "confirm": {"seeds": 4, "finalists": 2},
    "preflight": {"seeds": 3},
    "rungs": [2, 4],
    "min_effect": 0.01,
    "published": [],
    "preset": None,
    "teachers": "one",
    "teacher_parameters": ["alpha"],
    "space": {"alpha": {"kind": "uniform", "low": 0, "high": 1}},
}
"""What the first version of kdsearch stored."""


def test_the_settings_of_a_task_are_typed_and_come_back_as_they_were() -> None:
    found = settings_of(TASK)
    assert found.to_json() == to_json(TASK.settings())
    assert StudySettings.from_json(found.to_json()) == found
    assert (found.title, found.preset, found.teacher_saw, found.measured_on) == ("toy", None, None, "toydata")
    assert (found.budget, found.without) == (Limits(40, 2.0, None), 0.2)
    assert (found.confirm, found.confirm.of_others, found.preflight_seeds) == (FreshSeeds(8, 2, 4), 4, 0)
    assert (found.search, found.min_effect) == (kd.Adaptive(stop_early=False), 0.02)
    assert found.published == (kd.Published("KD & more", 0.531, "one run"), kd.Published("alone", 1.0))
    assert (found.teachers, found.folds, found.question, found.query_groups) == (3, 5, "best without", None)
    assert (found.teacher_parameters, found.without_values, found.off) == (("alpha",), {}, {"alpha": 0})
    assert (found.dimensions, found.space) == (("alpha", "rate"), dict(TASK.space))


def test_the_settings_of_a_function_are_typed_and_come_back_as_they_were() -> None:
    found = settings_of(FUNCTION)
    assert found.to_json() == to_json(FUNCTION.settings())
    assert (found.budget, found.without, found.confirm) == (Limits(200), 0.1, FreshSeeds(10, 3, None))
    assert (found.search, found.teachers, found.folds, found.measured_on) == (kd.Fixed(seeds=3), "none", 0, None)
    assert (found.without_values, found.off) == ({"kind": "none"}, {"kind": "none"})
    assert found.space == dict(FUNCTION.space)


def test_a_space_has_the_order_of_the_study_file_whatever_postgres_made_of_it(ledger: Ledger) -> None:
    space = {"rate": kd.uniform(0, 1), "alpha": kd.uniform(0, 1), "Z": kd.uniform(0, 1)}
    task = ToyTask(parameters={"alpha": 0.5, "rate": 0.3, "Z": 0.1})
    record, _ = ledger.open_study(declaration(toy_study(space=space, task=task, baselines={})))
    assert list(record.settings.space_json) == ["Z", "rate", "alpha"], "shorter names first"
    assert list(record.settings.space) == ["rate", "alpha", "Z"]


def test_an_older_study_has_the_defaults_of_what_it_does_not_say() -> None:
    found = StudySettings.from_json(OLD)
    assert found.to_json() == OLD
    assert (found.without, found.folds, found.question, found.query_groups) == (0.0, 0, "itself", None)
    assert (found.search, found.measured_on, found.teacher_saw) == (kd.Adaptive(False), NOT_STORED, None)
    assert (found.idle_without_teacher, found.without_values) == ((), {})
    assert (found.confirm, found.confirm.of_others) == (FreshSeeds(4, 2), 4)
    assert found.space == {"alpha": kd.uniform(0, 1)}


def test_nothing_stored_is_a_study_that_asks_for_nothing() -> None:
    found = StudySettings.from_json({"folds": None, "question": None})
    assert (found.title, found.budget, found.confirm, found.preflight_seeds) == ("", Limits(), FreshSeeds(), None)
    assert (found.min_effect, found.published, found.preset, found.teachers) == (0.0, (), None, "one")
    assert (found.folds, found.question, found.off, found.space) == (0, "itself", {}, {})


def test_what_a_version_does_not_know_survives_every_change() -> None:
    budget, confirm = {"runs": 20, "joules": 5.0}, {"seeds": 4, "finalists": 2, "kind": "new"}
    newer = {**OLD, "budget": budget, "confirm": confirm, "rungs": [1], "of_a_newer_version": {"a": [1, None]}}
    found = StudySettings.from_json(newer)
    assert found.to_json() == newer
    larger = found.changed(budget=found.budget_with({"runs": 30}), confirm=found.confirm_with(6))
    assert (larger.budget.runs, larger.confirm.seeds) == (30, 6)
    assert larger.to_json() == {**newer, "budget": {**budget, "runs": 30}, "confirm": {**confirm, "seeds": 6}}
    assert found.to_json() == newer, "the settings before are as they were"


def test_extend_changes_in_the_ledger_only_what_it_changes(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(TASK))
    stored = {**record.settings.to_json(), "of_a_newer_version": [1]}
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.study SET settings = :it"), {"it": json.dumps(stored)})
    ledger.change_settings(record.id, {"confirm": record.settings.confirm_with(12)}, "extended")
    again = ledger.study_by_id(record.id).settings
    assert again.to_json() == {**stored, "confirm": {"seeds": 12, "finalists": 2, "others": 4}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_effect": "small"}, "expected a number for min_effect, got 'small'"),
        ({"budget": {"runs": "40"}}, "expected a whole number for budget.runs, got '40'"),
        ({"budget": 40}, "expected an object for budget, got 40"),
        ({"confirm": {"seeds": True}}, "expected a whole number for confirm.seeds, got True"),
        ({"teachers": 2.5}, "expected a text or a whole number for teachers, got 2.5"),
        ({"dimensions": "alpha"}, "expected a list for dimensions, got 'alpha'"),
        ({"search": {"policy": "adaptive", "stop_early": 1}}, "expected true or false for search.stop_early, got 1"),
        ({"published": [{"label": "a", "value": 1}, {"label": "b"}]}, "a number for published[1].value, got None"),
        ({"published": ["a"]}, "expected an object for published[0], got 'a'"),
    ],
)
def test_a_value_of_another_type_is_named(ledger: Ledger, changes: dict[str, Any], said: str) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    stored = {**record.settings.to_json(), **changes}
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.study SET settings = :it"), {"it": json.dumps(stored)})
    with pytest.raises(LedgerError) as refused:
        ledger.study_by_id(record.id)
    assert f"the settings of the study {record.name} cannot be read: " in str(refused.value)
    assert said in str(refused.value)
    assert "the version of kdsearch that stored it" in str(refused.value)
