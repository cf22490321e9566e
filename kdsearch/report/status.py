"""Where a study stands: runs by pool and state, the leading configuration, seconds a run, time left."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import ENDED, TRAINED, LeaderRecord, State, StudyRecord, StudyResults
from kdsearch.report.captions import objective_name
from kdsearch.report.notes import ended_sentences, modelled_sentences, search_progress
from kdsearch.report.selection import Selection, sample_sizes, search_runs, select
from kdsearch.report.tables import Column, Row, Table
from kdsearch.report.wording import fixed, plural
from kdsearch.search.budget import describe
from kdsearch.search.leader import leader_of
from kdsearch.search.remaining import Remaining, remaining
from kdsearch.search.searches import shares_of

STATES: tuple[State, ...] = get_args(State)
WITHOUT = "without distillation"
ROWS = ("teacher", "preflight", "search", WITHOUT, "confirm")


def status(results: StudyResults, *, working: bool = True) -> Table:
    """Summarize a study for ``kdsearch status``: one row a pool, one column a state; the rest in notes.

    ``working``: whether any worker holds a run; else what is left takes nobody knows how long. No test score is read.
    """
    study = results.study
    without = {run.id for run in search_runs(results.configurations, results.runs, "without")}
    counts = Counter[tuple[str, str]]((WITHOUT if run.id in without else run.pool, run.state) for run in results.runs)
    selection = select(results)
    notes = []
    if len(shares_of(study.settings)) > 1 and study.phase == "search":
        ended = [run for run in results.runs if run.state in TRAINED]
        notes.append(f"Ended: {search_progress(study, results.configurations, ended)}.")
    extended = _extended(results)
    notes += [*ended_sentences(results), *extended, *best_sentences(selection)]
    seconds = [
        run.seconds
        for run in results.runs
        if run.state in TRAINED and run.pool != "teacher" and run.seconds is not None
    ]
    mean = float(np.mean(seconds)) if seconds else None
    left = remaining(study, results.configurations, results.runs)
    notes += time_sentences(study, mean, left, working=working, launched=not extended)
    return status_table(study, counts, notes)


def status_table(study: StudyRecord, counts: Mapping[tuple[str, str], int], notes: Sequence[str]) -> Table:
    """Return the table of ``counts`` by row and state, with what is to be said below it."""
    # Few studies have such runs: the column appears with the first one.
    seldom = {"cancelled", "stopped"} - {state for (_, state), count in counts.items() if count}
    states = [state for state in STATES if state not in seldom]
    rows = tuple(
        Row(name, tuple(counts.get((name, state), 0) for state in states))
        for name in ROWS
        if any(counts.get((name, state)) for state in states)
    )
    stop = ", asked to stop" if study.stop_requested else ""
    return Table(
        key="status",
        title=study.name,
        caption=f"{data_line(study)}; runs by pool and state.",
        columns=tuple(Column(state, state, "count") for state in states),
        rows=rows,
        notes=(f"Phase: {study.phase}{stop}.", *notes),
        row_header="pool",
    )


def best_sentences(selection: Selection) -> list[str]:
    """Name the configuration that leads, or the winner, with what the search believes of it."""
    winner_id = selection.study.winner_id
    found = leader_of(selection.study, selection.standings(), sample_sizes(selection), selection.digits)
    if found is not None:
        return leader_sentences(found, selection)
    if winner_id is not None:
        return [f"Winner: {selection.name(winner_id)}; none of its search runs is among those counted here."]
    return ["No configuration has two search runs yet: none is ranked."]


def leader_sentences(found: LeaderRecord, selection: Selection) -> list[str]:
    """Say what was found of the configuration that leads, or of the winner."""
    won, digits = selection.study.winner_id is not None, found.digits
    sd = "" if found.n < 2 else f" ± {fixed(found.raw_sd, digits)}"
    posterior_sd = "not known" if math.isnan(found.sd) else fixed(found.sd, digits)
    sentence = (
        f"{'Winner' if won else 'Leading'}: {found.name or f'#{found.id}'}, "
        f"search {objective_name(selection)}, not a result: "
        f"estimate {fixed(found.estimate, digits)} (posterior sd {posterior_sd}), "
        f"raw {fixed(found.mean, digits)}{sd}, n = {found.n}."
    )
    if found.ranked:
        sentence += f" Out: {found.out} of {plural(found.ranked, 'configuration')} with two runs or more."
    if won and found.n < 2 and selection.choice is not None and "rule" in selection.choice.data:
        sentence += f" Chosen by the {selection.choice.data['rule']}."
    return [sentence, *modelled_sentences(found.modelled, found.known)]


def _extended(results: StudyResults) -> list[str]:
    """Say that a finished study was asked for more fresh seeds than it has, which no launch has ordered yet."""
    study = results.study
    if study.phase != "finished" or study.winner_id is None:
        return []
    runs = [run for run in results.runs if (run.configuration_id, run.pool) == (study.winner_id, "confirm")]
    asked = study.settings.confirm.seeds
    if asked <= len({run.seed for run in runs if run.state != "cancelled"}):
        return []
    ended = len({run.seed for run in runs if run.state in ENDED})
    return [f"Extended to {asked} fresh seeds, {ended} ended; launch again. Until then the answer is that of {ended}."]


def time_sentences(
    study: StudyRecord, mean: float | None, left: Remaining, *, working: bool, launched: bool
) -> list[str]:
    """Say how long a run takes, ``mean`` seconds, and how much is ``left``."""
    notes = [f"Seconds per run: {mean:.3g} (mean of ended student runs)."] if mean is not None else []
    if not launched:
        return notes
    if left.runs and left.seconds is not None and not working:
        notes.append(f"Left: about {plural(left.runs, 'run')}; no worker holds a run now: if no launch is going on, "
                     "launch again.")  # fmt: skip
    elif left.runs and left.seconds is None:
        budget = study.settings.budget
        uncounted = study.winner_id is None and budget.runs is None
        search = f" and a search of {describe(budget)}" if uncounted else ""
        notes.append(f"About {plural(left.runs, 'run')} left{search}; none has ended yet, so the time is not known.")
    elif left.runs and left.seconds is not None:
        pace = "at the pace of the runs that ended last"
        notes.append(f"Left: about {plural(left.runs, 'run')}, {duration(left.seconds)} {pace}.")
    return notes


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
