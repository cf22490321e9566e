"""Optuna's samplers behind the ledger: told means of repeated seeds, the same proposals whoever asks and whenever."""

from __future__ import annotations

import copy
import functools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines import curve_stops
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.curve_stops import stopper_of
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.report import build, render
from kdsearch.report.finding import _spent
from kdsearch.report.selection import select
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


@pytest.mark.parametrize(
    "sampler", [TPE, optuna.samplers.RandomSampler, lambda seed: optuna.samplers.TPESampler(seed=1)]
)
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


def grown(sampler: Any, space: Any, count: int, *, at_once: int = 1, seeds: int = 2) -> list[Configuration]:
    """A search of so many configurations, each call by a policy that remembers nothing, through JSON."""
    rows: list[Configuration] = []
    while len(rows) < count:
        new = OptunaSampler(space, 0, seeds, sampler).propose(rows, min(at_once, count - len(rows)))
        if not new:
            break
        for pick in new:
            value = 1 - (float(pick.params["x"]) - 0.3) ** 2
            kept = json.loads(json.dumps(pick.proposal))
            rows.append(Configuration(pick.params, dict.fromkeys(range(seeds), value), proposal=kept))
    return rows


def test_a_sequence_goes_on_where_it_was() -> None:
    """What a sampler keeps in the study: the numbers are those of Optuna by itself."""
    space: Any = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}
    make = functools.partial(
        optuna.samplers.QMCSampler, qmc_type="halton", scramble=False, warn_independent_sampling=False
    )
    study = optuna.create_study(sampler=make(seed=0))
    for _ in range(12):
        trial = study.ask()
        values = [trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)]
        study.tell(trial, sum(values))
    expected = [tuple(trial.params.values()) for trial in study.trials]
    # The first is drawn at random: no trial says yet what the space is.
    assert [tuple(row.params.values()) for row in grown(make, space, 12)][1:] == expected[1:]
    many = [tuple(row.params.values()) for row in grown(make, space, 12, at_once=4)]
    assert len(set(many)) == 12


def test_a_grid_is_visited_once_and_then_the_search_has_nothing_new() -> None:
    grid = {"x": [i / 9 for i in range(10)], "k": [1, 2, 3]}
    space: Any = {"x": kd.uniform(0, 1), "k": kd.integer(1, 3)}
    rows = grown(lambda seed: optuna.samplers.GridSampler(grid, seed=seed), space, 40, at_once=3)
    assert not any(row.proposal.get("again") for row in rows)
    assert sorted((row.params["x"], row.params["k"]) for row in rows) == [(x, k) for x in grid["x"] for k in grid["k"]]


def test_generations_follow_each_other() -> None:
    """What a sampler keeps in trials, and the parents that it keeps in the study."""
    space: Any = {"x": kd.uniform(0, 1), "k": kd.integer(1, 3)}
    rows = grown(functools.partial(optuna.samplers.NSGAIISampler, population_size=5), space, 30)
    generations = [row.proposal["trial"]["NSGAIISampler:generation"] for row in rows]
    assert generations == sorted(generations)
    assert max(generations) >= 4
    errors = [abs(float(row.params["x"]) - 0.3) for row in rows]
    assert sum(errors[-10:]) < 0.7 * sum(errors[:10]), "children of the better ones"


def test_a_covariance_is_adapted_to_what_was_told() -> None:
    pytest.importorskip("cmaes")
    space: Any = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}
    make = functools.partial(optuna.samplers.CmaEsSampler, popsize=5, warn_independent_sampling=False)
    rows = grown(make, space, 41)
    errors = [abs(float(row.params["x"]) - 0.3) for row in rows]
    assert sum(errors[-10:]) < 0.3 * sum(errors[:10])


def test_what_is_proposed_again_is_passed_over_and_remembered() -> None:
    """A sampler of few choices repeats itself, and its sequence goes on."""
    space: Any = {"x": kd.integer(0, 3), "k": kd.integer(1, 2)}
    make = functools.partial(optuna.samplers.QMCSampler, scramble=False, warn_independent_sampling=False)
    rows = grown(make, space, 20)
    assert len({tuple(row.params.values()) for row in rows}) == len(rows) == 8
    again = [pair for row in rows for pair in row.proposal.get("again", [])]
    assert again
    assert all(0 <= place < 8 for place, _ in again)


