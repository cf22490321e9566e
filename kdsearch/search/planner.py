"""The planner: the ledger's state in, orders out. It keeps nothing between calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import FailRun
from kdsearch.ledger.orders import Order
from kdsearch.ledger.views import SearchState
from kdsearch.search import confirmation
from kdsearch.search import preflight
from kdsearch.search.allocation import Rungs
from kdsearch.search.evidence import by_pool
from kdsearch.search.evidence import candidates
from kdsearch.search.evidence import pending
from kdsearch.search.teachers import Teachers
from kdsearch.study import Study

HOPELESS = 6
HOPELESS_SHARE = 0.5


class Planner(Protocol):
    """Decides from the ledger alone which runs come next, and when to stop."""

    def plan(self, state: SearchState) -> Sequence[Order]:
        """Orders that follow from ``state``; an empty answer means: wait for results."""


class RungPlanner:
    """Teacher and pre-flight, then seeds in rungs, then winner and fresh seeds.

    ``capacity``: how many search runs to keep queued at least, ahead of those that train.
    """

    def __init__(self, study: Study, capacity: int) -> None:
        self.study = study
        self.capacity = capacity

    def plan(self, state: SearchState) -> Sequence[Order]:
        """See ``Planner.plan``. Raises ``KdsearchError`` when runs fail in a way that more runs cannot mend."""
        _refuse_hopeless(state)
        if orphans := _orphans(state):
            return orphans
        if state.study.phase == "teacher":
            return preflight.orders(self.study, state)
        if state.study.winner_id is not None:
            return confirmation.orders(self.study, state, int(state.study.settings["confirm"]["seeds"]))
        return self._search(state)

    def _search(self, state: SearchState) -> Sequence[Order]:
        rungs = Rungs(
            space=self.study.space,
            defaults=self.study.trained.parameters,
            rungs=state.study.settings["rungs"],
            budget=int(state.study.settings["budget"]["runs"]),
            seed=self.study.seed,
            teachers=Teachers(state, self.study.uses_teacher),
        )
        search = by_pool(state)["search"]
        queued = sum(run.state == "queued" for run in search)
        # Whoever trains, here or elsewhere, shall find a next run: as many wait as train.
        wanted = max(self.capacity, sum(run.state == "leased" for run in search)) - queued
        rows = candidates(state)
        orders = rungs.next_runs(rows, wanted) if wanted > 0 else []
        if orders or pending(search):
            return orders
        return confirmation.choose(self.study, state, rungs.ranking(rows))


def _refuse_hopeless(state: SearchState) -> None:
    """Stop when runs fail in a way that more of them cannot mend, before the budget is gone."""
    students = [run for run in state.runs if run.pool != "teacher" and run.state in ("done", "diverged", "failed")]
    failed = [run for run in students if run.state == "failed"]
    if len(students) >= HOPELESS and len(failed) > HOPELESS_SHARE * len(students):
        raise KdsearchError(
            f"{len(failed)} of {len(students)} runs failed, so the study stops here. See why with: "
            f"kdsearch logs {failed[-1].id}; mend the cause and launch with --retry-failed."
        )


def _orphans(state: SearchState) -> list[Order]:
    """Runs whose own teacher failed or diverged can never start."""
    states = {run.id: run.state for run in state.runs}
    return [
        FailRun(
            run.id, f"the teacher run {run.needs} of this run is {states[run.needs]}; see kdsearch logs {run.needs}"
        )
        for run in state.runs
        if run.state == "queued" and run.needs is not None and states[run.needs] in ("failed", "diverged", "cancelled")
    ]
