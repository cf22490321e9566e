"""The figures of ``dashboards/`` are drawn and reach Optuna's dashboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from figures.known import HIDDEN, known
from optuna_dashboard import get_note
from support import Loaded, declaration, toy_study, wait_for

from kdsearch.dashboard import server
from kdsearch.dashboard.figures import publish
from kdsearch.dashboard.notes import study_note, trial_notes, write_notes
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.figures import view
from kdsearch.figures.files import figure_files
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.report import build

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"


def test_every_figure_is_published_in_the_optuna_study(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    names = publish(ledger, record, FOLDER)
    assert names == [name for name, _ in figure_files(FOLDER)]
    storage = optuna_storage(ledger.database)
    attributes = storage.get_study_system_attrs(storage.get_study_id_from_name(record.name))
    for name in names:
        assert any(f"kdsearch-{name}" in key for key in attributes)
    assert optuna.load_study(study_name=record.name, storage=storage).best_trial is not None


def test_a_file_without_a_figure_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(KdsearchError, match=r"empty.py must define figure\(results\)"):
        list(figure_files(tmp_path))


def finished_study(ledger: Ledger) -> tuple[object, optuna.Study]:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    publish(ledger, record, FOLDER)
    found = optuna.load_study(study_name=record.name, storage=optuna_storage(ledger.database))
    return ledger.results(record.id), found


def test_a_study_has_its_answer_as_a_note_and_a_trial_its_seeds(ledger: Ledger) -> None:
    results, study = finished_study(ledger)
    answer = build(results).answer  # type: ignore[arg-type]
    assert answer is not None
    assert answer.winner in get_note(study)
    best = optuna.Trial(study, study.best_trial._trial_id)
    seeds = [line for line in get_note(best).splitlines() if line.startswith(("| search", "| fresh"))]
    winner = results.study.winner_id  # type: ignore[attr-defined]
    assert len(seeds) == sum(run.configuration_id == winner for run in results.runs)  # type: ignore[attr-defined]
    assert write_notes(study, results) == 0, "what is there already is not written again"  # type: ignore[arg-type]


def test_no_note_shows_a_test_score_before_the_choice() -> None:
    found = known("search")
    text = study_note(found) + "".join(text for _, text in trial_notes(view(found)))
    assert str(HIDDEN)[:6] not in text
    assert "| search |" in text


def test_figures_follow_a_study_that_goes_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_PAGE_SECONDS", 0.0)
    monkeypatch.setattr(server, "REFRESH_SECONDS", 0.2)
    calls: list[int] = []

    def published(ledger: Ledger, folder: Path, records: list[StudyRecord]) -> Iterator[str]:
        calls.append(ledger.ended_runs(records[0].id))
        yield "the same sentence"

    monkeypatch.setattr(server, "publish_all", published)
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    ended = threading.Event()
    thread = threading.Thread(target=server._keep_up, args=(ledger, FOLDER, ended))
    thread.start()
    try:
        wait_for(lambda: calls == [0])
        time.sleep(0.6)
        assert calls == [0], "nothing has changed"
        DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
        wait_for(lambda: calls[-1] == ledger.ended_runs(record.id) > 0)
    finally:
        ended.set()
        thread.join()
