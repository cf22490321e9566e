"""The Optuna study that mirrors a finished or running study."""

from __future__ import annotations

import math
from collections import Counter

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from support import Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch.engines import optuna_mirror
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.optuna_mirror import (
    CONFIGURATION,
    Mirror,
    Projection,
    estimates,
    objectives,
    optuna_storage,
    rebuild,
)
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ConfigurationRecord, Kind, RunRecord, StudyRecord
from kdsearch.search.optuna_space import distributions
from kdsearch.statistics.summaries import summarize


@pytest.fixture
def finished(ledger: Ledger) -> StudyRecord:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.study_by_id(record.id)


def mirrored(ledger: Ledger, record: StudyRecord) -> optuna.Study:
    return optuna.load_study(study_name=record.name, storage=optuna_storage(ledger.database))


def test_best_trial_is_the_winner_with_its_posterior_mean(ledger: Ledger, finished: StudyRecord) -> None:
    best = mirrored(ledger, finished).best_trial
    results = ledger.results(finished.id)
    assert best.user_attrs[CONFIGURATION] == finished.winner_id
    assert finished.winner_id is not None
    assert best.value == pytest.approx(estimates(results)[finished.winner_id]["estimate"], abs=1e-12)
    assert best.params == dict(results.configurations[finished.winner_id].params.items())


def test_every_configuration_with_results_is_complete(ledger: Ledger, finished: StudyRecord) -> None:
    study, results = mirrored(ledger, finished), ledger.results(finished.id)
    believed = estimates(results)
    searched = [trial for trial in study.trials if trial.user_attrs["kind"] == "searched"]
    assert {trial.state for trial in searched} == {TrialState.COMPLETE}
    best = believed[finished.winner_id or -1]["estimate"]
    for trial in searched:
        row = believed[trial.user_attrs[CONFIGURATION]]
        assert trial.value == pytest.approx(min(row["estimate"], best), abs=1e-12)
        assert trial.user_attrs["estimate"] == pytest.approx(row["estimate"], abs=1e-12)
    others = [trial for trial in study.trials if trial.user_attrs["kind"] != "searched"]
    assert {trial.state for trial in others} == {TrialState.PRUNED}
    kinds = Counter(trial.user_attrs["kind"] for trial in others)
    assert kinds.pop("without") >= 2  # settings of the search without teacher
    assert kinds == {"baseline": 2, "ablation": 2}  # pre-flight's student alone, the winner without distillation
    for trial in others:  # with parameters, where they lie in the space
        params = results.configurations[trial.user_attrs[CONFIGURATION]].params
        assert trial.params.items() <= params.items()
    assert any(trial.params for trial in others)


def test_trials_have_the_numbers_of_their_configurations(ledger: Ledger, finished: StudyRecord) -> None:
    trials = mirrored(ledger, finished).trials
    searched = [trial for trial in trials if trial.user_attrs["kind"] == "searched"]
    assert [f"c{trial.number}" for trial in searched] == [trial.user_attrs["name"] for trial in searched]


def test_importances_are_those_of_all_configurations(ledger: Ledger, finished: StudyRecord) -> None:
    study, results = mirrored(ledger, finished), ledger.results(finished.id)
    known = distributions(finished.settings.space)
    alone = optuna.create_study(direction="maximize")
    for id_, row in results.configurations.items():
        if row.kind == "searched":
            params = {name: row.params[name] for name in known}
            value = min(estimates(results)[id_]["estimate"], study.best_value)
            alone.add_trial(optuna.create_trial(params=params, distributions=known, value=value))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    ours = optuna.importance.get_param_importances(study, evaluator=evaluator)
    expected = optuna.importance.get_param_importances(alone, evaluator=evaluator)
    assert ours == pytest.approx(expected)
    assert len(ours) == len(known)


def test_nothing_is_better_than_the_winner(ledger: Ledger, finished: StudyRecord) -> None:
    """A configuration of one seed may be believed to be, and is not chosen."""
    for sign in (1.0, -1.0):
        projection = Projection.__new__(Projection)
        projection._sign = sign
        best = {"estimate": 0.5}
        assert projection._below(sign * 0.4, {"estimate": sign * 0.5}, wins=False) == sign * 0.4
        capped = projection._below(sign * 0.6, {"estimate": sign * 0.5}, wins=False)
        assert 0 < sign * (sign * 0.5 - capped) < 1e-12
        assert projection._below(0.5, best, wins=True) == 0.5


def test_every_trial_tells_raw_mean_sd_n_and_interval(ledger: Ledger, finished: StudyRecord) -> None:
    results = ledger.results(finished.id)
    for trial in mirrored(ledger, finished).trials:
        if trial.user_attrs["kind"] not in ("searched", "without"):
            continue
        id_ = trial.user_attrs[CONFIGURATION]
        values = [run.objective for run in results.runs if run.configuration_id == id_ and run.pool == "search"]
        summary = summarize([value for value in values if value is not None])
        assert trial.user_attrs["n"] == summary.n
        assert trial.user_attrs["mean"] == pytest.approx(summary.mean)
        if summary.n == 1:
            assert "sd" not in trial.user_attrs, "one seed has no spread"
        else:
            assert trial.user_attrs["sd"] == pytest.approx(summary.sd)
            assert trial.user_attrs["low"] == pytest.approx(summary.low)
        assert trial.intermediate_values[summary.n] == pytest.approx(summary.mean)


