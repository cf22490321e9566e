"""Runs whose teacher is lost can never start: another is trained for them, or they end."""

from __future__ import annotations

from kdsearch.ledger.orders import CancelRun, FailRun, NewRun, Note, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import SearchRun
from kdsearch.search.teachers import LOST, Teachers
from kdsearch.study.declaration import Study

REPLACED = "teacher replaced"
LOST_PAIR = "pair lost"


def orders(study: Study, state: SearchState) -> list[Order]:
    """Queue the runs that wait for a lost teacher again behind another one of the same draw; each change is said.

    That a teacher failed or diverged is seen without its students and without a validation clip, so the next one is
    what somebody who trains teachers so would take. Runs of which no other teacher may serve end as failed. Raises
    ``KdsearchError`` where one teacher of the search after another was lost.
    """
    states = {run.id: run.state for run in state.runs}
    orphans = [run for run in state.runs if run.state == "queued" and run.needs and states[run.needs] in LOST]
    if not orphans:
        return []
    teachers = Teachers(state, study.uses_teacher)
    given: list[Order] = []
    replaced: dict[int, list[SearchRun]] = {}
    ended: dict[int, list[SearchRun]] = {}
    for run in orphans:
        needs = run.needs or 0
        place = teachers.instead(run, state.configurations[run.configuration_id].params)
        if place is None:
            ended.setdefault(needs, []).append(run)
            given.append(
                FailRun(run.id, f"the teacher run {needs} of this run is {states[needs]}; see kdsearch logs {needs}")
            )
        else:
            replaced.setdefault(needs, []).append(run)
            again = NewRun(run.configuration_id, run.pool, run.seed, needs=place.needs, fold=run.fold)
            given += [CancelRun(run.id), *place.orders, again]
    given += [_replaced(state, needs, runs) for needs, runs in replaced.items()]
    fresh = {needs: [run for run in runs if run.pool == "confirm"] for needs, runs in ended.items()}
    if state.study.version > 1:
        given += [_lost(state, needs, runs) for needs, runs in fresh.items() if runs]
    return given


def _replaced(state: SearchState, needs: int, runs: list[SearchRun]) -> Note:
    """That another teacher is trained; ``pool`` of its data tells fresh seeds from those of the search."""
    pool, lost = runs[0].pool, next(run for run in state.runs if run.id == needs)
    seeds = _seeds(state, runs)
    what = "fresh seed" if pool == "confirm" else f"{pool} seed"
    message = f"teacher run {needs} is {lost.state}: another is trained for {what} {', '.join(map(str, seeds))}"
    return Note(REPLACED, message, {"teacher": needs, "seeds": seeds, "pool": pool})


def _lost(state: SearchState, needs: int, runs: list[SearchRun]) -> Note:
    """That fresh seeds have no pair."""
    lost, seeds = next(run for run in state.runs if run.id == needs), _seeds(state, runs)
    message = (
        f"teacher run {needs} is {lost.state} and no other may follow it: fresh seed {', '.join(map(str, seeds))} has "
        f"no pair; see kdsearch logs {needs}"
    )
    return Note(LOST_PAIR, message, {"teacher": needs, "seeds": seeds})


def _seeds(state: SearchState, runs: list[SearchRun]) -> list[int]:
    draws = state.study.draws
    return sorted({draws.index(run.pool, run.seed) for run in runs})
