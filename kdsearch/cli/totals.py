"""Which totals ``kdsearch extend`` takes: larger ones up to a limit, and the way back as far as nothing was run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import CancelRun
from kdsearch.search.budget import describe
from kdsearch.search.teachers import UNTRAINED, streams_in
from kdsearch.study.budget import MOST_RUNS, MOST_SEEDS

if TYPE_CHECKING:
    from kdsearch.ledger.ledger import Ledger
    from kdsearch.ledger.queries import SearchState
    from kdsearch.ledger.records import SearchRun, StudyRecord

MOST_ADDED = 10_000
"""Search seeds that ``kdsearch add`` queues at once."""

_EXTENDED = re.compile(r"confirm seeds extended from (\d+) to ")
_MOST_HOURS = 1_000_000.0
_MOST: Mapping[str, tuple[float, str]] = {
    "runs": (MOST_RUNS, "a ledger with more takes minutes to read"),
    "hours": (_MOST_HOURS, "that is more than a century"),
    "gpu_hours": (_MOST_HOURS, "that is more than a century of one GPU"),
    "confirm seeds": (MOST_SEEDS, "with 10,000 the interval of a mean is already a fiftieth of the sd of its runs"),
}


def fresh_seeds(ledger: Ledger, record: StudyRecord, asked: int) -> bool:
    """Check a total of fresh seeds; whether it is smaller than what the study has now.

    Raises ``KdsearchError`` with the reason where the study cannot have it. It may be smaller as far as the seeds that
    it gives up come from an extension and none of them has begun: a number that is chosen after results were seen
    would let anybody stop where they look best.
    """
    now = record.settings.confirm.seeds
    _check("confirm seeds", now, asked, _before_extensions(ledger, record, "confirm", "seeds", now))
    if asked < now:
        begun = _begun(ledger.search_state(record.id), record, asked)
        if begun:
            number = record.draws.index("confirm", begun[0].seed)
            raise KdsearchError(
                f"fresh seed {number} of {record.name} has begun (run {begun[0].id}, {begun[0].state}), so that the "
                f"study keeps at least {number + 1} fresh seeds: a number that is chosen after results were seen would "
                "let anybody stop where they look best"
            )
    elif record.settings.teachers not in UNTRAINED and record.version > 1:
        streams = frozenset({"split", "teacher"}) if record.winner_id is None else _streams(ledger, record)
        draws = record.draws
        draws.teacher_seed(draws.draw("confirm", draws.first_confirm_seed + asked - 1, streams))
    return asked < now


def search_limits(ledger: Ledger, record: StudyRecord, asked: Mapping[str, float]) -> bool:
    """Check totals of the search; whether one of them is smaller than what the study has now."""
    budget = record.settings.budget
    for name, total in asked.items():
        if (limit := getattr(budget, name)) is None:
            raise KdsearchError(f"the budget of {record.name} is {describe(budget)}; it has no limit in {name}")
        _check(name, limit, total, _before_extensions(ledger, record, "budget", name, limit))
    if record.winner_id is not None:
        raise KdsearchError(
            f"the winner of {record.name} is chosen and stays the winner, so its search cannot continue. "
            "For a longer search, give the study another name in its file. --confirm-seeds can still grow."
        )
    return any(total < getattr(budget, name) for name, total in asked.items())


def take_back(ledger: Ledger, record: StudyRecord, seeds: int) -> None:
    """Cancel the confirm runs beyond so many seeds that wait, and the teachers that wait for nobody else."""
    first = record.draws.first_confirm_seed

    def plan(state: SearchState) -> Sequence[CancelRun]:
        beyond = [run for run in state.runs if run.pool == "confirm" and run.seed >= first + seeds]
        waiting = {run.id: run for run in beyond if run.state == "queued"}
        needed = {run.needs for run in state.runs if run.id not in waiting}
        taught = {run.needs for run in waiting.values()} - needed
        idle = [run.id for run in state.runs if run.id in taught and run.state == "queued"]
        return [CancelRun(id_) for id_ in (*waiting, *idle)]

    ledger.decide(record.id, plan)


def _begun(state: SearchState, record: StudyRecord, seeds: int) -> list[SearchRun]:
    """The confirm runs beyond so many seeds that somebody has begun, the largest seed first."""
    first = record.draws.first_confirm_seed
    beyond = [run for run in state.runs if run.pool == "confirm" and run.seed >= first + seeds]
    begun = [run for run in beyond if run.attempt > 0 or run.state not in ("queued", "cancelled")]
    return sorted(begun, key=lambda run: -run.seed)


def _streams(ledger: Ledger, record: StudyRecord) -> frozenset[str]:
    params = ledger.search_state(record.id).configurations[record.winner_id or -1].params
    return streams_in(record, params)


def _before_extensions(ledger: Ledger, record: StudyRecord, key: str, name: str, now: float) -> float:
    """The smallest total that the study had before an extension: that of its file, or a larger one."""
    changed = [event for event in ledger.events_after(record.id, 0) if event.kind == "changed"]
    totals: list[Any] = [now, *(((event.data.get("before") or {}).get(key) or {}).get(name) for event in changed)]
    if name == "seeds":  # events of before have it in their words alone
        totals += [int(found[1]) for event in changed if (found := _EXTENDED.match(event.message))]
    return min(total for total in totals if isinstance(total, int | float))


def _check(what: str, now: float, asked: float, least: float) -> None:
    most, why = _MOST[what]
    words = what.replace("_", " ")
    if math.isfinite(asked) and asked > most:
        raise KdsearchError(f"got {asked:,} {words}; at most {most:,.0f}, since {why}")
    if not math.isfinite(asked) or asked == now or asked < least:
        back = f" or, to take an extension back, one from {least:g} on" if least < now else ""
        raise KdsearchError(f"the study has {now:g} {words}; extend takes a larger total{back}, got {asked:g}")