def test_while_a_study_runs_its_trials_are_running_with_means_by_seeds(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    engine = DebugEngine(coordinator, Loaded(study))  # type: ignore[arg-type]

    def interrupt(progress: object) -> None:
        if sum(run.pool == "search" and run.state == "done" for run in ledger.results(record.id).runs) > 10:
            raise KeyboardInterrupt

    coordinator_tick = coordinator.advance
    coordinator.advance = lambda: (interrupt(None), coordinator_tick())[1]  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    assert Mirror(ledger, record).sync() == 0, "none was told how it ended"
    trials = mirrored(ledger, record).trials
    assert {trial.state for trial in trials} == {TrialState.RUNNING}
    reported = [trial for trial in trials if trial.intermediate_values]
    assert reported
    assert all(math.isfinite(value) for trial in reported for value in trial.intermediate_values.values())


def test_two_launchers_may_mirror_one_study(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.tick()
    first, second = Mirror(ledger, record), Mirror(ledger, record)
    first.sync()
    second.sync()
    coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    assert first.sync() == len(mirrored(ledger, record).trials)
    assert second.sync() == 0, "the other has told them all"
    finished = ledger.study_by_id(record.id)
    assert mirrored(ledger, finished).best_trial.user_attrs[CONFIGURATION] == finished.winner_id


def test_while_another_process_draws_them_no_trial_is_told(
    ledger: Ledger, finished: StudyRecord, database_url: str
) -> None:
    rebuild(ledger.database, finished.name)
    with Ledger.connect(database_url).database.engine.connect() as other:
        other.execute(sa.text("SELECT pg_advisory_lock(hashtext(:name), 1)"), {"name": finished.name})
        assert Mirror(ledger, finished).sync() == 0
        other.execute(sa.text("SELECT pg_advisory_unlock_all()"))
    assert Mirror(ledger, finished).sync() > 0


@pytest.mark.parametrize("bulk", [True, False])
def test_a_further_launcher_finds_the_trials_that_are_there(
    ledger: Ledger, finished: StudyRecord, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    """By Optuna's API too, where its tables are not those that are known; it makes none twice and writes none again."""
    monkeypatch.setattr(optuna_mirror.optuna_tables, "known", lambda connection: bulk)
    before = len(mirrored(ledger, finished).trials)
    written: list[int] = []
    monkeypatch.setattr(optuna_mirror.Projection, "_write", lambda self, *given: written.append(len(given[2])) or 0)
    assert Mirror(ledger, finished).sync() == 0
    assert written == []
    monkeypatch.undo()
    monkeypatch.setattr(optuna_mirror.optuna_tables, "known", lambda connection: bulk)
    rebuild(ledger.database, finished.name)
    assert Mirror(ledger, finished).sync() == before
    assert Mirror(ledger, finished).sync() == 0
    assert len(mirrored(ledger, finished).trials) == before


def test_an_optuna_study_that_somebody_deletes_meanwhile_is_drawn_anew(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.tick()
    mirror = Mirror(ledger, record)
    mirror.sync()
    optuna.delete_study(study_name=record.name, storage=optuna_storage(ledger.database))
    coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]  # it would draw the study before this one does
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    mirror.sync()
    found = [(trial.user_attrs[CONFIGURATION], trial.value) for trial in mirrored(ledger, record).trials]
    rebuild(ledger.database, record.name)
    Mirror(ledger, ledger.study_by_id(record.id)).sync()
    assert sorted(found) == sorted((t.user_attrs[CONFIGURATION], t.value) for t in mirrored(ledger, record).trials)
    assert mirrored(ledger, record).best_trial.user_attrs[CONFIGURATION] == ledger.study_by_id(record.id).winner_id


def test_the_mirror_can_be_built_anew_and_twice(ledger: Ledger, finished: StudyRecord) -> None:
    def content() -> list[tuple[object, ...]]:
        return sorted(
            (t.user_attrs[CONFIGURATION], t.state.name, t.value or 0.0) for t in mirrored(ledger, finished).trials
        )

    before = content()
    Mirror(ledger, finished).sync()
    assert content() == before
    rebuild(ledger.database, finished.name)
    Mirror(ledger, finished).sync()
    assert content() == before


@pytest.mark.parametrize(
    ("kind", "expected"), [("searched", [0.5, 0.1]), ("without", [0.5, 0.1]), ("baseline", [0.7]), ("ablation", [0.7])]
)
def test_a_trial_tells_the_objectives_of_its_own_runs(kind: Kind, expected: list[float]) -> None:
    """Of search seeds, diverged ones too; of fresh seeds where the configuration was never searched."""
    runs = [
        RunRecord(1, 5, "search", 0, "done", 0.5),
        RunRecord(2, 5, "search", 1, "diverged", 0.1),
        RunRecord(3, 5, "search", 2, "failed", 0.2),
        RunRecord(4, 5, "search", 3, "queued", None),
        RunRecord(5, 5, "confirm", 2**30, "done", 0.7),
        RunRecord(6, 6, "search", 0, "done", 0.9),
        RunRecord(7, 6, "confirm", 2**30, "done", 0.8),
    ]
    assert objectives(runs, ConfigurationRecord(5, kind, "c", {})) == expected
