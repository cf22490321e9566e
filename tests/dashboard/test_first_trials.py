"""A study with very many trials is shown by its first ones, then whole; whoever copies it gets it whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna_dashboard import wsgi
from support import wait_for

from kdsearch.dashboard import first_trials
from kdsearch.dashboard.first_trials import FirstTrials
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.ledger.ledger import Ledger


@pytest.fixture
def storage(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> FirstTrials:
    monkeypatch.setattr(first_trials, "FIRST", 3)
    monkeypatch.setattr(first_trials, "LARGE", 8)
    monkeypatch.setattr(first_trials, "LATER_SECONDS", 0.3)
    made = optuna_storage(ledger.database, FirstTrials)
    assert isinstance(made, FirstTrials)
    return made


def study_of(storage: FirstTrials, trials: int) -> optuna.Study:
    study = optuna.create_study(storage=storage, study_name=f"of {trials}")
    for number in range(trials):
        study.add_trial(optuna.trial.create_trial(value=float(number)))
    return study


def numbers(storage: FirstTrials, study: optuna.Study) -> list[int]:
    return [trial.number for trial in storage.get_all_trials(study._study_id, deepcopy=False)]


def test_the_first_come_at_once_and_all_a_moment_later(storage: FirstTrials) -> None:
    study = study_of(storage, 12)
    assert numbers(storage, study) == [0, 1, 2]
    wait_for(lambda: numbers(storage, study) == list(range(12)), what="all trials")
    study.add_trial(optuna.trial.create_trial(value=12.0))
    wait_for(lambda: numbers(storage, study) == list(range(13)), what="the one that was added")


def test_a_small_study_is_read_whole(storage: FirstTrials) -> None:
    assert numbers(storage, study_of(storage, 8)) == list(range(8))


def test_optuna_itself_gets_all_trials(storage: FirstTrials) -> None:
    study = study_of(storage, 12)
    assert [trial.number for trial in study.get_trials(deepcopy=False)] == list(range(12))
    assert study.best_value == 0.0
    assert len(storage.get_all_trials(study._study_id)) == 12, "as copies, of which it may delete what belongs to them"


def test_a_study_that_is_deleted_meanwhile_is_not_there(storage: FirstTrials) -> None:
    study = study_of(storage, 12)
    numbers(storage, study)
    storage.delete_study(study._study_id)
    wait_for(lambda: not storage._reading[study._study_id].is_alive(), what="the end of its reading")
    with pytest.raises(KeyError):
        numbers(storage, study)


def test_what_the_page_asks_for_adds_up_to_all_trials(storage: FirstTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(storage, 12)
    app: Callable[..., Any] = wsgi(storage)
    monkeypatch.setattr("optuna_dashboard._storage.timedelta", lambda **_: __import__("datetime").timedelta(0))

    def asked(after: int) -> list[int]:
        environ: dict[str, Any] = {"QUERY_STRING": f"after={after}", "PATH_INFO": f"/api/studies/{study._study_id}"}
        setup_testing_defaults(environ)
        body = b"".join(app(environ, lambda *_: None))
        return [trial["number"] for trial in json.loads(body)["trials"]]

    shown = asked(0)
    assert shown == [0, 1, 2]
    wait_for(lambda: shown.extend(asked(len(shown))) or len(shown) == 12, what="all trials")
    assert shown == list(range(12))