@pytest.mark.parametrize(
    "sampler",
    [
        optuna.samplers.NSGAIISampler,
        optuna.samplers.NSGAIIISampler,
        optuna.samplers.QMCSampler,
        functools.partial(optuna.samplers.TPESampler, multivariate=True, constant_liar=True),
        lambda seed: optuna.samplers.PartialFixedSampler({"k": 2}, optuna.samplers.RandomSampler(seed=seed)),
    ],
)
def test_any_sampler_searches_a_space_with_choices_and_conditions(sampler: Any) -> None:
    rows = grown(sampler, {**SPACE, "x": kd.integer(0, 9)}, 25, at_once=3)
    assert len(rows) == 25
    for row in rows:
        assert ("t" in row.params) == (row.params["mode"] == "a")


def test_brute_force_tries_everything_once() -> None:
    space: Any = {"x": kd.integer(0, 3), "mode": kd.categorical("a", "b"), "t": kd.when(kd.integer(1, 2), mode="a")}
    rows = grown(optuna.samplers.BruteForceSampler, space, 20)
    assert len({tuple(row.params.values()) for row in rows}) == len(rows) == 12


def test_what_a_sampler_keeps_is_in_the_ledger(ledger: Ledger) -> None:
    sampler = functools.partial(optuna.samplers.NSGAIISampler, population_size=4)
    results = finished(ledger, made("nsga", search=kd.OptunaSearch(sampler, seeds=2), budget=kd.Budget(runs=32)))
    rows = [row for row in results.configurations.values() if row.kind == "searched"]
    generations = [row.proposal["trial"]["NSGAIISampler:generation"] for row in rows]
    assert len(rows) == 16
    assert generations == sorted(generations)
    assert generations[-1] >= 2


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 1 - (params["x"] - 0.3) ** 2 + 0.001 * (seed % 5)


def finished(ledger: Ledger, study: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, capacity=2), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def made(name: str, **fields: Any) -> kd.Study:
    given = {"search": kd.OptunaSearch(TPE, seeds=3), "budget": kd.Budget(runs=30), "chance": 0.0}
    confirm = kd.Confirm(seeds=2, finalists=1)
    return kd.Study(name, train, {"x": kd.uniform(0, 1)}, confirm=confirm, **{**given, **fields})


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


def curved(params: dict[str, Any], seed: int, report: Any) -> float:
    """Rises towards a level that its number sets, and says so at each of ten epochs."""
    level = 1 - (params["x"] - 0.3) ** 2 + 0.001 * (seed % 5)
    for epoch in range(1, 11):
        report(epoch, level * (1 - 0.5**epoch))
    return level


def turned(params: dict[str, Any], seed: int, report: Any) -> float:
    return -curved(params, seed, lambda epoch, value: report(epoch, -value))


@pytest.mark.parametrize(
    "pruner",
    [
        optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
        optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
        optuna.pruners.HyperbandPruner(min_resource=2, max_resource=10),
        optuna.pruners.PercentilePruner(75, n_startup_trials=6, interval_steps=3),
    ],
)
def test_a_pruner_stops_runs_by_their_curves(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, pruner: Any) -> None:
    """The same ones where the study minimizes the negative of it."""
    monkeypatch.setattr(curve_stops, "READ_EVERY", 0.0)
    found = []
    for name, function, direction in (("up", curved, "maximize"), ("down", turned, "minimize")):
        search = kd.OptunaSearch(optuna.samplers.RandomSampler, seeds=2, pruner=copy.deepcopy(pruner))
        study = kd.Study(
            name,
            function,
            {"x": kd.uniform(0, 1)},
            chance=0.0,
            direction=direction,
            search=search,
            budget=kd.Budget(runs=40),
            confirm=kd.Confirm(seeds=3, finalists=1),
        )
        results = finished(ledger, study)
        assert results.study.phase == "finished"
        states = Counter(run.state for run in results.runs if run.pool == "search")
        assert set(states) == {"done", "stopped"}
        assert sum(states.values()) == 40, "a run that is stopped was a run of the budget"
        for run in results.runs:
            if run.state == "stopped":
                assert (run.objective, run.score) == (None, None)
                assert 1 <= run.curve["epoch"][-1] == run.epochs == len(run.curve["objective"]) <= 10
            if run.pool == "confirm":
                assert run.state == "done", "fresh seeds are trained to their end"
        winner = [run for run in results.runs if run.configuration_id == results.study.winner_id]
        assert sum(run.state == "done" and run.pool == "search" for run in winner) >= 1
        text = render(build(results), "table")
        assert f"{states['stopped']} of 40 search runs were stopped by their curves" in " ".join(text.split())
        found.append([(run.seed, run.state, run.epochs) for run in results.runs if run.pool == "search"])
    assert found[0] == found[1]


