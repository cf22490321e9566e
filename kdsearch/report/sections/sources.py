"""Where the spread over seeds comes from: runs of one setting in which not all random streams follow the seed."""

from __future__ import annotations

from collections import defaultdict

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.report.captions import caption
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import name_of
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics.sources import Source
from kdsearch.statistics.sources import Sources
from kdsearch.statistics.sources import variance_sources
from kdsearch.tasks.base import VARY

Streams = frozenset[str]
_NOTHING = "nothing"


def sources(selection: Selection) -> Table | None:
    """Return the shares of each setting that was run with several sets of streams; ``None`` where none was."""
    rows: list[Row] = []
    notes: list[str] = []
    for name, groups in _settings(selection).items():
        found = variance_sources(groups)
        rows += _rows(name, found)
        notes.append(f"{name}: {found.note}")
    if not rows:
        return None
    return Table(
        key="sources",
        title="Where the spread comes from",
        caption=caption(
            selection.study,
            test_measure(selection.study, selection.has_scores).replace("fresh confirm seeds", "all seeds"),
            spread="sd over runs in which only the named streams follow the seed",
        ),
        columns=(Column("n", "n", "count"), Column("sd", "sd", "estimate"), Column("share", "share", "estimate")),
        rows=tuple(rows),
        notes=(
            "share: of the variance of runs in which all streams follow the seed, with an F interval; a share of one "
            "stream holds what it does together with others. nothing: one seed run again and again.",
            *notes,
        ),
        stub="setting, what varies",
    )


def _settings(selection: Selection) -> dict[str, dict[Streams, list[float]]]:
    """Results by streams, of each setting that has runs of all streams and of some."""
    values: dict[str, dict[Streams, list[float]]] = defaultdict(dict)
    names: dict[str, str] = {}
    for id_, record in selection.configurations.items():
        if VARY not in record.params or record.kind == "teacher":
            continue
        runs = [run for run in selection.runs if run.configuration_id == id_]
        # A chosen setting's search runs were lucky: where it has fresh ones, these tell of its spread.
        fresh = [run for run in runs if run.pool == "confirm"]
        own = present([selection.result(run) for run in (fresh if len(fresh) > 1 else runs)])
        if own:
            base = _base(record)
            values[base].setdefault(_streams(record), []).extend(own)
            if record.kind != "ablation" or base not in names:
                names[base] = name_of(selection, id_)
    # The teacher's configuration has all streams, and so has nearly every other one.
    every = [_streams(record) for record in selection.configurations.values() if VARY in record.params]
    whole: Streams = frozenset().union(*every)
    return {
        names[base]: groups for base, groups in values.items() if len(groups) > 1 and len(groups.get(whole, ())) > 1
    }


def _base(record: ConfigurationRecord) -> str:
    return repr(sorted((name, value) for name, value in record.params.items() if name != VARY))


def _streams(record: ConfigurationRecord) -> Streams:
    text = str(record.params[VARY])
    return frozenset() if text == _NOTHING else frozenset(text.split("+"))


def _rows(name: str, found: Sources) -> list[Row]:
    return [Row(f"{name}: {_words(part.vary)}", _cells(part)) for part in (found.whole, *found.parts)]


def _words(vary: Streams) -> str:
    return " + ".join(sorted(vary)) or _NOTHING


def _cells(part: Source) -> tuple[Cell, ...]:
    return (
        part.n,
        Estimate(part.sd, part.sd_low, part.sd_high, n=part.n),
        Estimate(part.share, part.low, part.high, n=part.n),
    )
