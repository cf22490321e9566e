"""How far runs of one configuration lie apart, what picking the best would have claimed, what a seed does to all."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import caption, epoch_on_test, test_measure
from kdsearch.report.configurations import Compared, compared
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import Units, random_factors
from kdsearch.report.wording import fixed, interval, listed, p_value, plural
from kdsearch.statistics import Summary, equal_variance_test, expected_best, seed_effect, seed_table, summarize
from kdsearch.statistics.summaries import Floats

ORDER, WHEN = 70, "result"

FEW = 10
"""Below so many runs each the test of equal spreads finds little (``kdsearch.statistics.equal_variance``)."""


def section(selection: Selection) -> Table | None:
    """Return spreads over confirm seeds and the optimistic numbers; ``None`` while the winner has no confirm run."""
    rows, units = [row for row in compared(selection) if selection.results(row.id)], Units.of(selection)
    if not any(row.part == "winner" for row in rows):
        return None
    columns: tuple[Column, ...] = (
        Column("n", "n", "count"),
        Column("sd", "sd", "interval"),
        Column("range", "range", "number", optional=True),
        Column("mean", "mean", "number", optional=True),
        Column("best_run", "best run", "number"),
    )
    if shows_best_epoch(selection):
        columns += (
            Column("mean_best_epoch", "mean, best epoch", "number"),
            Column("best_run_best_epoch", "best run, best epoch", "number"),
        )
    return Table(
        key="instability",
        title="Instability",
        caption=caption(selection, test_measure(selection)),
        columns=columns,
        rows=tuple(_row(selection, units, row) for row in rows),
        notes=(
            *_notes(selection, rows[0]),
            # Seeds that share a teacher are not independent, as the interval of an sd takes them to be.
            *(["Seeds share teachers: sd is of the runs as they came, and has no interval."] if units.shared else []),
            *_in_common(selection, units, rows),
            *_spreads(selection, units, rows),
        ),
    )


def shows_best_epoch(selection: Selection) -> bool:
    """Say whether the best epoch on test tells more than the results do: it was measured, and they stand elsewhere."""
    measured = any("best_on_test" in run.scores for run in selection.runs)
    return selection.has_scores and measured and not epoch_on_test(selection.study)


def best_epoch(selection: Selection, run: RunRecord) -> float | None:
    """Return the score of a run with its epoch picked on test: optimistic, shown to show how much."""
    return run.scores.get("best_on_test", selection.result(run))


def _picked(selection: Selection, row: Compared) -> Summary:
    """The fresh runs of a configuration with their epochs picked on test."""
    return summarize(present([best_epoch(selection, run) for run in selection.of(row.id, "confirm")]))


def _row(selection: Selection, units: Units, row: Compared) -> Row:
    summary = summarize(list(selection.results(row.id).values()))
    single = summary.n < 2
    bounds = (math.nan, math.nan) if units.shared else (summary.sd_low, summary.sd_high)
    cells: tuple[Cell, ...] = (
        summary.n,
        Estimate(summary.sd, *bounds, n=summary.n),
        None if single else summary.maximum - summary.minimum,
        summary.mean,
        _best(selection, summary),
    )
    if shows_best_epoch(selection):
        picked = _picked(selection, row)
        cells += (picked.mean, _best(selection, picked))
    return Row(row.label, cells, selection.diverged_note(row.id), context=row.part == "context")


def _best(selection: Selection, summary: Summary) -> float:
    return summary.minimum if selection.minimizes else summary.maximum


def _notes(selection: Selection, winner: Compared) -> list[str]:
    summary, digits = summarize(list(selection.results(winner.id).values())), selection.digits
    notes = [_optimistic(selection)]
    if summary.n < 2:
        return notes
    luck = fixed(selection.study.sign * summary.sd * expected_best(summary.n), digits, signed=True)
    best = _best(selection, summary)
    text = (
        f"Winner: reporting its best run would have claimed {_claim(best, summary.mean, digits)} against "
        f"the mean of {summary.n} seeds; luck alone (sd x {expected_best(summary.n):.2f}) gives {luck}."
    )
    if shows_best_epoch(selection):
        picked = _picked(selection, winner)
        text += (
            f" Picking the epoch on test would have claimed {_claim(picked.mean, summary.mean, digits)}, both together "
            f"{_claim(_best(selection, picked), summary.mean, digits)}."
        )
    notes.append(text)
    search = [run for run in selection.runs if run.pool == "search"]
    scores = present([selection.result(run) for run in search])
    if len(scores) > 1:
        together = ""
        if shows_best_epoch(selection):
            picked_best = selection.best(present([best_epoch(selection, run) for run in search]))
            together = f", with the best epoch {_claim(picked_best, summary.mean, digits)}"
        drawn = len(scores) + len(selection.stopped)  # the best of those that went on is the best of all, about
        luck = fixed(selection.study.sign * summary.sd * expected_best(drawn), digits, signed=True)
        single = _claim(selection.best(scores), summary.mean, digits)
        notes.append(
            f"Over all {plural(drawn, 'search run')}: the best single run would have claimed {single} against "
            f"the winner's mean{together}; luck alone (winner's sd x {expected_best(drawn):.2f}) gives {luck}."
        )
    return notes


def _optimistic(selection: Selection) -> str:
    if not selection.has_scores:
        return "The best run is picked after its result was seen: optimistic, never to be reported as a result."
    if epoch_on_test(selection.study):
        return (
            "Every score here stands at the best epoch on test already, as this study asks for; the best run is picked "
            "on the test set once more: optimistic, never to be reported as results."
        )
    if not shows_best_epoch(selection):
        return "The best run is picked on the test set itself: optimistic, never to be reported as a result."
    return "Best run and best epoch are picked on the test set itself: optimistic, never to be reported as results."


def _claim(value: float, mean: float, digits: int) -> str:
    return f"{fixed(value, digits)} ({fixed(value - mean, digits, signed=True)})"


def _in_common(selection: Selection, units: Units, rows: Sequence[Compared]) -> list[str]:
    effect = seed_effect(_table(selection, units, rows))
    if math.isnan(effect.rho):
        return []
    bounds = "" if math.isnan(effect.low) else f" (95 % interval {interval(effect.low, effect.high, 2)})"
    word, count, spared = ("teacher", "mean", "teacher") if units.shared else ("seed", "run", "run")
    saved = f"pairing saves no {spared} here"
    if effect.rho > 0:
        saved = f"pairing saves about {100 * effect.rho:.0f} % of the {spared}s"
        saved += ", and perhaps none" if effect.low <= 0 else ""
    chance = ", diverged ones at chance level" if any(selection.diverged(row.id) for row in rows) else ""
    return [
        f"Common {word}s: what a {word}{_with(selection)} does to all configurations alike has sd "
        f"{fixed(effect.seed_sd, selection.digits)}, what is left has sd {fixed(effect.residual_sd, selection.digits)} "
        f"({plural(effect.configurations, 'configuration')}, {plural(effect.seeds, word)}, "
        f"{plural(effect.runs, count)}{chance}). Two configurations on one {word} correlate by {fixed(effect.rho, 2)}"
        f"{bounds}: {saved}."
    ]


def _table(selection: Selection, units: Units, rows: Sequence[Compared]) -> Floats:
    """Values ``[rows, units]``, nan where one was not run; a unit is numbered by the order of its first seed."""
    results = [selection.results(row.id) for row in rows]
    keys = dict.fromkeys(units.key(seed) for seed in sorted({seed for result in results for seed in result}))
    numbers = {key: number for number, key in enumerate(keys)}
    return seed_table([{numbers[key]: mean for key, mean in units.means(result).items()} for result in results])


def _with(selection: Selection) -> str:
    """What is randomised with a seed, and part of its effect."""
    factors = random_factors(selection)
    own = ["partition"] if factors.split else []
    own += ["teacher"] if factors.teacher and not factors.shared else []
    return f" with its {listed(own)}" if own else ""


def _spreads(selection: Selection, units: Units, rows: Sequence[Compared]) -> list[str]:
    several = [row for row in rows if len(units.sample(selection.results(row.id))) > 1]
    found = equal_variance_test([units.sample(selection.results(row.id)) for row in several])
    if math.isnan(found.p):
        return []
    order = sorted(range(len(several)), key=lambda index: float(found.sd[index]))
    least, most = (
        f"{fixed(float(found.sd[index]), selection.digits)} ({several[index].label}, n = {found.n[index]})"
        for index in (order[0], order[-1])
    )
    verdict = "some spread more than others" if found.p < 0.05 else "no difference of spreads is shown"
    fewest = int(found.n.min())
    few = f"; with n = {fewest} it finds little" if fewest < FEW else ""
    p = p_value(found.p)
    over = " over teachers" if units.shared else ""
    return [
        f"Spread by configuration{over}: sd from {least} to {most}: {verdict} (Brown-Forsythe F({found.df[0]}, "
        f"{found.df[1]}) = {found.statistic:.2f}, p {p if p.startswith('<') else f'= {p}'}{few})."
    ]