def test_a_run_is_stopped_by_what_other_workers_have_stored(ledger: Ledger, tmp_path: Path) -> None:
    search = kd.OptunaSearch(optuna.samplers.RandomSampler, pruner=optuna.pruners.MedianPruner(2, 0))
    study = made("told", search=search)
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, capacity=12)
    coordinator.advance()
    coordinator.advance()
    leases = ledger.claim(record.id, "elsewhere", 5)
    assert len(leases) == 5
    curve = {"curve_names": ["epoch", "loss", "objective"], "curves": [[1, 2, 3], [9, 9, 9], [0.5, 0.6, 0.7]]}
    outcomes = [Outcome(lease, "done", {"objective": 0.7, "score": 0.1, **curve}) for lease in leases[:3]]
    ledger.finish(outcomes)
    stopper = stopper_of(ledger, study, record)
    assert stopper is not None
    for lease, values in zip(leases[3:], ([0.4, 0.7], [0.55, 0.59]), strict=True):
        assert stopper.begin(lease, tmp_path)
        (tmp_path / "reported.jsonl").unlink(missing_ok=True)
        stops = [stopper.stops(lease, epoch, value) for epoch, value in enumerate(values, 1)]
        assert stops == ([True, True] if values[0] == 0.4 else [False, True])
        result = stopper.result(lease, "cpu")
        assert result is not None
        assert result.curve["objective"] == (values[:1] if values[0] == 0.4 else values)
    assert stopper_of(ledger, made("none"), record) is None


def begun(ledger: Ledger, pruner: Any, count: int, **fields: Any) -> tuple[kd.Study, StudyRecord, list[Lease]]:
    """A study with a pruner, and leases of its first runs."""
    study = made("begun", search=kd.OptunaSearch(optuna.samplers.RandomSampler, pruner=pruner), **fields)
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, capacity=2 * count)
    coordinator.advance()
    coordinator.advance()
    leases = ledger.claim(record.id, "here", count)
    assert len(leases) == count
    return study, record, leases


def test_a_run_that_goes_on_elsewhere_has_its_whole_curve(ledger: Ledger, tmp_path: Path) -> None:
    study, record, (lease,) = begun(ledger, optuna.pruners.ThresholdPruner(lower=0.2), 1)
    first, second = (stopper_of(ledger, study, record) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.begin(lease, tmp_path)
    assert [first.stops(lease, epoch, value) for epoch, value in ((1, 0.3), (2, 0.4), (3, 0.5))] == [False] * 3
    assert second.begin(lease, tmp_path)  # its checkpoint was of epoch 2
    assert [second.stops(lease, epoch, value) for epoch, value in ((3, 0.45), (4, 0.1))] == [False, True]
    result = second.result(lease, "cpu")
    assert result is not None
    assert result.curve == {"epoch": [1, 2, 3, 4], "objective": [0.3, 0.4, 0.45, 0.1]}


@pytest.mark.parametrize(("direction", "stopped"), [("maximize", [False, True]), ("minimize", [False, True])])
def test_a_threshold_is_one_of_the_metric_as_it_is(
    ledger: Ledger, tmp_path: Path, direction: str, stopped: list[bool]
) -> None:
    fields = {"direction": direction, "chance": 9.0 if direction == "minimize" else 0.0}
    study, record, (lease,) = begun(ledger, optuna.pruners.ThresholdPruner(upper=6.0), 1, **fields)
    stopper = stopper_of(ledger, study, record)
    assert stopper is not None
    assert stopper.begin(lease, tmp_path)
    assert [stopper.stops(lease, epoch, value) for epoch, value in ((1, 5.0), (2, 7.0))] == stopped


def test_runs_that_somebody_added_are_not_stopped(ledger: Ledger, tmp_path: Path) -> None:
    study, record, (lease,) = begun(ledger, optuna.pruners.ThresholdPruner(lower=0.2), 1)
    stopper = stopper_of(ledger, study, record)
    assert stopper is not None
    assert not stopper.begin(replace(lease, origin="user"), tmp_path)
    assert not stopper.begin(replace(lease, pool="confirm"), tmp_path)
    assert not stopper.stops(replace(lease, run_id=lease.run_id + 1000), 1, 0.0), "it was never begun"


def test_a_run_that_was_lost_and_has_ended_elsewhere_is_left_alone(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_stops, "READ_EVERY", 0.0)
    study, record, (lease, other) = begun(ledger, optuna.pruners.ThresholdPruner(lower=0.2), 2)
    stopper = stopper_of(ledger, study, record)
    assert stopper is not None
    assert stopper.begin(lease, tmp_path)
    ledger.finish([Outcome(lease, "done", {"objective": 0.7, "curve_names": [], "curves": []})])
    assert [stopper.stops(lease, epoch, 0.1) for epoch in (1, 2)] == [False, False]
    assert stopper.begin(other, tmp_path / "other")


def test_a_pruner_that_stops_everything_ends_the_study_in_a_sentence(ledger: Ledger) -> None:
    search = kd.OptunaSearch(optuna.samplers.RandomSampler, pruner=optuna.pruners.ThresholdPruner(lower=5.0))
    study = kd.Study("none", curved, {"x": kd.uniform(0, 1)}, chance=0.0, search=search, budget=kd.Budget(runs=60))
    with pytest.raises(KdsearchError, match=r"the pruner stopped all of the first 1[6-9] search runs"):
        finished(ledger, study)


def test_stopped_runs_are_counted_where_runs_are(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_stops, "READ_EVERY", 0.0)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)
    search = kd.OptunaSearch(optuna.samplers.RandomSampler, pruner=pruner)
    study = kd.Study(
        "counted", curved, {"x": kd.uniform(0, 1), "alpha": kd.uniform(0, 1)}, chance=0.0, search=search,
        without={"alpha": 0}, budget=kd.Budget(runs=60), confirm=kd.Confirm(seeds=6, finalists=1),
    )  # fmt: skip
    results = finished(ledger, study)
    search_runs = [run for run in results.runs if run.pool == "search"]
    kinds = Counter((results.configurations[run.configuration_id].kind, run.state) for run in search_runs)
    assert kinds["searched", "stopped"]
    ordered = {kind: kinds[kind, "done"] + kinds[kind, "stopped"] for kind in ("searched", "without")}
    selection = select(results)
    assert _spent(selection, "without")[0] == ordered["without"]
    assert _spent(selection, "searched")[0] == ordered["searched"]
    text = " ".join(render(build(results), "table").split())
    assert f"Over all {sum(ordered.values())} search runs: the best single run would have claimed" in text


