"""Configurations that a user puts into the search by hand."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import EnterPhase
from kdsearch.ledger.orders import NewConfiguration
from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Order
from kdsearch.ledger.views import SearchState
from kdsearch.search.seeds import search_seed
from kdsearch.search.teachers import Teachers
from kdsearch.study import Study
from kdsearch.tasks.base import Scalar


def add_configuration(ledger: Ledger, study: Study, study_id: int, params: Mapping[str, Scalar], seeds: int) -> str:
    """Store a configuration and queue its first ``seeds`` search seeds; returns its name.

    Numbers that are in the search already get further seeds instead of a second configuration.
    """
    placed: list[str] = []

    def plan(state: SearchState) -> Sequence[Order]:
        if state.study.phase == "teacher":
            raise KdsearchError("the study has no teacher yet; launch it, and add when its search has begun")
        searched = [row for row in state.configurations.values() if row.kind == "searched"]
        same = next((row for row in searched if dict(row.params) == dict(params)), None)
        orders: list[Order] = [] if state.study.phase != "finished" else [EnterPhase("confirm")]
        if same is None:
            name = f"u{sum(row.origin == 'user' for row in searched)}"
            orders.append(NewConfiguration("searched", name, params, "user"))
        else:
            name = same.name
        teachers = Teachers(state, study.uses_teacher)
        for index in range(seeds):
            more, needs = teachers.for_run(params, search_seed(index))
            run = NewRun(("searched", name), "search", search_seed(index), needs=needs, priority=index)
            orders += [*more, run]
        placed[:] = [name]
        return orders

    ledger.decide(study_id, plan)
    return placed[0]
