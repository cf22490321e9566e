"""Several studies on the same data side by side: the winner of each on common fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import StudyResults
from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import TEACHERS
from kdsearch.report.captions import data_line
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import name_of
from kdsearch.report.compared import void_primary
from kdsearch.report.looks import at_look
from kdsearch.report.looks import confidence_at
from kdsearch.report.looks import earlier_looks
from kdsearch.report.looks import resolving
from kdsearch.report.selection import Selection
from kdsearch.report.selection import select
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Report
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import Difference
from kdsearch.statistics import family_verdicts
from kdsearch.statistics import paired_difference
from kdsearch.statistics import paired_probability
from kdsearch.statistics import summarize


@dataclass(frozen=True)
class _Pair:
    """The first study's winner against another's on common fresh seeds."""

    first: list[float]
    other: list[float]
    difference: Difference


def build_beside(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put the winners of studies side by side, each chosen by its own search without a look at the seeds shown.

    Differences are the first study's winner minus each other's, paired over common fresh seeds: who names the studies
    says which one the question is about, no best of them is picked. Raises ``KdsearchError`` where a study has no
    result yet, where studies differ in data, metric or rule of the epoch, or where one is named twice.
    """
    selections = [select(result, mix_code=mix_code) for result in results]
    _check(selections)
    table = _table(selections)
    return Report(
        title="Side by side",
        study=", ".join(selection.study.name for selection in selections),
        description=data_line(selections[0].study),
        notes=(),
        tables=(table,),
    )


def _check(selections: Sequence[Selection]) -> None:
    names = [selection.study.name for selection in selections]
    if len(names) < 2 or len(set(names)) < len(names):
        raise KdsearchError(f"expected two studies or more, each named once; got {', '.join(names) or 'none'}")
    for selection in selections:
        study = selection.study
        if not selection.finished or study.winner_id is None or not selection.results(study.winner_id):
            raise KdsearchError(
                f"{study.name} has no result yet (phase {study.phase}): launch it to its end, then compare; see "
                f"kdsearch status {study.name}"
            )
    first = selections[0]
    for other in selections[1:]:
        if _measured(other) != _measured(first):
            raise KdsearchError(
                "studies that stand side by side are measured alike: same data and parts, same metric, same rule of "
                f"the epoch. {first.study.name} is of: {first.study.metric}, {data_line(first.study)}. "
                f"{other.study.name} is of: {other.study.metric}, {data_line(other.study)}. Declare both on the same "
                "data, for instance by presets of one name"
            )


def _measured(selection: Selection) -> tuple[object, ...]:
    study = selection.study
    return study.settings.get("measured_on") or study.data_hash, study.metric, selection.has_scores


def _table(selections: Sequence[Selection]) -> Table:
    first = selections[0]
    pairs = [_pair(first, other) for other in selections[1:]]
    looks = _looks(selections, max((pair.difference.n for pair in pairs if pair), default=0))
    confidence = confidence_at(looks)
    effect = min_effect(first)
    there = [pair for pair in pairs if pair is not None]
    verdicts, holm = family_verdicts([pair.difference for pair in there], effect, looks=looks)
    judged = iter(zip(verdicts, holm, strict=True))
    rows = [_row(first, None, looks, None)]
    for other, pair in zip(selections[1:], pairs, strict=True):
        rows.append(_row(other, pair, looks, next(judged) if pair else None))
    rows += [row for selection in selections if (row := _without(selection)) is not None]
    study, measure = first.study, test_measure(first.study, first.has_scores)
    heading = f"test {study.metric}" if first.has_scores else objective_title(study, first.has_scores)
    return Table(
        key="beside",
        title="Side by side on confirm seeds",
        caption=(
            f"{measure}; each row is the winner of one study, chosen by that study's own search; sd over student "
            "seeds; n = runs, one a seed."
        ),
        columns=(
            Column("n", "n", "count"),
            Column("score", heading, "estimate"),
            Column("difference", "first - row", "difference", confidence=confidence),
            Column("pairs", "pairs", "count", machine=True),
            Column("diverged", "diverged", "count", machine=True),
            Column("t_p", "t p", "p", machine=True),
            Column("holm_p", "Holm p", "p", spare=True),
            Column("probability", "P(first > row)", "probability", spare=True, confidence=confidence),
            Column("flip_p", "flip p", "p", spare=True),
            Column("verdict", "verdict", "text"),
            Column("search_runs", "search runs", "count"),
            Column("seconds", "s a run", "number"),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(selections, there, verdicts, looks, effect)),
        stub="study",
    )


