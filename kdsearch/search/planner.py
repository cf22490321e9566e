"""The planner: the ledger's state in, orders out. What it keeps between calls is a cache."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from kdsearch.errors import KdsearchError
from kdsearch.ledger.choice import searched
from kdsearch.ledger.orders import CancelRun
from kdsearch.ledger.orders import FailRun
from kdsearch.ledger.orders import NewConfiguration
from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Note
from kdsearch.ledger.orders import Order
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.views import SearchState
from kdsearch.search import confirmation
from kdsearch.search import preflight
from kdsearch.search.budget import GAIN
from kdsearch.search.budget import describe
from kdsearch.search.budget import runs_left
from kdsearch.search.evidence import by_pool
from kdsearch.search.evidence import pending
from kdsearch.search.evidence import settings_of
from kdsearch.search.policy import New
from kdsearch.search.policy import Pick
from kdsearch.search.policy import Search
from kdsearch.search.policy import Setting
from kdsearch.search.seeds import search_seed
from kdsearch.search.standing import policy_of
from kdsearch.search.standing import ranked
from kdsearch.search.teachers import Teachers
from kdsearch.search.threads import one_thread
from kdsearch.study import Study
from kdsearch.tasks.base import Scalar

HOPELESS = 6
HOPELESS_SHARE = 0.5
DIVERGED = 16
ASKED_AGAIN = 1.01  # whether the search may end is asked anew when so many times as many runs have ended


class Planner(Protocol):
    """Decides from the ledger alone which runs come next, and when to stop."""

    def plan(self, state: SearchState) -> Sequence[Order]:
        """Orders that follow from ``state``; an empty answer means: wait for results."""


class StudyPlanner:
    """Teacher and pre-flight, then the search by its policy, then winner and fresh seeds.

    ``capacity``: how many search runs to keep queued at least, ahead of those that train.
    """

    def __init__(self, study: Study, capacity: int) -> None:
        self.study = study
        self.capacity = capacity
        self._policy: Search | None = None
        self._asked_at = 0

    def plan(self, state: SearchState) -> Sequence[Order]:
        """See ``Planner.plan``. Raises ``KdsearchError`` when runs fail in a way that more runs cannot mend."""
        _refuse_hopeless(state)
        if state.study.winner_id is None:
            _refuse_all_diverged(state)
        if orphans := _orphans(state):
            return orphans
        if state.study.phase == "teacher":
            return preflight.orders(self.study, state)
        if state.study.winner_id is not None:
            return confirmation.orders(self.study, state, int(state.study.settings["confirm"]["seeds"]))
        return self._search(state)

    def policy(self, state: SearchState) -> Search:
        """The study's policy, kept between decisions for what it has computed."""
        if self._policy is None:
            self._policy = policy_of(state.study)
        return self._policy

    def _search(self, state: SearchState) -> Sequence[Order]:
        search = [run for run in by_pool(state)["search"] if searched(state.configurations, run)]
        queued = sum(run.state == "queued" for run in search)
        # Whoever trains, here or elsewhere, shall find a next run: as many wait as train.
        wanted = max(self.capacity, sum(run.state == "leased" for run in search)) - queued
        left = runs_left(state.study.settings["budget"], search)
        if left is not None:
            wanted = min(wanted, left)
        if left == 0 and (late := _late(state, search)):
            return late
        records, settings = settings_of(state.configurations, state.runs)
        reason = f"the budget of {describe(state.study.settings['budget'])} is spent"
        if wanted > 0:
            policy = self.policy(state)
            one_thread()
            reason = self._enough(state, policy, settings)
            picks = [] if reason else policy.choose(settings, wanted)
            if not reason:
                orders = self._orders(state, records, settings, picks)
                if orders or pending(search):
                    return orders
                reason = "the space holds no further setting"
        if pending(search):
            return []
        # A fresh policy: the choice must follow from the ledger alone, not from what this process has cached.
        chosen = confirmation.choose(self.study, state, ranked(records, settings, policy_of(state.study)))
        return [Note("search ended", f"search ended: {reason}", once=True), *chosen]

    def _enough(self, state: SearchState, policy: Search, settings: list[Setting]) -> str:
        """Why the search may end before its budget, or nothing."""
        if not state.study.settings["search"].get("stop_early"):
            return ""
        ended = sum(len(row.objectives) for row in settings)
        if ended < ASKED_AGAIN * self._asked_at:
            return ""
        gain, enough = policy.gain_left(settings), GAIN * float(state.study.settings["min_effect"])
        if gain is None or gain >= enough:
            self._asked_at = ended
            return ""
        return (
            f"stopped early, for more runs are expected to add {gain:.2g} to the winner, less than {GAIN:g} of "
            f"min_effect = {state.study.settings['min_effect']:g}"
        )

    def _orders(
        self,
        state: SearchState,
        records: Sequence[ConfigurationRecord],
        settings: Sequence[Setting],
        picks: Sequence[Pick],
    ) -> list[Order]:
        """The picks as orders. A new setting with the numbers of a known one is a further seed of that."""
        teachers = Teachers(state, self.study.uses_teacher)
        known = {_key(row.params): position for position, row in enumerate(records)}
        targets: list[tuple[int | tuple[str, str], Mapping[str, Scalar]]] = [(row.id, row.params) for row in records]
        used = [{*row.objectives, *row.pending, *row.failed} for row in settings]
        places = list(range(len(records)))  # of a policy's positions among ours: new ones may turn out as known
        following = _next_number(records)
        orders: list[Order] = []
        for pick in picks:
            if isinstance(pick, New):
                complete = self.study.complete(pick.params)
                place = known.setdefault(_key(complete), len(targets))
                places.append(place)
                if place == len(targets):
                    name = f"c{following}"
                    following += 1
                    orders.append(NewConfiguration("searched", name, complete, "sampler"))
                    targets.append((("searched", name), complete))
                    used.append(set())
            else:
                place = places[pick.setting]
            target, params = targets[place]
            index = _next_seed(used[place]) if used[place] or not isinstance(pick, New) else pick.seed
            seed = search_seed(index)
            used[place].add(index)
            more, needs = teachers.for_run(params, seed)
            orders += [*more, NewRun(target, "search", seed, needs=needs)]  # type: ignore[arg-type]
        return orders


