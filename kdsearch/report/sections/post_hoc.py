"""Runs that somebody added after the winner was chosen: shown by themselves, for they took part in no choice."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.ledger.records import ENDED, RunRecord
from kdsearch.report.captions import caption, objective_heading, objective_name
from kdsearch.report.configurations import value_of
from kdsearch.report.selection import Selection, code_of, present
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import MEAN_INTERVAL
from kdsearch.report.wording import plural
from kdsearch.statistics import summarize
from kdsearch.tasks.base import VARY

ORDER, WHEN = 100, "result"

TITLE = "Added after the choice"


def section(selection: Selection) -> Table | None:
    """Return one row a configuration in the order in which they were added; ``None`` where nothing was.

    Objectives alone: a test score on search seeds would be one more thing to choose by.
    """
    groups: dict[int, list[RunRecord]] = {}
    for run in sorted(selection.post_hoc, key=lambda run: run.id):
        groups.setdefault(run.configuration_id, []).append(run)
    if not groups:
        return None
    names = _parameters(selection, list(groups))
    return Table(
        key="added",
        title=TITLE,
        caption=caption(
            selection,
            f"{objective_name(selection)} on search seeds, not a result",
            pool="search",
            counts="n = runs that came after the winner was chosen and have ended, one a seed",
        ),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_heading(selection), "estimate"),
            *(Column(f"parameter_{name}", name, "parameter", optional=True) for name in names),
        ),
        rows=tuple(_row(selection, id_, runs, names) for id_, runs in groups.items()),
        notes=tuple(_notes(selection)),
    )


def _parameters(selection: Selection, ids: Sequence[int]) -> list[str]:
    """The space's parameters as the study file has them, and the streams that vary where that is what was added."""
    names = selection.study.settings.dimensions
    records = selection.configurations
    usual = selection.winner.params.get(VARY) if selection.winner is not None else None
    return [*names, *([VARY] if any(records[id_].params.get(VARY) != usual for id_ in ids) else [])]


def _row(selection: Selection, id_: int, runs: Sequence[RunRecord], names: Sequence[str]) -> Row:
    counted = [run for run in runs if _counts(selection, run)]
    summary = summarize(present([selection.objective(run) for run in counted]))
    params = selection.configurations[id_].params
    cells: tuple[Cell, ...] = (summary.n, Estimate.of(summary), *(value_of(params, name) for name in names))
    name = selection.name(id_)
    label = f"winner ({name})" if id_ == selection.study.winner_id else name
    diverged = sum(run.state == "diverged" for run in counted)
    failed = sum(run.state == "failed" for run in runs)
    waiting = sum(run.state in ("queued", "leased") for run in runs)
    remarks = [
        f"{diverged}/{len(counted)} diverged" if diverged else "",
        f"{failed} failed" if failed else "",
        f"{waiting} to come" if waiting else "",
    ]
    return Row(label, cells, ", ".join(filter(None, remarks)), context=True)


def _counts(selection: Selection, run: RunRecord) -> bool:
    return run.state in ENDED and (selection.mixed or code_of(run) in selection.hashes)


def _notes(selection: Selection) -> list[str]:
    notes = [
        "Queued after the winner was chosen, by kdsearch add or --retry-failed: these runs took part in no choice and "
        "in no comparison, and can change neither. Rows stand in the order in which they were added."
    ]
    others = sum(run.state in ENDED and not _counts(selection, run) for run in selection.post_hoc)
    if others:
        notes.append(f"{plural(others, 'run')} of them ended under another code hash, not counted; see --mix-code.")
    if any(run.state == "diverged" and _counts(selection, run) for run in selection.post_hoc):
        notes.append(selection.chance_note)
    return [*notes, MEAN_INTERVAL]
