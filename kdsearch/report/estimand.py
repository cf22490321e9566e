"""What a study's primary comparison is an estimate of, what it holds, and how far its test clips alone carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.report.captions import describe_recipe, describe_spread, items
from kdsearch.report.comparisons import nothing_to_compare
from kdsearch.report.configurations import name_in_sentence, primary_id
from kdsearch.report.selection import Selection
from kdsearch.report.units import RandomFactors, Units, random_factors
from kdsearch.report.wording import fixed, interval, listed, percent, plural
from kdsearch.statistics import clustered_mean
from kdsearch.statistics.summaries import Floats

QUERY_CONFIDENCE = 0.95
QUERY_TOLERANCE = 1e-4
"""Between a run's score and the mean over its queries, which are stored in single precision."""


def estimand_sentences(selection: Selection) -> list[str]:
    """Say what the comparison is a mean over and what it holds; nothing of studies of version 1."""
    if selection.study.version == 1:
        return []
    factors = random_factors(selection)
    held = _held(factors)
    sentences = [f"Estimand: the mean, over {_over(factors)}, of {_what(selection, factors)}"]
    if selection.has_scores:
        sentences = [f"{sentences[0]}, on this test list", f"Other test {items(selection.study)} are not covered"]
    sentences += [f"Held: {held}"] if held else []
    return [f"{'. '.join(sentences)}."]


def average_sentence(selection: Selection) -> str:
    """The estimand in short: what varies, what is held, what is not covered."""
    covered = [f"other test {items(selection.study)} are not covered"] if selection.has_scores else []
    if selection.study.version == 1:
        parts = [describe_spread(selection).removeprefix("sd over "), *describe_recipe(selection)]
    else:
        factors = random_factors(selection)
        held = _held(factors)
        parts = [_over(factors, IN_SHORT), *([f"held: {held}"] if held else [])]
    return f"Averages over {'; '.join([*parts, *covered])}."


EXACT = ("partitions of this train list", "teachers trained so")
IN_SHORT = ("new validation splits of the train list", "newly trained teachers")


def _over(factors: RandomFactors, words: tuple[str, str] = EXACT) -> str:
    seeds = "student seeds" if factors.draws.folds or factors.teachers != "none" else "seeds"
    over = [seeds] if factors.trains else []
    over += [words[0]] if factors.split else []
    over += [words[1]] if factors.teacher or factors.teachers == "per-seed" else []
    return listed(over) or "runs of one seed"


def _what(selection: Selection, factors: RandomFactors) -> str:
    metric = f"the {'test ' if selection.has_scores else ''}{selection.study.metric}"
    if selection.study.metric == "objective":
        metric = "the objective"
    primary, settings = primary_id(selection), selection.study.settings
    if nothing_to_compare(selection):
        minus = ""
    elif primary is None:
        minus = " minus the row"
    elif primary == selection.study.ablation_id:
        off = listed([f"{name} = {value}" for name, value in settings.off.items()])
        minus = f" minus itself with {off if settings.without_values else 'teacher weights 0'} and all else equal"
    else:
        minus = f" minus the {name_in_sentence(selection, primary)}"
    one = _one_teacher(factors)
    return f"{metric} of the winner{minus}{f', for {one}' if one else ''}"


def _one_teacher(factors: RandomFactors) -> str:
    """Whose teacher it is about, where teachers are not randomised."""
    if factors.teacher or factors.teachers in ("none", "per-seed"):
        return ""
    return "one teacher a fold" if factors.teachers == "several" and factors.split else "this teacher"


def _held(factors: RandomFactors) -> str:
    """Name what is the same for all seeds, or nothing."""
    held = ["initialisation and order"]
    if factors.trains:
        held = [f"the {name}" for name in ("initialisation", "order") if name not in factors.streams]
    # A function may do anything with its seed.
    if not factors.draws.folds and factors.teachers == "none":
        return listed([*held, "all that does not follow from the seed"])
    held += [] if factors.split else ["the split"]
    held += {"this teacher": ["the teacher"], "one teacher a fold": ["the teacher's own seed"]}.get(
        _one_teacher(factors), []
    )
    return listed(held)


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
    mean = fixed(found.mean, selection.digits, signed=True)
    bounds = interval(found.low, found.high, selection.digits, signed=True)
    return [
        f"Context, no verdict: over the {found.groups:,} {sources} of the test list the same difference, averaged over "
        f"{plural(len(seeds), 'seed')}, is {mean} {bounds} ({percent(QUERY_CONFIDENCE)} interval, these seeds and "
        "teachers given)."
    ]


def _by_seed(selection: Selection, queries: Mapping[int, Sequence[float]], id_: int) -> dict[int, Floats]:
    """Values of single queries by seed, of runs whose score is their mean."""
    runs = [run for run in selection.of(id_, "confirm") if run.state == "done" and queries.get(run.id)]
    values = {run.seed: (np.asarray(queries[run.id], dtype=np.float64), run.score or 0.0) for run in runs}
    return {seed: own for seed, (own, score) in values.items() if abs(float(own.mean()) - score) < QUERY_TOLERANCE}


def _over_units(units: Units, gains: Mapping[int, Floats]) -> Floats:
    """The mean gain of each query ``[Q]``: over seeds of a unit, then over units."""
    groups: dict[object, list[Floats]] = {}
    for seed, gain in gains.items():
        groups.setdefault(units.key(seed), []).append(gain)
    means: Floats = np.mean([np.mean(group, axis=0) for group in groups.values()], axis=0)
    return means
