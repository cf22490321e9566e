"""Trials that are written in batches are, read through Optuna's own API, those that its API writes one by one."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from support import Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch.engines import optuna_mirror, optuna_tables
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.optuna_mirror import Mirror, best_first, optuna_storage, rebuild
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ConfigurationRecord, StudyRecord


def content(ledger: Ledger, name: str) -> list[tuple[Any, ...]]:
    study = optuna.load_study(study_name=name, storage=optuna_storage(ledger.database))
    return [
        (
            trial.number,
            trial.state,
            trial.values,
            trial.params,
            trial.distributions,
            trial.user_attrs,
            trial.system_attrs,
            trial.intermediate_values,
            trial.datetime_start is not None,
            trial.datetime_complete is not None,
        )
        for trial in study.trials
    ]


def drawn(ledger: Ledger, record: StudyRecord) -> list[tuple[Any, ...]]:
    rebuild(ledger.database, record.name)
    Mirror(ledger, record).sync()
    return content(ledger, record.name)


def test_a_batch_is_what_the_api_writes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    study = toy_study(
        budget=kd.Budget(runs=24),
        space={"alpha": kd.log(0.01, 1), "rate": kd.uniform(0, 1)},
    )
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
    advance, looks = coordinator.advance, []

    def look() -> int:
        """Twice in the search, and once more at the end: the second look meets trials of the first."""
        if len(looks) < 2 and ledger.ended_runs(record.id) > 8 * (len(looks) + 1):
            assert Mirror(ledger, record).sync() == 0, "no trial was told how it ended"
            looks.append(content(ledger, record.name))
        return advance()

    coordinator.advance = look  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    record = ledger.study_by_id(record.id)
    assert record.phase == "finished"
    assert Mirror(ledger, record).sync() == len(content(ledger, record.name))
    in_steps, at_once = content(ledger, record.name), drawn(ledger, record)
    monkeypatch.setattr(optuna_tables, "known", lambda connection: False)
    assert drawn(ledger, record) == at_once
    assert [row[:6] for row in in_steps] == [row[:6] for row in at_once]
    assert len(looks) == 2


def test_numbers_that_are_not_finite_are_written_by_the_api(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    at_once = drawn(ledger, ledger.study_by_id(record.id))
    monkeypatch.setattr(optuna_tables.Change, "storable", False)
    monkeypatch.setattr(optuna_tables, "write", None)
    assert drawn(ledger, ledger.study_by_id(record.id)) == at_once


def test_a_finished_trial_and_one_that_is_gone(ledger: Ledger) -> None:
    storage = optuna_storage(ledger.database)
    study = optuna.create_study(study_name="s", storage=storage)
    first, second = study.ask(), study.ask()
    study.tell(first, 1.0)
    with ledger.database.engine.begin() as connection:
        assert optuna_tables.known(connection)
        changes = [optuna_tables.Change(trial._trial_id, {"x": 1}) for trial in (first, second)]
        stored = optuna_tables.write(connection, study._study_id, changes)
        assert [taken for _, taken in stored] == [False, True]
        with pytest.raises(KeyError):
            optuna_tables.write(connection, study._study_id, [optuna_tables.Change(10**6, {})])
        with pytest.raises(KeyError):
            optuna_tables.write(connection, 10**6, [])
    assert [trial.user_attrs for trial in study.trials] == [{}, {"x": 1}]


def test_the_best_of_very_many_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_mirror, "BATCH", 2)
    rows = [ConfigurationRecord(id_, "searched", f"c{id_}", {}) for id_ in range(5)]
    estimates = {id_: {"n": n, "mean": mean} for id_, n, mean in ((0, 2, 0.1), (1, 1, 0.9), (2, 3, 0.5), (3, 2, 0.4))}
    assert [row.id for row in best_first(rows, estimates, 1.0)] == [2, 3, 0, 1, 4]
    assert [row.id for row in best_first(rows, estimates, -1.0)] == [0, 3, 1, 2, 4]
