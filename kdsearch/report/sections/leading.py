"""While the search runs: the leading configurations by what the search believes of them. Not a result."""

from __future__ import annotations

from kdsearch.report.captions import caption, objective_heading, objective_name
from kdsearch.report.notes import modelled_sentences
from kdsearch.report.selection import Selection, sample_sizes, search_runs
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.report.units import MEAN_INTERVAL
from kdsearch.report.wording import plural
from kdsearch.search.ranking import OUT, Standing
from kdsearch.statistics import summarize

ORDER, WHEN = 10, "search"

MOST = 10
NORMAL = 1.959964
"""Half a 95 % interval of a normal posterior, in its standard deviations."""


def section(selection: Selection) -> Table | None:
    """Return the best configurations with two or more search runs; ``None`` where no search run has ended."""
    standings = selection.standings()
    if not standings:
        return None
    shown = [row for row in standings if row.n > 1]
    return Table(
        key="leading",
        title="Leading configurations: search objective, not a result",
        caption=caption(selection, f"search {objective_name(selection)}, not a result", pool="search"),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_heading(selection), "estimate"),
            Column("estimate", "estimate", "interval"),
            Column("better", "P(better)", "p"),
            Column("standing", "standing", "text", optional=True),
        ),
        rows=tuple(_row(selection, rank, row) for rank, row in enumerate(shown[:MOST])),
        notes=(
            *_notes(selection, standings, shown),
            *modelled_sentences(len(standings), len(sample_sizes(selection))),
            *_without(selection),
        ),
    )


def _row(selection: Selection, rank: int, row: Standing) -> Row:
    cells = (
        row.n,
        Estimate.of(summarize(row.objectives)),
        Estimate(row.estimate, row.estimate - NORMAL * row.sd, row.estimate + NORMAL * row.sd, row.sd, row.n),
        None if rank == 0 else row.better,
        "leads" if rank == 0 else "out" if row.out else "open",
    )
    return Row(selection.name(row.id), cells, selection.diverged_note(row.id, "search"))


def _without(selection: Selection) -> list[str]:
    """Count what is searched without distillation: it leads to a choice of its own and stands in no row here."""
    runs = search_runs(selection.configurations, selection.runs, "without")
    if not runs:
        return []
    settings = plural(len({run.configuration_id for run in runs}), "configuration")
    return [f"Besides, {plural(len(runs), 'run')} of {settings} without distillation: a search by itself."]


def _notes(selection: Selection, standings: list[Standing], shown: list[Standing]) -> list[str]:
    notes = []
    if shown:
        moved, moves = ("raised", "raises") if selection.minimizes else ("lowered", "lowers")
        notes += [
            "estimate: the true objective as one model of all runs has it, neighbours in the space included, with its "
            "95 % interval; a lead from few seeds moves it little, and it decides the order. All rows are "
            f"{moved} by as much as a prior that expects nothing special of any configuration {moves} the first. "
            f"P(better): chance to be truly better than the leader. out: it is below {OUT:g}; open: it is not.",
            f"Out: {sum(row.out for row in shown)} of {plural(len(shown), 'configuration')} with two runs or more.",
        ]
    if len(shown) > MOST:
        notes.append(f"Shown: the first {MOST} of {len(shown)}.")
    single = len(standings) - len(shown)
    if single:
        notes.append(f"{plural(single, 'configuration')} with n = 1: not ranked, one run says too little.")
    return [*notes, MEAN_INTERVAL] if shown else notes
