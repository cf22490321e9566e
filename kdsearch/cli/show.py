"""``kdsearch show``: one configuration, with its parameters, its runs, and how to train it again."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, open_named
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError

if TYPE_CHECKING:
    from kdsearch.ledger.records import ConfigurationRecord, RunRecord, StudyResults
    from kdsearch.report.selection import Selection
    from kdsearch.search.ranking import Standing
    from kdsearch.space import Dimension
    from kdsearch.tasks.base import Scalar

BEST = "best"
MOST = 40
"""Runs that are listed; a configuration has few."""


def show(
    study: StudyName,
    configuration: Annotated[
        str,
        typer.Argument(metavar="CONFIGURATION", help="Its name, such as c12; best: the winner or leader."),
    ] = BEST,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Show one configuration.

    That is what is known of it, its parameters, its runs, and the command that trains it again.
    """
    ledger, record = open_named(study, preset, storage, newest=True)
    for line in lines(ledger.results(record.id, curves=None), configuration):
        say(line)


def lines(results: StudyResults, name: str = BEST) -> Iterator[str]:
    """What is shown of the configuration of that name; raises ``KdsearchError`` where there is none."""
    from kdsearch.report.answer import train_command
    from kdsearch.report.selection import select
    from kdsearch.texts import one_line

    selection = select(results)
    standings = selection.standings()
    record = _found(selection, standings, name)
    study = results.study
    yield f"{one_line(record.name)} of {one_line(study.name)}: {_role(selection, record)}"
    yield from _known(selection, record, next((row for row in standings if row.id == record.id), None))
    yield ""
    yield from _parameters(selection, record)
    runs = [run for run in results.runs if run.configuration_id == record.id]
    yield ""
    yield from _runs(selection, runs)
    command = train_command(replace(selection, study=replace(study, winner_id=record.id)))
    if command is not None and record.kind != "teacher":
        yield ""
        yield f"To train it: {command}"


def _found(selection: Selection, standings: list[Standing], name: str) -> ConfigurationRecord:
    if name == BEST:
        leading = selection.winner or next((row.configuration for row in standings if row.n > 1), None)
        if leading is None:
            raise KdsearchError("no configuration leads yet: none has two runs that ended")
        return leading
    # Names are unique within a kind; those of the search are asked for most.
    order = sorted(selection.configurations.values(), key=lambda row: row.kind == "searched")
    rows = {row.name: row for row in order}
    if name not in rows:
        near = difflib.get_close_matches(name, rows, n=5)
        raise KdsearchError(
            f"{selection.study.name} has no configuration {name!r}"
            + (f"; near it: {', '.join(near)}" if near else "")
            + f". kdsearch export runs {selection.study.name} names all of them."
        )
    return rows[name]


def _role(selection: Selection, record: ConfigurationRecord) -> str:
    study = selection.study
    if record.id == study.winner_id:
        return "the winner"
    if record.id == study.ablation_id:
        return "the winner without distillation"
    if record.id in study.finalist_ids:
        return "a finalist"
    return {
        "searched": "a configuration of the search",
        "without": "a configuration of the search without distillation",
        "baseline": "a baseline",
        "ablation": "a former winner without distillation",
    }.get(record.kind, f"a {record.kind}")


def _known(selection: Selection, record: ConfigurationRecord, standing: Standing | None) -> Iterator[str]:
    from kdsearch.report.units import Units
    from kdsearch.statistics import summarize
    from kdsearch.statistics.rounding import interval, spread_out

    digits, metric = selection.digits, selection.study.metric
    values = selection.objectives(record.id, "search")
    if values:
        mean = summarize(values)
        said = f"{mean.mean:.4g}" if mean.n == 1 else spread_out(mean.mean, mean.sd)
        yield f"search: {said} {metric}{' on validation' if selection.has_scores else ''} (n = {mean.n})"
    if standing is not None and standing.n and standing.sd == standing.sd:
        out = ", out: too improbable to be the best" if standing.out else ""
        yield f"believed: {spread_out(standing.estimate, standing.sd)} (posterior mean ± sd{out})"
    fresh = {} if selection.searching else selection.results(record.id)
    estimate = Units.of(selection).estimate(fresh)
    if estimate is not None:
        said = spread_out(estimate.value, estimate.sd) if estimate.n > 1 else f"{estimate.value:.4g}"
        bounds = f" {interval(estimate.low, estimate.high, digits)}" if estimate.low == estimate.low else ""
        test = "test " if selection.has_scores else ""
        yield f"fresh seeds: {said}{bounds} {test}{metric} (n = {estimate.n})"


def _parameters(selection: Selection, record: ConfigurationRecord) -> Iterator[str]:
    from kdsearch.report.answer import settings_of
    from kdsearch.tasks.base import VARY
    from kdsearch.texts import one_line

    space = selection.study.settings.space
    read = settings_of(selection, record.params)
    names = [name for name in (*space, *(name for name in read if name not in space)) if name != VARY]
    width = max(map(len, names), default=0)
    for name in names:
        value = _short(read[name], space.get(name)) if name in read else "not read: its condition does not hold"
        yield f"  {one_line(name):<{width}}  {value}"


def _short(value: Scalar, dimension: Dimension | None) -> str:
    """A value for people; the command below has it exactly."""
    from kdsearch.study.set_text import write
    from kdsearch.texts import one_line

    return f"{value:.6g}" if isinstance(value, float) else one_line(write(value, dimension))


def _runs(selection: Selection, runs: list[RunRecord]) -> Iterator[str]:
    from kdsearch.report.wording import fixed

    if not runs:
        yield "no runs"
        return
    digits = selection.digits
    shown = sorted(runs, key=lambda run: run.id)[:MOST]
    rows = [["run", "pool", "seed", "state", "objective", "score", "epoch", "seconds"]]
    for run in shown:
        score = None if selection.searching or run.pool == "search" else run.score
        rows.append(
            [
                str(run.id),
                "fresh" if run.pool == "confirm" else run.pool,
                str(run.seed),
                run.state,
                "-" if run.objective is None else fixed(run.objective, digits),
                "-" if score is None else fixed(score, digits),
                "-" if run.epoch is None else str(run.epoch),
                "-" if run.seconds is None else f"{run.seconds:.1f}",
            ]
        )
    kept = [place for place in range(len(rows[0])) if any(row[place] != "-" for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in kept}
    for row in rows:
        yield "  " + "  ".join(row[place].rjust(widths[place]) for place in kept)
    if len(runs) > MOST:
        yield f"  and {len(runs) - MOST:,} more: kdsearch export runs"
