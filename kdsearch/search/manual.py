"""Configurations that a user puts into the search by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import EnterPhase, NewConfiguration, NewRun, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import Kind
from kdsearch.search.teachers import Teachers
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import VARY, Scalar


def add_configuration(ledger: Ledger, study: Study, study_id: int, params: Mapping[str, Scalar], seeds: int) -> str:
    """Store a configuration and queue its first ``seeds`` search seeds; returns its name.

    Numbers that are in the search already get what they lack of so many seeds, counted from their own first one,
    instead of a second configuration; asked again, nothing is added. One whose random
    streams vary otherwise than the study's takes no part in the search: it is there to tell where the spread comes
    from.
    """
    placed: list[str] = []

    def plan(state: SearchState) -> Sequence[Order]:
        if state.study.phase == "teacher":
            raise KdsearchError("the study has no teacher yet; launch it, and add when its search has begun")
        kind: Kind = "searched" if params.get(VARY) == study.complete({}).get(VARY) else "ablation"
        alike = [row for row in state.configurations.values() if row.kind == kind]
        same = next((row for row in alike if dict(row.params) == dict(params)), None)
        orders: list[Order] = [] if state.study.phase != "finished" else [EnterPhase("confirm")]
        if same is None:
            name = f"{'u' if kind == 'searched' else 'v'}{sum(row.origin == 'user' for row in alike)}"
            orders.append(NewConfiguration(kind, name, params, "user"))
        else:
            name = same.name
        teachers = Teachers(state, study.uses_teacher)
        known = [run.seed for run in state.runs if same and run.configuration_id == same.id and run.pool == "search"]
        first = min(known, default=0)  # a configuration of the search has seeds of its own
        for seed in range(first, first + seeds):
            place = teachers.for_run(params, "search", seed)
            run = NewRun((kind, name), "search", seed, needs=place.needs, priority=seed - first, fold=place.fold)
            orders += [*place.orders, run]
        placed[:] = [name]
        return orders

    ledger.decide(study_id, plan)
    return placed[0]
