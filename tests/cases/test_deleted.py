"""A study, a configuration or a run that somebody deletes by SQL while it is looked at: a sentence, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.export import runs as export_runs
from kdsearch.cli.logs import logs
from kdsearch.cli.report import compare, report, status
from kdsearch.cli.studies import list_studies
from kdsearch.dashboard.figures import publish, publish_all
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.optuna_mirror import Mirror
from kdsearch.errors import StudyDeleted
from kdsearch.ledger import queries
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord

FIGURES = Path(__file__).parents[2] / "dashboards"
COMMANDS: dict[str, Callable[[str, int], Any]] = {
    "report": lambda url, run: report("toy@toy", storage=url),
    "status": lambda url, run: status("toy@toy", storage=url),
    "compare": lambda url, run: compare(["toy@toy", "toy@toy"], storage=url),
    "export": lambda url, run: export_runs("toy@toy", storage=url),
    "logs": lambda url, run: logs(run, storage=url),
}


@pytest.fixture
def finished(ledger: Ledger) -> StudyRecord:
    study = toy_study(budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=1))
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study), "cpu", 1).run()  # type: ignore[arg-type]
    return ledger.study_by_id(record.id)


def delete(ledger: Ledger, statement: str, **values: Any) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


@pytest.mark.parametrize("claimed", [0, 1], ids=["queued", "one of them trains"])
def test_open_runs_that_go_while_the_study_runs_are_ordered_again(ledger: Ledger, claimed: int) -> None:
    study = toy_study(budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=1))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.tick()
    held = ledger.claim(record.id, "w", limit=claimed) if claimed else []
    delete(ledger, "DELETE FROM kdsearch.run WHERE state IN ('queued', 'leased')")
    DebugEngine(coordinator, Loaded(study), "cpu", 1).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    assert sum(run.pool == "search" and run.state == "done" for run in results.runs) == 8
    if held:
        late = Outcome(held[0], "done", {"objective": 0.9})
        assert ledger.finish([late]) == set(), "what was deleted takes no result"


def test_a_configuration_that_goes_while_the_study_runs_is_forgotten(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=16), confirm=kd.Confirm(seeds=2, finalists=1))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    seen: list[int] = []

    def observe(progress: Any) -> None:
        done = [run for run in progress.state.runs if run.pool == "search" and run.state == "done"]
        if len(done) >= 4 and not seen:
            seen.extend(run.configuration_id for run in done)
            for id_ in set(seen):
                delete(ledger, "DELETE FROM kdsearch.run WHERE configuration_id = :id", id=id_)
                delete(ledger, "DELETE FROM kdsearch.configuration WHERE id = :id", id=id_)

    engine = DebugEngine(coordinator, Loaded(study), "cpu", 1)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kdsearch.engines.debug._SHOWN_EVERY", 0.0)
        engine.run(observe)
    results = ledger.results(record.id)
    assert seen
    assert results.study.phase == "finished"
    assert not set(seen) & results.configurations.keys()
    assert {run.configuration_id for run in results.runs} <= results.configurations.keys()


def test_a_study_that_goes_while_a_command_reads_it(
    ledger: Ledger, database_url: str, finished: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ledger.results(finished.id).runs[-1].id
    read = queries.study_by_id

    def gone(connection: Any, study_id: int) -> StudyRecord:
        connection.execute(sa.text("DELETE FROM kdsearch.run WHERE study_id = :id"), {"id": study_id})
        connection.execute(sa.text("DELETE FROM kdsearch.study WHERE id = :id"), {"id": study_id})
        return read(connection, study_id)

    monkeypatch.setattr(queries, "study_by_id", gone)
    for command in COMMANDS.values():  # each deletes in a transaction that is rolled back
        with pytest.raises(StudyDeleted, match="is no longer in the ledger: somebody deleted it"):
            command(database_url, run)


def test_a_winner_that_is_gone(ledger: Ledger, database_url: str, finished: StudyRecord) -> None:
    own = [run.id for run in ledger.results(finished.id).runs if run.configuration_id != finished.winner_id]
    delete(ledger, "DELETE FROM kdsearch.configuration WHERE id = :id", id=finished.winner_id)
    for name, command in COMMANDS.items():
        if name == "logs":
            command(database_url, own[-1])  # other runs can still be looked at
            continue
        with pytest.raises(StudyDeleted, match="the winner of toy@toy is no longer in the ledger: somebody deleted"):
            command(database_url, own[-1])


def test_what_a_winner_is_compared_with_is_gone(
    ledger: Ledger, database_url: str, finished: StudyRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    baselines = [row.id for row in ledger.results(finished.id).configurations.values() if row.kind == "baseline"]
    for ids in ([finished.ablation_id], [*finished.finalist_ids], baselines):
        delete(ledger, "DELETE FROM kdsearch.configuration WHERE id = ANY(:ids)", ids=ids)
        COMMANDS["report"](database_url, 0)
        assert "toy@toy" in capsys.readouterr().out
    delete(ledger, "DELETE FROM kdsearch.run WHERE pool = 'confirm' AND study_id = :id", id=finished.id)
    for name in ("report", "status", "export"):
        COMMANDS[name](database_url, 0)
        assert "toy@toy" in capsys.readouterr().out


def test_a_run_that_is_gone(
    ledger: Ledger, database_url: str, finished: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ledger.results(finished.id).runs[-1].id
    monkeypatch.setattr(Ledger, "_study_of_run", lambda ledger, id_: finished)
    delete(ledger, "DELETE FROM kdsearch.run WHERE id = :id", id=run)
    with pytest.raises(StudyDeleted, match=rf"run {run} of toy@toy is no longer in the ledger"):
        logs(run, storage=database_url)


def test_the_dashboard_leaves_out_what_is_gone(ledger: Ledger, finished: StudyRecord) -> None:
    ledger.open_study(declaration(toy_study(name="other")))
    known = ledger.studies()
    delete(ledger, "DELETE FROM kdsearch.run WHERE study_id = :id", id=finished.id)
    delete(ledger, "DELETE FROM kdsearch.study WHERE id = :id", id=finished.id)
    ledger.studies = lambda: known  # type: ignore[method-assign]
    (sentence,) = publish_all(ledger, FIGURES, ledger.studies())
    assert sentence.startswith("toy@toy is left out: the study of id ")


def test_an_optuna_study_that_is_gone_is_said(ledger: Ledger, finished: StudyRecord) -> None:
    import optuna

    from kdsearch.engines.optuna_mirror import optuna_storage

    Mirror(ledger, finished).sync()
    optuna.delete_study(study_name=finished.name, storage=optuna_storage(ledger.database))
    with pytest.raises(StudyDeleted, match="kdsearch db mirror makes it anew"):
        publish(ledger, finished, FIGURES)


def test_a_list_of_no_studies(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    list_studies(storage=database_url)
    assert capsys.readouterr().out.startswith("No studies in ")
