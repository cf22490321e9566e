"""What a study's primary comparison is an estimate of, what it holds, and how far its test clips alone carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.report.captions import items, listed, plural
from kdsearch.report.compared import primary_id, spoken, taken_away
from kdsearch.report.drawn import Drawn, drawn
from kdsearch.report.formats.cells import fixed
from kdsearch.report.looks import alone
from kdsearch.report.selection import Selection
from kdsearch.report.units import Units
from kdsearch.statistics import clustered_mean
from kdsearch.statistics.summaries import Floats

QUERY_CONFIDENCE = 0.95
QUERY_TOLERANCE = 1e-4
"""Between a run's score and the mean over its queries, which are stored in single precision."""


def estimand_sentences(selection: Selection) -> list[str]:
    """Say what the comparison is a mean over and what it holds; nothing of studies of version 1."""
    if selection.study.version == 1:
        return []
    found = drawn(selection)
    where = ", on this test list" if selection.has_scores else ""
    covered = f" Other test {items(selection.study)} are not covered." if selection.has_scores else ""
    return [f"Estimand: the mean, over {_over(found)}, of {_what(selection, found)}{where}.{covered}{_held(found)}"]


def held_words(selection: Selection) -> str:
    """Name what is the same for all seeds, or nothing."""
    return _held(drawn(selection)).removeprefix(" Held: ").removesuffix(".")


def _over(found: Drawn) -> str:
    over = ["student seeds" if found.draws.folds or found.teachers != "none" else "seeds"] if found.trains else []
    over += ["partitions of this train list"] if found.split else []
    over += ["teachers trained so"] if found.teacher or found.teachers == "per-seed" else []
    return listed(over) or "runs of one seed"


def _what(selection: Selection, found: Drawn) -> str:
    metric = f"the test {selection.study.metric}" if selection.has_scores else f"the {selection.study.metric}"
    if selection.study.metric == "objective":
        metric = "the objective"
    primary = primary_id(selection)
    teacher = _one_teacher(found)
    if alone(selection):
        return f"{metric} of the winner{teacher}"
    if primary is None:
        return f"{metric} of the winner minus the row{teacher}"
    if primary == selection.study.ablation_id:
        off = _off(selection)
        return f"{metric} of the winner minus itself with {off} and all else equal{teacher}"
    return f"{metric} of the winner minus the {spoken(selection, primary)}{teacher}"


def _off(selection: Selection) -> str:
    """What is taken away, where all else stays."""
    if not selection.study.settings.without_values:
        return "teacher weights 0"
    return listed([f"{name} = {value}" for name, value in taken_away(selection).items()])


def _one_teacher(found: Drawn) -> str:
    """Whose teacher it is about, where teachers are not drawn."""
    if found.teacher or found.teachers in ("none", "per-seed"):
        return ""
    if found.teachers == "several" and found.split:
        return ", for one teacher a fold"
    return ", for this teacher"


def _held_streams(found: Drawn) -> list[str]:
    """What of a run's own training does not follow its seed."""
    if not found.trains:
        return ["initialisation and order"]
    return [f"the {name}" for name in ("initialisation", "order") if name not in found.streams]


def _held(found: Drawn) -> str:
    """Name what is the same for all seeds."""
    held = _held_streams(found)
    # A function may do anything with its seed.
    if not found.draws.folds and found.teachers == "none":
        return f" Held: {listed([*held, 'all that does not follow from the seed'])}."
    held += [] if found.split else ["the split"]
    held += ["the teacher"] if _one_teacher(found) == ", for this teacher" else []
    held += ["the teacher's own seed"] if _one_teacher(found) == ", for one teacher a fold" else []
    return f" Held: {listed(held)}." if held else ""


def video_sentences(selection: Selection, queries: Mapping[int, Sequence[float]]) -> list[str]:
    """Give the primary gain's interval over the test list's source videos, as context.

    Each query's gain is its mean over the units of the comparison, and queries of one source go together. Nothing where
    no values were kept, or where their mean is not the score, as of a metric that weights classes alike.
    """
    study, primary = selection.study, primary_id(selection)
    if study.version == 1 or study.winner_id is None or primary is None:
        return []
    both = [_by_seed(selection, queries, id_) for id_ in (study.winner_id, primary)]
    seeds = sorted(both[0].keys() & both[1].keys())
    compared = selection.results(study.winner_id).keys() & selection.results(primary).keys()
    if not seeds or set(seeds) != compared:
        return []  # a run that diverged has no values of single queries: this would be another difference
    gains = {seed: both[0][seed] - both[1][seed] for seed in seeds}
    each = _over_units(Units.of(selection), gains)
    given = study.settings.query_groups
    groups = list(range(each.size)) if given is None else list(given)
    if len(groups) != each.size or len(set(groups)) < 2:
        return []
    found = clustered_mean(each, groups, QUERY_CONFIDENCE)
    sources = "queries" if given is None else f"source {'videos' if items(study) == 'clips' else 'groups'}"
    digits = selection.digits
    low, high = fixed(found.low, digits, signed=True), fixed(found.high, digits, signed=True)
    return [
        f"Context, no verdict: over the {found.groups:,} {sources} of the test list the same difference, averaged over "
        f"{plural(len(seeds), 'seed')}, is {fixed(found.mean, digits, signed=True)} [{low}, {high}] "
        f"({100 * QUERY_CONFIDENCE:.3g} % interval, these seeds and teachers given)."
    ]


def _by_seed(selection: Selection, queries: Mapping[int, Sequence[float]], id_: int) -> dict[int, Floats]:
    """Values of single queries by seed, of runs whose score is their mean."""
    runs = [run for run in selection.of(id_, "confirm") if run.state == "done" and queries.get(run.id)]
    values = {run.seed: np.asarray(queries[run.id], dtype=np.float64) for run in runs}
    scores = {run.seed: run.score for run in runs}
    return {
        seed: own for seed, own in values.items() if abs(float(own.mean()) - (scores[seed] or 0.0)) < QUERY_TOLERANCE
    }


def _over_units(units: Units, gains: Mapping[int, Floats]) -> Floats:
    """The mean gain of each query ``[Q]``: over seeds of a unit, then over units."""
    groups: dict[object, list[Floats]] = {}
    for seed, gain in gains.items():
        groups.setdefault(units.key(seed), []).append(gain)
    means: Floats = np.mean([np.mean(group, axis=0) for group in groups.values()], axis=0)
    return means
