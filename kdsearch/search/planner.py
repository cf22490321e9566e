"""The planner: the ledger's state in, orders out. What it keeps between calls is a cache."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import CancelRun, NewConfiguration, NewRun, Note, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import TRAINED, Kind, SearchRun, StudyRecord
from kdsearch.search import confirmation, orphans, preflight
from kdsearch.search.budget import GAIN, describe
from kdsearch.search.gp.threads import one_thread
from kdsearch.search.observations import pending
from kdsearch.search.policies.base import Further, New, Pick, Search
from kdsearch.search.ranking import policy_of, ranked
from kdsearch.search.searches import SAID, TITLES, Part, SearchKind, dealt, searches
from kdsearch.search.teachers import Teachers
from kdsearch.study.budget import Adaptive
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import Scalar

BEGIN_SEEDS = 950_000
"""Above the seeds of searches, below those of the pre-flight."""

HOPELESS = 6
HOPELESS_SHARE = 0.5
DIVERGED = 16
_BEST = {"searched": "winner", "without": "best configuration"}
ASKED_AGAIN = 1.01  # whether the search may end is asked anew when so many times as many runs have ended


class StudyPlanner:
    """Teachers and pre-flight, then both searches by their policies, then winner and fresh seeds.

    ``capacity``: how many search runs to keep queued at least, ahead of those that train.
    """

    def __init__(self, study: Study, capacity: int) -> None:
        self.study = study
        self.capacity = capacity
        self._policies: dict[SearchKind, Search] = {}
        self._asked: dict[SearchKind, _Asked] = {}

    def plan(self, state: SearchState) -> Sequence[Order]:
        """Orders that follow from ``state``; none means: wait for results.

        Raises ``KdsearchError`` when runs fail in a way that more runs cannot mend.
        """
        _refuse_hopeless(state)
        if state.study.winner_id is None:
            _refuse_all_diverged(state)
        if lost := orphans.orders(self.study, state):
            return lost
        if state.study.phase == "teacher":
            return preflight.orders(self.study, state)
        if state.study.winner_id is not None:
            return confirmation.orders(self.study, state)
        return self._search(state)

    def policy(self, state: SearchState, kind: SearchKind) -> Search:
        """A search's policy, kept between decisions for what it has computed."""
        if kind not in self._policies:
            sampler = getattr(self.study.search, "sampler", None)
            self._policies[kind] = policy_of(state.study, without=kind == "without", sampler=sampler)
        return self._policies[kind]

    def _search(self, state: SearchState) -> Sequence[Order]:
        """Further runs of both searches; when both are over, the winner."""
        parts = searches(state)
        if late := [order for part in parts if part.time_over for order in _late(state, part.runs)]:
            return late
        # Whoever trains, here or elsewhere, shall find a next run: as many wait as train.
        states = [run.state for part in parts for run in part.runs]
        wanted = max(self.capacity, states.count("leased")) - states.count("queued")
        if wanted <= 0:
            return []
        one_thread()
        over = {part.kind: self._over(state, part) for part in parts}
        while going := [part for part in parts if not over[part.kind]]:
            orders, exhausted = self._filled(state, going, wanted)
            over |= {kind: self.policy(state, kind).exhausted for kind in exhausted}
            if orders or not exhausted:
                return orders
        return [] if any(pending(part.runs) for part in parts) else self._choice(state, parts, over)

    def _filled(self, state: SearchState, parts: Sequence[Part], wanted: int) -> tuple[list[Order], list[SearchKind]]:
        """So many further runs, and the searches whose policies have no more to ask for, nor to wait for."""
        counts, teachers = dealt(parts, wanted), Teachers(state, self.study.uses_teacher)
        orders: list[Order] = []
        exhausted: list[SearchKind] = []
        spare = 0
        for part in reversed(parts):  # what the other has no use for now, the search for the winner gets
            asked = part.room(counts[part.kind] + spare)
            picks = self._picks(state, part, asked) if asked else []
            orders = [*self._orders(state, part, picks, teachers), *orders]
            spare = asked - len(picks)
            if asked and not picks and not pending(part.runs):
                exhausted.append(part.kind)
        return orders, exhausted

    def _picks(self, state: SearchState, part: Part, wanted: int) -> Sequence[Pick]:
        """What the policy chooses; first of all those configurations again of which every run was taken back."""
        rows = enumerate(part.tried)
        empty = [Further(place) for place, row in rows if not (row.objectives or row.pending or row.failed)]
        return empty[:wanted] or self.policy(state, part.kind).choose(part.tried, wanted)

    def _choice(self, state: SearchState, parts: Sequence[Part], over: Mapping[SearchKind, str]) -> list[Order]:
        """Why each search has ended, and what is chosen of it.

        By fresh policies: the choice must follow from the ledger alone, not from what this process has cached.
        """
        rankings = {
            part.kind: ranked(
                state.study, part.records, part.tried, policy_of(state.study, without=part.kind == "without")
            )
            for part in parts
        }
        notes = [
            Note(f"{TITLES[part.kind]} ended", f"{SAID[part.kind]} ended: {over[part.kind]}", once=True)
            for part in parts
        ]
        return [*notes, *confirmation.choose(self.study, state, rankings["searched"], rankings.get("without", []))]

    def _over(self, state: SearchState, part: Part) -> str:
        """Why a search orders nothing more, or nothing: its budget is spent, or too little is left to gain."""
        if part.left == 0:
            return f"the budget of {describe(part.budget)} is spent"
        search = state.study.settings.search
        if not (isinstance(search, Adaptive) and search.stop_early):
            return ""
        now = _Asked.of(part)
        before = self._asked.get(part.kind, _Asked())
        if now == before or (not before.reason and now.ended < ASKED_AGAIN * before.ended):
            return before.reason
        gain = self.policy(state, part.kind).gain_left(part.tried)
        effect, reason = state.study.settings.min_effect, ""
        if gain is not None and gain < GAIN * effect:
            reason = (
                f"stopped early, for more runs are expected to add {gain:.2g} to the {_BEST[part.kind]}, less than "
                f"{GAIN:g} of min_effect = {effect:g}"
            )
        self._asked[part.kind] = replace(now, reason=reason)
        return reason

    def _orders(self, state: SearchState, part: Part, picks: Sequence[Pick], teachers: Teachers) -> list[Order]:
        """The picks as orders. A new configuration with the numbers of a known one is a further seed of that."""
        known = {_key(row.params): position for position, row in enumerate(part.records)}
        targets: list[tuple[int | tuple[Kind, str], Mapping[str, Scalar]]] = [
            (row.id, row.params) for row in part.records
        ]
        used = [{*row.objectives, *row.pending, *row.failed} for row in part.tried]
        begins = [part.first_seeds.get(row.id) for row in part.records]
        places = list(range(len(part.records)))  # of a policy's positions among ours: new ones may turn out as known
        following = part.following
        orders: list[Order] = []
        for pick in picks:
            if isinstance(pick, New):
                complete = self._complete(part.kind, pick.params)
                place = known.setdefault(_key(complete), len(targets))
                places.append(place)
                if place == len(targets):
                    name = part.name(following)
                    following += 1
                    orders.append(NewConfiguration(part.kind, name, complete, "sampler", pick.proposal))
                    targets.append(((part.kind, name), complete))
                    used.append(set())
                    begins.append(None)
            else:
                place = places[pick.position]
            target, params = targets[place]
            begin = begins[place]
            if begin is None:
                begin = begins[place] = self._first_seed(state, part, pick, place)
            seed = next(seed for seed in count(begin) if seed not in used[place])
            used[place].add(seed)
            stands = teachers.for_run(params, "search", seed)
            orders += [*stands.orders, NewRun(target, "search", seed, needs=stands.needs, fold=stands.fold)]
        return orders

    def _first_seed(self, state: SearchState, part: Part, pick: Pick, place: int) -> int:
        """Where the seeds of a configuration begin.

        What a study begins with may be the best of another one, chosen on the seeds that come first: it is given
        others, and so are all configurations of a design that gives them the same ones.
        """
        policy, begins = self.policy(state, part.kind), any(row.origin == "begin" for row in part.records)
        is_begin = place < len(part.records) and part.records[place].origin == "begin"
        own = policy.first_seed(place) if is_begin else pick.seed if isinstance(pick, New) else place
        return own + (begin_seeds(state.study) if is_begin or (begins and policy.shares_seeds) else 0)

    def _complete(self, kind: SearchKind, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        complete = self.study.complete(params)
        return self.study.without_teacher(complete) if kind == "without" else complete


@dataclass(frozen=True)
class _Asked:
    """When it was asked last whether a search may end, by its runs that had ended and were open, and the answer."""

    ended: int = 0
    pending: int = 0
    reason: str = field(default="", compare=False)

    @classmethod
    def of(cls, part: Part) -> _Asked:
        return cls(sum(len(row.objectives) for row in part.tried), pending(part.runs))


def _late(state: SearchState, search: Sequence[SearchRun]) -> list[CancelRun]:
    """Runs that the planner queued before the hours were over; those that somebody added are trained."""
    ours = {row.id for row in state.configurations.values() if row.origin in ("sampler", "begin")}
    return [CancelRun(run.id) for run in search if run.state == "queued" and run.configuration_id in ours]


def begin_seeds(study: StudyRecord) -> int:
    """Where the seeds of what a study begins with begin: beyond those of searches, by the study's name."""
    first = BEGIN_SEEDS + 64 * (zlib.crc32(study.name.encode()) % 600)
    return first - first % max(1, study.draws.folds)  # so that folds are met in turn


def _key(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items()))