def test_runs_with_and_without_a_teacher_are_not_judged_together(ledger: Ledger, tmp_path: Path) -> None:
    study, record, leases = begun(ledger, optuna.pruners.MedianPruner(2, 0), 4)
    stopper = stopper_of(ledger, study, record)
    assert stopper is not None
    curve = {"curve_names": ["epoch", "objective"], "curves": [[1, 2], [0.8, 0.9]]}
    ledger.finish([Outcome(lease, "done", {"objective": 0.9, **curve}) for lease in leases[:3]])
    low = replace(leases[3], kind="without")
    assert stopper.begin(low, tmp_path)
    assert not stopper.stops(low, 1, 0.1), "none of its kind has ended"
    assert stopper.begin(replace(low, kind="searched", run_id=low.run_id + 1000), tmp_path / "searched")
    assert stopper.stops(replace(low, run_id=low.run_id + 1000), 1, 0.1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sampler": "tpe"}, r"sampler='tpe': expected a sampler of Optuna"),
        ({"sampler": print}, r"called with seed=0: TypeError: .* expected a sampler of Optuna"),
        ({"sampler": lambda: TPE(seed=0)}, r"called with seed=0: TypeError"),
        (
            {"sampler": optuna.samplers.RandomSampler(seed=1)},
            r"sampler=RandomSampler\(...\): expected the class, or a function of a seed",
        ),
        ({"sampler": TPE, "seeds": 1}, r"OptunaSearch needs 2 seeds or more"),
        ({"sampler": TPE, "pruner": "median"}, r"pruner='median': expected a pruner of Optuna"),
        ({"sampler": TPE, "pruner": optuna.pruners.MedianPruner}, r"pruner=.*MedianPruner.*: expected a pruner"),
    ],
)
def test_what_is_no_search_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        kd.OptunaSearch(**given)


def test_a_sampler_that_fails_is_named() -> None:
    grid = functools.partial(optuna.samplers.GridSampler, {"x": ["nothing of this space"]})
    for sampler, name in ((grid, "GridSampler"), (lambda seed: 1 / 0, "<lambda>")):
        with pytest.raises(KdsearchError, match=f"the sampler {name} of the study file cannot propose a configuration"):
            OptunaSampler(SPACE, 0, 2, sampler).choose([], 2)  # type: ignore[arg-type]
