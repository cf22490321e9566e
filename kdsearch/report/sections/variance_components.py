"""Where the spread over seeds comes from: runs of one configuration in which not all random streams follow the seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kdsearch.draws import Draw
from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import caption, test_measure
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.report.units import SPLIT, TEACHER, random_factors
from kdsearch.report.wording import listed
from kdsearch.search.teachers import NOTHING, streams_of
from kdsearch.statistics import VarianceComponent, split_variance
from kdsearch.tasks.base import VARY

ORDER, WHEN = 80, "result"

Streams = frozenset[str]


def section(selection: Selection) -> Table | None:
    """Return the shares of each configuration that was run with several sets of streams; ``None`` where none was."""
    rows: list[Row] = []
    notes: list[str] = []
    for name, groups in _settings(selection).items():
        found = split_variance(groups)
        rows += [_row(name, component) for component in (found.whole, *found.parts)]
        notes.append(f"{name}: {found.note}")
    if not rows:
        return None
    return Table(
        key="sources",
        title="Where the spread comes from",
        caption=caption(
            selection,
            test_measure(selection).replace("fresh confirm seeds", "all seeds"),
            spread="sd over runs in which only the named streams follow the seed",
        ),
        columns=(Column("n", "n", "count"), Column("sd", "sd", "estimate"), Column("share", "share", "estimate")),
        rows=tuple(rows),
        notes=(
            "share: of the variance of runs in which all streams follow the seed, with an F interval; a share of one "
            "stream holds what it does together with others. nothing: one seed run again and again.",
            *_factors(selection, rows),
            *notes,
        ),
        row_header="configuration, what varies",
    )


def _settings(selection: Selection) -> dict[str, dict[Streams, list[float]]]:
    """Results by streams, of each configuration that has runs of all streams and of some."""
    values: dict[str, dict[Streams, list[float]]] = defaultdict(dict)
    names: dict[str, str] = {}
    runs_of: dict[int, list[RunRecord]] = defaultdict(list)
    for run in selection.runs:
        runs_of[run.configuration_id].append(run)
    for id_, record in selection.configurations.items():
        if VARY not in record.params or record.kind == "teacher":
            continue
        runs = runs_of[id_]
        # Choosing favours lucky search runs: where a configuration has fresh runs, these are taken.
        fresh = [run for run in runs if run.pool == "confirm"]
        own = _sample(selection, streams_of(record.params), fresh if len(fresh) > 1 else runs)
        if own:
            base = repr(sorted((name, value) for name, value in record.params.items() if name != VARY))
            values[base].setdefault(streams_of(record.params), []).extend(own)
            if record.kind != "ablation" or base not in names:
                names[base] = selection.name(id_)
    # The teacher's configuration has streams that a study may hold for its students.
    students = [record for record in selection.configurations.values() if record.kind != "teacher"]
    every = [streams_of(record.params) for record in students if VARY in record.params]
    whole: Streams = frozenset().union(*every)
    return {
        names[base]: groups for base, groups in values.items() if len(groups) > 1 and len(groups.get(whole, ())) > 1
    }


def _sample(selection: Selection, streams: Streams, runs: Sequence[RunRecord]) -> list[float]:
    """Results, one a run; where fold and teacher alone follow the seed, one a draw, for equal draws are equal runs."""
    if selection.study.version == 1 or not streams or streams - {SPLIT, TEACHER}:
        return present([selection.result(run) for run in runs])
    draws = random_factors(selection).draws
    values: dict[Draw, list[float]] = defaultdict(list)
    for run in runs:
        if (result := selection.result(run)) is not None:
            values[draws.draw(run.pool, run.seed, streams)].append(result)
    return [sum(equal) / len(equal) for equal in values.values()]


def _factors(selection: Selection, rows: Sequence[Row]) -> list[str]:
    """Say what varies with the split, where a row has it alone or with others."""
    factors = random_factors(selection)
    alone = [name for name, varies in ((SPLIT, factors.split), (TEACHER, factors.teacher)) if varies]
    if not alone or not any(SPLIT in row.label or TEACHER in row.label for row in rows):
        return []
    notes = []
    if factors.split and factors.teachers == "several":
        notes.append(
            "split: the teacher keeps its own seed and changes with the fold all the same, being trained outside it."
        )
    notes.append(f"Where nothing but {listed(alone)} follows the seed, n counts draws: equal ones are equal runs.")
    if factors.shared:
        notes.append(
            f"Runs in which all streams follow the seed share {factors.shared} teachers: intervals of their sd and of "
            "shares take them for independent runs, and are too narrow."
        )
    return notes


def _row(name: str, component: VarianceComponent) -> Row:
    sd = Estimate(component.sd, component.sd_low, component.sd_high, n=component.n)
    share = Estimate(component.share, component.low, component.high, n=component.n)
    return Row(f"{name}: {' + '.join(sorted(component.vary)) or NOTHING}", (component.n, sd, share))
