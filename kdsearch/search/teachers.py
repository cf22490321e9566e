"""Which teacher run a student run waits for: the study's one teacher, or one of its seed's own."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Order
from kdsearch.ledger.views import SearchState
from kdsearch.search.seeds import teacher_seed_for
from kdsearch.tasks.base import Scalar

TEACHER = ("teacher", "teacher")
_BEFORE_STUDENTS = -10


class Teachers:
    """Finds or orders the teacher of a run. ``uses_teacher`` tells whether its parameters need one at all."""

    def __init__(self, state: SearchState, uses_teacher: Callable[[Mapping[str, Scalar]], bool]) -> None:
        self.uses_teacher = uses_teacher
        self.per_seed = state.study.settings["teachers"] == "per-seed"
        self.chosen = state.study.teacher_run_id
        self.known = {run.seed: run.id for run in state.runs if run.pool == "teacher"}
        self.configuration = next((row.id for row in state.configurations.values() if row.kind == "teacher"), None)

    def for_run(self, params: Mapping[str, Scalar], seed: int) -> tuple[list[Order], int | tuple[str, int] | None]:
        """Return orders to make first, and what the run ``needs``."""
        if not self.uses_teacher(params):
            return [], None
        if not self.per_seed:
            return [], self.chosen
        own = teacher_seed_for(seed)
        if own in self.known:
            known = self.known[own]
            return [], known if known >= 0 else ("seed", own)
        self.known[own] = -1
        assert self.configuration is not None, "the teacher phase stores the teacher's configuration"
        order = NewRun(self.configuration, "teacher", own, priority=_BEFORE_STUDENTS, keep_weights=True)
        return [order], ("seed", own)
