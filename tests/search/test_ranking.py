"""Which policy a stored study is searched with: its folds, its budget, and the search without a teacher beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support import toy_study

import kdsearch as kd
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.settings import StudySettings
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import New
from kdsearch.search.policies.fixed import FixedSeeds
from kdsearch.search.ranking import policy_of
from kdsearch.search.searches import shares_of, without_space
from kdsearch.space import Dimension

SPACE: dict[str, Dimension] = {
    "alpha": kd.uniform(0, 1),
    "mode": kd.categorical(["cse", "mse"]),
    "temperature": kd.when(kd.log(1, 16), mode="cse"),
    "rate": kd.log(1e-3, 1),
}


def settings_of(space: Mapping[str, Dimension], **others: Any) -> StudySettings:
    """The settings of a toy study with this space, as the ledger has them."""
    study = toy_study()
    stored = {"space": {name: row.identity() for name, row in space.items()}, "dimensions": list(space)}
    return StudySettings.from_json({**study.settings(), **stored, "teacher_parameters": ["alpha"], **others})


def stored(settings: StudySettings, seed: int = 7) -> StudyRecord:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return StudyRecord(1, "toy", "search", {"seed": seed}, settings, "", "objective", 0.0, "data0", now)


def pooled(study: StudyRecord, *, without: bool = False) -> AdaptivePolicy:
    policy = policy_of(study, without=without)
    assert type(policy) is AdaptivePolicy
    return policy


def test_a_study_of_before_folds_is_searched_as_ever() -> None:
    policy = pooled(stored(settings_of(SPACE)))
    other = AdaptivePolicy(SPACE, 7, 40)
    assert policy.choose([], 6) == other.choose([], 6)
    assert (policy.folds, policy.common_seeds, list(policy.encoding.space)) == (1, False, list(SPACE))
    assert pooled(stored(settings_of(SPACE, teachers="per-seed"))).common_seeds
    assert pooled(stored(settings_of(SPACE, folds=0, teachers=3))).folds == 1


def test_the_search_without_a_teacher_has_its_own_space_seed_and_share() -> None:
    settings = settings_of(SPACE, folds=5, without=0.25, idle_without_teacher=["mode"])
    study = stored(settings)
    main, without = pooled(study), pooled(study, without=True)
    assert (main.folds, without.folds) == (5, 5)
    assert (main.seed, without.seed) == (7, 8)
    assert [budget.runs for budget in shares_of(settings).values()] == [30, 10]
    assert (main.start, without.start) == (7, 2), "a start is a quarter of the budget, and no more than ten"
    assert without.encoding.space == {"rate": kd.log(1e-3, 1)}
    picks = without.choose([], 2)
    assert [pick.seed for pick in picks if isinstance(pick, New)] == [0, 66]
    fixed = stored(settings.changed(search=kd.Fixed(seeds=3).identity()))
    policy = policy_of(fixed, without=True)
    assert type(policy) is FixedSeeds
    assert (policy.seed, policy.seeds, policy.encoding.names) == (8, 3, ("rate",))


@pytest.mark.parametrize(
    ("vary", "folds", "teachers", "main", "without"),
    [
        (None, 5, "several", 5, 5),
        (["initialisation", "split", "teacher"], 5, 3, 5, 5),
        (["initialisation", "teacher"], 5, "several", 16, 1),  # the split is held, and 16 teachers serve in turn
        (["initialisation"], 5, "several", 1, 1),
        (None, 0, "several", 16, 1),
        (None, 0, "one", 1, 1),
        (None, 0, "given", 1, 1),
        (None, 1, "several", 1, 1),
    ],
)
def test_settings_begin_at_draws_in_turn(
    vary: list[str] | None, folds: int, teachers: str | int, main: int, without: int
) -> None:
    settings = settings_of(SPACE, folds=folds, teachers=teachers, without=0.25)
    study = replace(stored(settings), version=2, identity={"seed": 7, "vary": vary})
    assert (pooled(study).folds, pooled(study, without=True).folds) == (main, without)
    streams = frozenset({"split", "teacher"} if vary is None else vary) - ({"teacher"} if main == 1 else set())
    picks = pooled(study).choose([], 10)
    draws = [study.draws.draw("search", pick.seed, streams) for pick in picks if isinstance(pick, New)]
    assert len(set(draws)) == min(main, len(draws)), "no draw is the first of two settings before each was of one"


@pytest.mark.parametrize("others", [{"space": {"alpha": kd.uniform(0, 1)}}, {"teacher_parameters": []}])
def test_where_nothing_is_left_the_search_has_the_whole_budget(others: dict[str, Any]) -> None:
    settings = settings_of(others.pop("space", SPACE), without=0.5).changed(**others)
    assert without_space(settings) == {}
    assert shares_of(settings) == {"searched": settings.budget}
    assert pooled(stored(settings)).start == 10
    with pytest.raises(ValueError, match="without a teacher"):
        policy_of(stored(settings), without=True)


def test_conditions_on_what_is_left_out_are_those_of_a_weight_of_0() -> None:
    space: dict[str, Dimension] = {
        "kind": kd.categorical(["a", "b"]),
        "weight": kd.when(kd.categorical([0, 1, 2]), kind="a"),
        "alpha": kd.categorical([0.0, 0.5]),
        "mode": kd.categorical(["cse", "mse"]),
        "only_taught": kd.when(kd.uniform(0, 1), alpha=0.5),
        "only_alone": kd.when(kd.categorical(["x", "y"]), alpha=0.0),
        "either": kd.when(kd.uniform(1, 2), alpha=[0.0, 0.5]),
        "deep": kd.when(kd.uniform(2, 3), weight=[0, 1]),
        "of_mode": kd.when(kd.uniform(3, 4), mode="cse"),
        "of_taught": kd.when(kd.uniform(4, 5), only_taught=0.5),
        "of_alone": kd.when(kd.uniform(5, 6), only_alone="x"),
    }
    names = ["weight", "alpha"]
    assert without_space(settings_of(space, teacher_parameters=names, idle_without_teacher=["mode"])) == {
        "kind": space["kind"],
        "only_alone": kd.categorical(["x", "y"]),
        "either": kd.uniform(1, 2),
        "deep": kd.when(kd.uniform(2, 3), kind="a"),  # as the weight itself
        "of_alone": space["of_alone"],
    }
    assert "of_mode" in without_space(settings_of(space, teacher_parameters=names))