def _pair(first: Selection, other: Selection) -> _Pair | None:
    """The winners on the seeds that both have; ``None`` where there is no such seed."""
    ours, theirs = _results(first), _results(other)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    a, b = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    return _Pair(a, b, paired_difference(a, b))


def _results(selection: Selection) -> dict[int, float]:
    return selection.results(selection.study.winner_id or -1)


def _looks(selections: Sequence[Selection], n: int) -> tuple[int, ...]:
    """All looks at any of the studies up to the present one: each of them showed something of the seeds here."""
    if n < 2:
        return ()
    earlier = {look for selection in selections for look in earlier_looks(selection) if 2 <= look < n}
    return (*sorted(earlier), n)


def _row(selection: Selection, pair: _Pair | None, looks: tuple[int, ...], judged: tuple[str, float] | None) -> Row:
    winner = selection.study.winner_id or -1
    difference = at_look(pair.difference, looks) if pair else None
    cells: tuple[Cell, ...] = (
        len(_results(selection)),
        Estimate.of(summarize(list(_results(selection).values()))),
        Estimate.between(difference) if difference else None,
        difference.n if difference else None,
        sum(run.state == "diverged" for run in selection.of(winner, "confirm")),
        difference.p if difference else None,
        judged[1] if judged else None,
        Estimate.chance(paired_probability(pair.first, pair.other, confidence_at(looks))) if pair else None,
        difference.sign_flip_p if difference else None,
        judged[0] if judged else None,
        _searched(selection),
        _seconds(selection, winner),
    )
    label = f"{_title(selection)} ({name_of(selection, winner)})"
    return Row(label, cells, selection.diverged(winner, "confirm"))


def _without(selection: Selection) -> Row | None:
    """A study's winner without what teaches it: context."""
    id_ = selection.study.ablation_id
    if id_ is None or void_primary(selection) is not None or not selection.results(id_):
        return None
    values = list(selection.results(id_).values())
    diverged = sum(run.state == "diverged" for run in selection.of(id_, "confirm"))
    cells: tuple[Cell, ...] = (len(values), Estimate.of(summarize(values)), None, None, diverged)
    cells += (None, None, None, None, "context", None, _seconds(selection, id_))
    return Row(f"{_title(selection)} without distillation", cells, selection.diverged(id_, "confirm"), context=True)


def _searched(selection: Selection) -> int:
    return sum(run.pool == "search" for run in selection.runs)


def _seconds(selection: Selection, id_: int) -> float | None:
    seconds = [run.seconds for run in selection.of(id_, "confirm") if run.seconds is not None]
    return float(median(seconds)) if seconds else None


def _title(selection: Selection) -> str:
    return str(selection.study.settings.get("title") or selection.study.name)


def _notes(
    selections: Sequence[Selection],
    pairs: Sequence[_Pair],
    verdicts: Sequence[str],
    looks: tuple[int, ...],
    effect: float,
) -> list[str]:
    first = selections[0]
    notes = [
        f"first - row: {_title(first)}, the study named first, minus the row's, paired over common seeds, t interval. "
        f"Verdicts are the first's; equivalent is within {effect:g}, its min_effect. Holm p: t test, adjusted over "
        "all rows with a verdict. flip p: exact sign flips, from 6 pairs.",
        "Which study is named first is to be said before the numbers are seen: to name the best one first picks it by "
        "these very seeds.",
    ]
    if len(looks) > 1:
        earlier = ", ".join(map(str, looks[:-1]))
        notes.append(f"Seeds of these studies were looked at before ({earlier} of them): intervals and p values allow.")
    undecided = [pair for pair, word in zip(pairs, verdicts, strict=True) if word == "undecided"]
    if undecided:
        words = [resolving(pair.difference, effect, looks, len(pairs)) for pair in undecided]
        longest = max(filter(None, words), key=len, default="")
        notes += [f"Undecided rows: {longest}."] if longest else []
    for selection in selections:
        teachers = TEACHERS.get(str(selection.study.settings.get("teachers", "one")), TEACHERS["one"])
        notes.append(f"{_title(selection)}: {data_line(selection.study)}; {teachers}.")
    notes.append(
        "search runs: what each search took before its choice; s a run: median time of the row's fresh runs, as they "
        "were trained (alone, or together with others on one device)."
    )
    return [*notes, MEAN_INTERVAL]
