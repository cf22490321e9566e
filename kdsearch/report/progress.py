"""Where a study stands: runs by pool and state, the leading configuration, seconds a run, time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import Pool
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import State
from kdsearch.ledger.records import StudyResults
from kdsearch.report.captions import data_line
from kdsearch.report.captions import objective_words
from kdsearch.report.captions import plural
from kdsearch.report.compared import name_of
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.selection import select
from kdsearch.report.tables import Column
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.search.expected import runs_expected
from kdsearch.statistics import summarize

STATES: tuple[State, ...] = get_args(State)


def status(results: StudyResults, workers: int = 1) -> Table:
    """Summarize a study for ``kdsearch status``: one row a pool, one column a state; the rest in notes.

    ``workers``: runs trained at the same time, for the time left. No test score is read.
    """
    study = results.study
    counts = Counter((run.pool, run.state) for run in results.runs)
    # Nothing cancels runs today: the column appears with the first one.
    states = [state for state in STATES if state != "cancelled" or any(run.state == state for run in results.runs)]
    pools: tuple[Pool, ...] = ("teacher", "preflight", "search", "confirm")
    rows = tuple(
        Row(pool, tuple(counts[pool, state] for state in states))
        for pool in pools
        if any(counts[pool, state] for state in states)
    )
    selection = select(results)
    stop = ", asked to stop" if study.stop_requested else ""
    notes = [f"Phase: {study.phase}{stop}.", _best(selection), *_time(results, selection, workers)]
    return Table(
        key="status",
        title=study.name,
        caption=f"{data_line(study)}; runs by pool and state.",
        columns=tuple(Column(state, state, "count") for state in states),
        rows=rows,
        notes=tuple(notes),
        stub="pool",
    )


def runs_left(results: StudyResults) -> int:
    """Return how many runs the study still needs: those expected in all, less those that came to an end."""
    expected = runs_expected(results.study, results.configurations, results.runs)
    return expected - sum(run.state in ENDED or run.state == "failed" for run in results.runs)


def _best(selection: Selection) -> str:
    rows = [row for row in selection.standings() if row.n > 1]
    if not rows:
        return "No configuration has two search runs yet: none is ranked."
    best = next((row for row in rows if row.id == selection.study.winner_id), rows[0])
    summary = summarize(best.objectives)
    words = objective_words(selection.study, selection.has_scores)
    role = "Winner" if best.id == selection.study.winner_id else "Leading"
    out = sum(row.out for row in rows)
    return (
        f"{role}: {name_of(selection, best.id)}, search {words}, not a result: "
        f"estimate {fixed(best.estimate, 4)} (posterior sd {fixed(best.sd, 4)}), raw {fixed(summary.mean, 4)} ± "
        f"{fixed(summary.sd, 4)}, n = {summary.n}. "
        f"Out: {out} of {plural(len(rows), 'configuration')} with two runs or more."
    )


def _time(results: StudyResults, selection: Selection, workers: int) -> list[str]:
    seconds = _seconds([run for run in results.runs if run.state in ENDED])
    left = runs_left(results)
    if seconds is None:
        return [f"About {plural(left, 'run')} left; none has ended yet, so the time is not known."] if left else []
    notes = [f"Seconds per run: {seconds:.3g} (mean of ended student runs)."]
    if left:
        at = max(1, workers)
        notes.append(f"Left: about {plural(left, 'run')}, {duration(left * seconds / at)} with {plural(at, 'worker')}.")
    return notes


def _seconds(ended: Sequence[RunRecord]) -> float | None:
    student = [run.seconds for run in ended if run.seconds is not None and run.pool != "teacher"]
    return summarize(student).mean if student else None


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
