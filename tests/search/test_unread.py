"""The choice where what is without distillation names a number that the winner does not read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support import settings_of

import kdsearch as kd
from kdsearch.ledger.orders import ChooseWinner, NewConfiguration
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ConfigurationRecord, StudyRecord
from kdsearch.search.confirmation import choose, compared
from kdsearch.search.ranking import Standing


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 0.5


STUDY = kd.Study(
    name="s",
    task=train,
    space={
        "kind": kd.categorical(["kd", "none"]),
        "alpha": kd.when(kd.uniform(0.1, 1), kind="kd"),
        "rate": kd.uniform(0, 1),
    },
    without={"alpha": 0},
    defaults={"alpha": 0.5},
    confirm=kd.Confirm(seeds=6, finalists=0),
)


def standing(id_: int, estimate: float, **params: Any) -> Standing:
    record = ConfigurationRecord(id_, "searched", f"c{id_}", params, "sampler")
    return Standing(record, (estimate, estimate), estimate, 0.01, 0.5)


def chosen(winner: Standing, best: Standing | None, study: kd.Study = STUDY) -> tuple[list[Any], ChooseWinner]:
    record = StudyRecord(
        id=1, name="s", phase="search", identity={}, settings=settings_of(study), description="", metric="m",
        chance=0.0, data_hash="d", created_at=datetime(2026, 11, 1, tzinfo=UTC), version=2,
    )  # fmt: skip
    rows = {row.id: row.configuration for row in (winner, *([best] if best else []))}
    state = SearchState(record, rows, ())
    *made, choice = choose(study, state, [winner], [best] if best else [])
    assert isinstance(choice, ChooseWinner)
    return made, choice


def test_a_winner_that_reads_nothing_of_it_is_its_own_ablation() -> None:
    winner = standing(1, 0.8, kind="none", alpha=0.5, rate=0.3)
    best = standing(2, 0.7, kind="none", alpha=0, rate=0.3)
    made, choice = chosen(winner, best)
    assert made == []
    assert (choice.winner, choice.ablation, choice.best_without) == (1, 1, 1)
    record = StudyRecord(
        id=1, name="s", phase="confirm", identity={}, settings=settings_of(STUDY), description="", metric="m",
        chance=0.0, data_hash="d", created_at=datetime(2026, 11, 1, tzinfo=UTC), version=2,
        winner_id=1, ablation_id=1, best_without_id=1,
    )  # fmt: skip
    assert compared(record, {row.id: row.configuration for row in (winner, best)}) == {1: 6}, "no seed is paid twice"


@pytest.mark.parametrize(("kind", "rate"), [("kd", 0.3), ("none", 0.4)])
def test_numbers_that_are_read_make_two(kind: str, rate: float) -> None:
    winner = standing(1, 0.8, kind=kind, alpha=0.5, rate=0.3)
    made, choice = chosen(winner, standing(2, 0.7, kind=kind, alpha=0, rate=rate))
    if kind == "kd":
        assert (made, choice.ablation, choice.best_without) == ([], 2, 2)
    else:
        assert (made, choice.ablation, choice.best_without) == ([], 1, 2)
    made, _ = chosen(standing(1, 0.8, kind="kd", alpha=0.5, rate=0.3), None)
    assert [type(order) for order in made] == [NewConfiguration]


def test_a_task_s_own_weights_are_read_whatever_their_condition() -> None:
    # Nothing is named, so that the numbers themselves are compared.
    winner = standing(1, 0.8, kind="none", alpha=0.5, rate=0.3)
    unnamed = replace(STUDY, without=None)
    _, choice = chosen(winner, standing(2, 0.7, kind="none", alpha=0, rate=0.3), unnamed)
    assert choice.best_without == 2