def _refuse_hopeless(state: SearchState) -> None:
    """Stop when runs fail in a way that more of them cannot mend, before the budget is gone."""
    students = [run for run in state.runs if run.pool != "teacher" and run.state in (*TRAINED, "failed")]
    failed = [run for run in students if run.state == "failed"]
    if len(students) >= HOPELESS and len(failed) > HOPELESS_SHARE * len(students):
        raise KdsearchError(
            f"{len(failed)} of {len(students)} runs failed, so the study stops here. See why with: "
            f"kdsearch logs {failed[-1].id}; mend the cause and launch with --retry-failed."
        )


def _refuse_all_diverged(state: SearchState) -> None:
    """Stop where nothing but divergence has come back, or no run was let go on to its end: that is no search.

    And where runs that diverged would win, at a chance level that is better than all that were trained to their end.
    """
    ended = [run for run in state.runs if run.pool == "search" and run.state in (*TRAINED, "failed")]
    if len(ended) >= DIVERGED and all(run.state == "diverged" for run in ended):
        raise KdsearchError(
            f"all of the first {len(ended)} search runs diverged (their objective was not finite), so the study stops "
            f"here. See one with: kdsearch logs {ended[-1].id}; mend the task or the space."
        )
    if len(ended) >= DIVERGED and all(run.state == "stopped" for run in ended):
        raise KdsearchError(
            f"the pruner stopped all of the first {len(ended)} search runs, so the study stops here: without a run "
            "that goes on to its end there is no result. Give the study a pruner that stops fewer, and another name"
        )
    sign, chance = state.study.sign, state.study.chance
    values = [sign * run.objective for run in ended if run.state == "done" and run.objective is not None]
    if len(values) >= DIVERGED // 2 and any(run.state == "diverged" for run in ended) and sign * chance > max(values):
        raise KdsearchError(
            f"chance={chance:g} is better than all {len(values)} search runs that were trained to their end, and what "
            "diverges counts at chance, so that it would win. Give the study a chance that is worse than good runs, "
            "and another name"
        )