def _late(state: SearchState, search: Sequence[SearchRun]) -> list[CancelRun]:
    """Runs that the planner queued before a limit in hours was reached; those that somebody added are trained."""
    limit = state.study.settings["budget"]
    if limit.get("hours") is None and limit.get("gpu_hours") is None:
        return []
    ours = {row.id for row in state.configurations.values() if row.origin == "sampler"}
    return [CancelRun(run.id) for run in search if run.state == "queued" and run.configuration_id in ours]


def _next_seed(used: set[int]) -> int:
    return Setting({}, pending=frozenset(used)).next_seed


def _next_number(records: Sequence[ConfigurationRecord]) -> int:
    return 1 + max((int(row.name[1:]) for row in records if row.origin == "sampler"), default=-1)


def _key(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items()))


def _refuse_hopeless(state: SearchState) -> None:
    """Stop when runs fail in a way that more of them cannot mend, before the budget is gone."""
    students = [run for run in state.runs if run.pool != "teacher" and run.state in ("done", "diverged", "failed")]
    failed = [run for run in students if run.state == "failed"]
    if len(students) >= HOPELESS and len(failed) > HOPELESS_SHARE * len(students):
        raise KdsearchError(
            f"{len(failed)} of {len(students)} runs failed, so the study stops here. See why with: "
            f"kdsearch logs {failed[-1].id}; mend the cause and launch with --retry-failed."
        )


def _refuse_all_diverged(state: SearchState) -> None:
    """Stop where nothing but divergence has come back: chance level on all sides is no search."""
    ended = [run for run in state.runs if run.pool == "search" and run.state in ("done", "diverged", "failed")]
    if len(ended) >= DIVERGED and all(run.state == "diverged" for run in ended):
        raise KdsearchError(
            f"all of the first {len(ended)} search runs diverged (their objective was not finite), so the study stops "
            f"here. See one with: kdsearch logs {ended[-1].id}; mend the task or the space."
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
