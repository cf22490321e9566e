"""Where the spread over seeds comes from: runs of one setting in which not all random streams follow the seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kdsearch.draws import Draw
from kdsearch.ledger.records import ConfigurationRecord, RunRecord
from kdsearch.report.captions import caption, listed, test_measure
from kdsearch.report.compared import name_of
from kdsearch.report.drawn import SPLIT, TEACHER, drawn
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.search.teachers import NOTHING, streams_of
from kdsearch.statistics.variance_components import Source, Sources, variance_sources
from kdsearch.tasks.base import VARY

Streams = frozenset[str]


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
            selection,
            test_measure(selection.study, selection.has_scores).replace("fresh confirm seeds", "all seeds"),
            spread="sd over runs in which only the named streams follow the seed",
        ),
        columns=(Column("n", "n", "count"), Column("sd", "sd", "estimate"), Column("share", "share", "estimate")),
        rows=tuple(rows),
        notes=(
            "share: of the variance of runs in which all streams follow the seed, with an F interval; a share of one "
            "stream holds what it does together with others. nothing: one seed run again and again.",
            *_draws(selection, rows),
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
        own = _sample(selection, _streams(record), fresh if len(fresh) > 1 else runs)
        if own:
            base = _base(record)
            values[base].setdefault(_streams(record), []).extend(own)
            if record.kind != "ablation" or base not in names:
                names[base] = name_of(selection, id_)
    # The teacher's configuration has streams that a study may hold for its students.
    students = [record for record in selection.configurations.values() if record.kind != "teacher"]
    every = [_streams(record) for record in students if VARY in record.params]
    whole: Streams = frozenset().union(*every)
    return {
        names[base]: groups for base, groups in values.items() if len(groups) > 1 and len(groups.get(whole, ())) > 1
    }


def _sample(selection: Selection, streams: Streams, runs: Sequence[RunRecord]) -> list[float]:
    """Results, one a run; where fold and teacher alone follow the seed, one a draw, for equal draws are equal runs."""
    if selection.study.version == 1 or not streams or streams - {SPLIT, TEACHER}:
        return present([selection.result(run) for run in runs])
    draws = drawn(selection).draws
    values: dict[Draw, list[float]] = defaultdict(list)
    for run in runs:
        if (result := selection.result(run)) is not None:
            values[draws.draw(run.pool, run.seed, streams)].append(result)
    return [sum(equal) / len(equal) for equal in values.values()]


def _draws(selection: Selection, rows: Sequence[Row]) -> list[str]:
    """Say what varies with the split, where a row has it alone or with others."""
    found = drawn(selection)
    if not (found.split or found.teacher) or not any(SPLIT in row.label or TEACHER in row.label for row in rows):
        return []
    drawn_alone = [name for name, there in ((SPLIT, found.split), (TEACHER, found.teacher)) if there]
    notes = []
    if found.split and found.teachers == "several":
        notes.append(
            "split: the teacher keeps its own seed and changes with the fold all the same, being trained outside it."
        )
    notes.append(
        f"Where nothing but {listed(drawn_alone)} follows the seed, n counts draws: equal ones are equal runs."
    )
    if found.shared:
        notes.append(
            f"Runs in which all streams follow the seed share {found.shared} teachers: intervals of their sd and of "
            "shares take them for runs of their own, and are too narrow."
        )
    return notes


def _base(record: ConfigurationRecord) -> str:
    return repr(sorted((name, value) for name, value in record.params.items() if name != VARY))


def _streams(record: ConfigurationRecord) -> Streams:
    return streams_of(record.params)


def _rows(name: str, found: Sources) -> list[Row]:
    return [Row(f"{name}: {_words(part.vary)}", _cells(part)) for part in (found.whole, *found.parts)]


def _words(vary: Streams) -> str:
    return " + ".join(sorted(vary)) or NOTHING


def _cells(part: Source) -> tuple[Cell, ...]:
    return (
        part.n,
        Estimate(part.sd, part.sd_low, part.sd_high, n=part.n),
        Estimate(part.share, part.low, part.high, n=part.n),
    )
