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


class Planner(Protocol):
    """Decides from the ledger alone which runs come next, and when to stop."""

    def plan(self, state: SearchState) -> Sequence[Order]:
        """Orders that follow from ``state``; an empty answer means: wait for results."""


class RungPlanner:
    """Teacher and pre-flight, then seeds in rungs, then winner and fresh seeds.

    ``capacity``: how many search runs to keep queued or running, at least as many as train at once.
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
            rungs=self.study.rungs,
            budget=int(state.study.settings["budget"]["runs"]),
            seed=self.study.seed,
            teachers=Teachers(state, self.study.uses_teacher),
        )
        waiting = pending(by_pool(state)["search"])
        rows = candidates(state)
        if waiting < self.capacity:
            orders = rungs.next_runs(rows, self.capacity - waiting)
            if orders or waiting:
                return orders
            return confirmation.choose(self.study, state, rungs.ranking(rows))
        return []


def _refuse_hopeless(state: SearchState) -> None:
    settled = [run for run in state.runs if run.state in ("done", "diverged", "failed")]
    if len(settled) >= HOPELESS and all(run.state == "failed" for run in settled):
        raise KdsearchError(
            f"the first {len(settled)} runs all failed, so the study stops here. See why with: "
            f"kdsearch logs {settled[0].id}; mend the cause and launch with --retry-failed."
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
