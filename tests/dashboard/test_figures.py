"""The figures of ``dashboards/`` are drawn and reach Optuna's dashboard."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from support import Loaded, declaration, toy_study

from kdsearch.dashboard.figures import publish
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.figures.files import figure_files
from kdsearch.ledger.ledger import Ledger

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
