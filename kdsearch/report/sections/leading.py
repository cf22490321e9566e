"""While the search runs: the leading configurations by what the search believes of them. Not a result."""

from __future__ import annotations

from kdsearch.ledger.records import searched
from kdsearch.report.captions import MEAN_INTERVAL, caption, objective_title, objective_words, plural
from kdsearch.report.notes import modelled_sentences
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.search.ranking import OUT, Standing
from kdsearch.statistics import summarize

MOST = 10
NORMAL = 1.959964
"""Half a 95 % interval of a normal posterior, in its standard deviations."""


def leading(selection: Selection) -> Table | None:
    """Return the best configurations with two or more search runs; ``None`` where no search run has ended."""
    standings = selection.standings()
    if not standings:
        return None
    shown = [row for row in standings if row.n > 1]
    words = objective_words(selection.study, selection.has_scores)
    return Table(
        key="leading",
        title="Leading configurations: search objective, not a result",
        caption=caption(selection, f"search {words}, not a result", pool="search"),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_title(selection.study, selection.has_scores), "estimate"),
            Column("estimate", "estimate", "interval"),
            Column("better", "P(better)", "p"),
            Column("standing", "standing", "text", spare=True),
        ),
        rows=tuple(_row(selection, place, row) for place, row in enumerate(shown[:MOST])),
        notes=(*_notes(standings, shown), *modelled_sentences(selection, standings), *_without(selection)),
    )


def _row(selection: Selection, place: int, row: Standing) -> Row:
    word = "leads" if place == 0 else "out" if row.out else "open"
    cells = (
        row.n,
        Estimate.of(summarize(row.objectives)),
        Estimate(row.estimate, row.estimate - NORMAL * row.sd, row.estimate + NORMAL * row.sd, row.sd, row.n),
        None if place == 0 else row.better,
        word,
    )
    return Row(row.configuration.name or f"#{row.id}", cells, selection.diverged(row.id, "search"))


def _without(selection: Selection) -> list[str]:
    """Count what is searched without distillation: it leads to a choice of its own and stands in no row here."""
    runs = [
        run for run in selection.runs if run.pool == "search" and searched(selection.configurations, run, "without")
    ]
    if not runs:
        return []
    settings = plural(len({run.configuration_id for run in runs}), "setting")
    return [f"Besides, {plural(len(runs), 'run')} of {settings} without distillation: a search by itself."]


def _notes(standings: list[Standing], shown: list[Standing]) -> list[str]:
    notes = []
    if shown:
        notes += [
            "estimate: the true objective as one model of all runs has it, neighbours in the space included, with its "
            "95 % interval; a lead from few seeds moves it little, and it decides the order. What a sceptical prior "
            "takes off the first row is taken off all. P(better): chance to be truly better than the leader. out: that "
            f"chance is below {OUT:g}; open: it is not.",
            f"Out: {sum(row.out for row in shown)} of {plural(len(shown), 'configuration')} with two runs or more.",
        ]
    if len(shown) > MOST:
        notes.append(f"Shown: the first {MOST} of {len(shown)}.")
    single = len(standings) - len(shown)
    if single:
        notes.append(f"{plural(single, 'configuration')} with n = 1: not ranked, one run says too little.")
    return [*notes, MEAN_INTERVAL] if shown else notes
