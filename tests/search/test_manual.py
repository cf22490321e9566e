"""Configurations that a user adds: topped up to so many seeds of their own, and no more when asked again."""

from __future__ import annotations

from support import declaration, toy_study

from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import EnterPhase, NewConfiguration, NewRun
from kdsearch.search.manual import add_configuration

PARAMS = {"alpha": 0.25, "rate": 0.5}


def seeds(ledger: Ledger, study_id: int, name: str) -> list[int]:
    state = ledger.search_state(study_id)
    ids = [row.id for row in state.configurations.values() if row.name == name]
    return sorted(run.seed for run in state.runs if run.configuration_id in ids)


def test_a_setting_of_the_search_is_topped_up_from_its_own_first_seed(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    known = [NewConfiguration("searched", "c7", PARAMS, "sampler")]
    runs = [NewRun(("searched", "c7"), "search", 448 + index) for index in range(2)]
    ledger.decide(record.id, lambda state: [EnterPhase("search"), *known, *runs])
    assert add_configuration(ledger, study, record.id, PARAMS, 5) == "c7"
    assert seeds(ledger, record.id, "c7") == [448, 449, 450, 451, 452]
    add_configuration(ledger, study, record.id, PARAMS, 5)
    assert seeds(ledger, record.id, "c7") == [448, 449, 450, 451, 452], "asked again, nothing is added"


def test_a_new_one_begins_at_seed_0(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    ledger.decide(record.id, lambda state: [EnterPhase("search")])
    assert add_configuration(ledger, study, record.id, PARAMS, 3) == "u0"
    assert seeds(ledger, record.id, "u0") == [0, 1, 2]


def test_the_numbers_of_a_baseline_make_a_configuration_of_the_search(ledger: Ledger) -> None:
    """A baseline is trained on fresh seeds alone: it takes no part in the search."""
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    ledger.decide(record.id, lambda state: [EnterPhase("search")])
    numbers = study.complete(study.baselines["usual"])
    assert add_configuration(ledger, study, record.id, numbers, 2) == "u0"
    assert seeds(ledger, record.id, "u0") == [0, 1]
    assert seeds(ledger, record.id, "usual") == []
