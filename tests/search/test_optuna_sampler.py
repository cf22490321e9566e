"""Optuna's samplers behind the ledger: told means of repeated seeds, the same proposals whoever asks and whenever."""

from __future__ import annotations

import functools
from typing import Any

import optuna
import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import StudyFileError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.search.policies.base import Configuration, Further, New
from kdsearch.search.policies.optuna_sampler import OptunaSampler

SPACE = {
    "x": kd.uniform(0, 1),
    "k": kd.integer(1, 8, log=True),
    "mode": kd.categorical("a", "b"),
    "t": kd.when(kd.log(1, 16), mode="a"),
}
TPE = functools.partial(optuna.samplers.TPESampler, n_startup_trials=4)


def tried(count: int, seeds: int = 2) -> list[Configuration]:
    return [
        Configuration(
            {"x": i / count, "k": 1 + i % 8, "mode": "ab"[i % 2], "t": 2.0},
            dict.fromkeys(range(seeds), 1 - (i / count) ** 2),
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("sampler", [TPE, optuna.samplers.RandomSampler, optuna.samplers.TPESampler(seed=1)])
def test_it_proposes_inside_the_space_and_gives_each_its_seeds(sampler: Any) -> None:
    picks = OptunaSampler(SPACE, 0, 3, sampler).choose(tried(6, seeds=3), 7)
    assert [type(pick) for pick in picks] == [New, Further, Further, New, Further, Further, New]
    for pick in picks:
        if isinstance(pick, New):
            assert all(SPACE[name].contains(value) for name, value in pick.params.items())
            assert ("t" in pick.params) == (pick.params["mode"] == "a")


def test_what_was_begun_gets_its_seeds_first() -> None:
    rows = [*tried(3), Configuration({"x": 0.5, "k": 2, "mode": "b"}, {}, frozenset({0}))]
    picks = OptunaSampler(SPACE, 0, 2, TPE).choose(rows, 2)
    assert picks[0] == Further(3)
    assert isinstance(picks[1], New)


def test_the_configurations_alone_decide() -> None:
    rows = tried(12)
    first, second = (OptunaSampler(SPACE, 5, 2, TPE) for _ in range(2))
    first.choose(tried(7), 4)  # what one has been asked before does not matter
    assert first.choose(rows, 6) == second.choose(rows, 6)
    assert OptunaSampler(SPACE, 6, 2, TPE).choose(rows, 6) != second.choose(rows, 6)


def test_tpe_goes_where_the_means_are_high() -> None:
    rows = tried(40)  # the best x are the smallest
    values = [pick.params["x"] for pick in OptunaSampler(SPACE, 0, 2, TPE).choose(rows, 20) if isinstance(pick, New)]
    assert sum(values) / len(values) < 0.35


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 1 - (params["x"] - 0.3) ** 2 + 0.001 * (seed % 5)


def finished(ledger: Ledger, study: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, capacity=2), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def made(name: str, **fields: Any) -> kd.Study:
    given = {"search": kd.OptunaSearch(TPE, seeds=3), "budget": kd.Budget(runs=30)}
    confirm = kd.Confirm(seeds=2, finalists=1)
    return kd.Study(name, train, {"x": kd.uniform(0, 1)}, chance=0.0, confirm=confirm, **{**given, **fields})


def test_a_study_is_searched_by_it_to_its_end(ledger: Ledger) -> None:
    results = finished(ledger, made("tpe"))
    assert results.study.phase == "finished"
    counts: dict[int, int] = {}
    for run in results.runs:
        if run.pool == "search":
            counts[run.configuration_id] = counts.get(run.configuration_id, 0) + 1
    assert list(counts.values()) == [3] * 10
    winner = results.configurations[results.study.winner_id or 0]
    assert abs(float(winner.params["x"]) - 0.3) < 0.2
    stored = ledger.study("tpe").settings.stored["search"]
    assert stored == {"policy": "optuna", "sampler": "TPESampler(n_startup_trials=4)", "seeds": 3}


def test_it_minimizes_where_the_study_does(ledger: Ledger) -> None:
    up = finished(ledger, made("up"))
    turned = kd.Study(
        "down",
        lambda params, seed, report: -train(params, seed, report),
        {"x": kd.uniform(0, 1)},
        chance=0.0,
        direction="minimize",
        search=kd.OptunaSearch(TPE, seeds=3),
        budget=kd.Budget(runs=30),
        confirm=kd.Confirm(seeds=2, finalists=1),
    )
    down = finished(ledger, turned)
    params = [[dict(row.params) for row in found.configurations.values()] for found in (up, down)]
    assert params[0] == params[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sampler": "tpe"}, r"sampler='tpe': expected a sampler of Optuna"),
        ({"sampler": print}, r"called with seed=0: TypeError: .* expected a sampler of Optuna"),
        ({"sampler": lambda: TPE(seed=0)}, r"called with seed=0: TypeError"),
        (
            {"sampler": optuna.samplers.NSGAIISampler},
            r"sampler=NSGAIISampler: it keeps what it knows in Optuna's trials",
        ),
        ({"sampler": optuna.samplers.QMCSampler()}, r"sampler=QMCSampler: it keeps"),
        ({"sampler": TPE, "seeds": 1}, r"OptunaSearch needs 2 seeds or more"),
    ],
)
def test_what_is_no_search_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        kd.OptunaSearch(**given)
