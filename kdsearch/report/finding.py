"""What a study found, in plain sentences: the winner against what the study is about, or by itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kdsearch.data.synthetic import WORDS
from kdsearch.ledger.data_line import data_line
from kdsearch.report.captions import metric_name
from kdsearch.report.comparisons import ALPHA, NONE, OPEN, Comparison, Comparisons, compare
from kdsearch.report.configurations import (
    BEST,
    Compared,
    best_without_id,
    compared,
    label_of,
    name_in_sentence,
    primary_id,
    replaced_question,
    second_id,
    uses_teacher,
    void_primary,
)
from kdsearch.report.selection import Selection, search_runs
from kdsearch.report.tables import cut_difference
from kdsearch.report.wording import fixed, interval, p_value, percent, plural, signed, two_digits
from kdsearch.search.searches import SearchKind
from kdsearch.statistics import summarize

DISTILLATION: Mapping[str, str] = {
    "better": "Distillation helps",
    "worse": "Distillation hurts",
    "equivalent": "Distillation makes no difference beyond {effect}",
    "undecided": "Distillation is not shown to help",
    NONE: "Whether distillation helps is not known",
}
OTHER: Mapping[str, str] = {
    "better": "The winner is better than {name}",
    "worse": "The winner is worse than {name}",
    "equivalent": "The winner differs from {name} by no more than {effect}",
    "undecided": "The winner is not shown to be better than {name}",
    NONE: "Whether the winner is better than {name} is not known",
}
"""Of the winner and another configuration, a baseline or the best one without distillation."""

CLAIMS: Mapping[str, str] = {
    "better": "helps",
    "worse": "hurts",
    "equivalent": "makes no difference beyond {effect}",
}
"""Of distillation at the winner's own numbers."""

FEW = 3
"""A search with fewer runs than the other's by this factor finds less of what its space holds."""


@dataclass(frozen=True)
class Finding:
    """The sentence, its verdict in one word, what it compares with, and its numbers."""

    sentence: str
    verdict: str = NONE
    other: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


def finding(selection: Selection, comparisons: Comparisons) -> Finding:
    """Say what a finished study found, whose winner has results."""
    found = _found(selection, comparisons)
    # No verdict on synthetic data goes without a word of it.
    match = re.search(rf"{WORDS},? not [\w-]+", data_line(selection.study), re.IGNORECASE)
    return replace(found, sentence=f"{found.sentence} Measured on {match[0]}.") if match else found


def _found(selection: Selection, comparisons: Comparisons) -> Finding:
    if selection.study.settings.off:
        return _on_distillation(selection, comparisons)
    baseline = next((row for row in compared(selection) if row.part == "baseline"), None)
    if baseline is None or baseline.id not in comparisons.rows:
        return Finding(f"{_mean(selection, comparisons)}{'' if baseline else ' There is nothing to compare it with.'}")
    return _against(selection, comparisons, baseline.id, baseline.label, OTHER)


def describe_other(selection: Selection, id_: int) -> str:
    """What the winner is compared with, for a reader who knows none of the report's labels."""
    if id_ != selection.study.ablation_id:
        return f"the best configuration that was found without distillation ({selection.name(id_)})"
    return "the same without distillation"


def _on_distillation(selection: Selection, comparisons: Comparisons) -> Finding:
    primary, winner = primary_id(selection), selection.study.winner_id
    assert winner is not None
    if primary is None and not uses_teacher(selection, winner):
        return Finding(
            "The search found no use for distillation: the configuration that it chose does without. "
            f"{_mean(selection, comparisons)}"
        )
    if primary is None or primary not in comparisons.rows:
        why = void_primary(selection) or "no fresh seed ended well both with and without it"
        return Finding(f"{DISTILLATION[NONE]}: {why}. {_mean(selection, comparisons)}")
    # A gain over another configuration may be that of its other numbers: only all else equal it is distillation's.
    claims = DISTILLATION if primary == selection.study.ablation_id else OTHER
    return _against(selection, comparisons, primary, describe_other(selection, primary), claims)


def _against(selection: Selection, comparisons: Comparisons, id_: int, name: str, claims: Mapping[str, str]) -> Finding:
    comparison = comparisons.rows[id_]
    difference, metric = comparison.difference, metric_name(selection)
    claim = claims[comparison.verdict].format(effect=f"{selection.min_effect:g}", name=name)
    if difference.sd == 0 == difference.mean:
        what = f"the two give equal {metric} {_equal(comparison)}"
    else:
        what = f"{f'winner minus {name}' if claims is DISTILLATION else 'the difference'} is "
        what += _numbers(selection, comparison)
    numbers = {
        "winner_minus": name,
        "metric": metric,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "confidence": comparison.confidence,
        "seeds": comparison.pair.seeds,
        "n": difference.n,
    }
    return Finding(f"{claim}: {what}.", comparison.verdict, id_, numbers)


def _numbers(selection: Selection, comparison: Comparison) -> str:
    """``-0.006 [-0.017, +0.004] test mAP over 40 fresh seeds (96 % interval; undecided: ...)``."""
    difference, metric = comparison.difference, metric_name(selection)
    digits = two_digits(difference.sd) if difference.sd > 0 else selection.digits
    mean, seeds = fixed(difference.mean, digits, signed=True), comparison.counts("fresh seed")
    if difference.n == 1:
        return f"{mean} {metric} over {seeds} (no interval and no verdict: {comparison.why_no_verdict()})"
    if difference.sd == 0:
        return f"{mean} {metric} {_equal(comparison)}"
    shown = signed(cut_difference(selection.metric_range, difference), digits)
    notes = [f"{percent(comparison.confidence)} interval"]
    if comparison.verdict == NONE:
        notes.append(f"no verdict: {comparison.why_no_verdict()}")
    elif comparison.verdict == "undecided":
        needed = comparison.to_resolve(selection.min_effect).removesuffix(" (power 0.8)")
        notes.append(f"undecided: {needed}" if needed else "undecided")
    return f"{shown} {metric} over {seeds} ({'; '.join(notes)})"


def _equal(comparison: Comparison) -> str:
    """Where all differences are equal, and what follows where they are few."""
    few = f" (no interval and no verdict: {comparison.why_no_verdict()})" if comparison.difference.equal_few else ""
    if equal := comparison.equal_undecided():
        few = f" (undecided only for their number: {equal.partition(': ')[2]})"
    return f"on each of {comparison.counts('fresh seed')}{few}"


def better_baselines(selection: Selection, comparisons: Comparisons, found: Finding) -> list[str]:
    """Name the baselines that the winner is worse than, where the study asks something else: they beat its search."""
    return [
        _against(selection, comparisons, row.id, row.label, OTHER).sentence
        for row in compared(selection)
        if row.part == "baseline"
        and row.id != found.other
        and row.id in comparisons.rows
        and comparisons.rows[row.id].verdict == "worse"
    ]


def flips_sentence(comparison: Comparison) -> list[str]:
    """Say where the exact test of sign flips, which does not assume normal differences, does not agree with t."""
    p, sure = comparison.difference.sign_flip_p, comparison.verdict in ("better", "worse")
    if p is None or not (sure or comparison.verdict == "undecided") or (p < ALPHA) == sure:
        return []
    if comparison.holm is not None and not sure:
        return []  # flip p is not adjusted for the other baselines
    higher = {first > second for first, second in _values(comparison) if first != second}
    if sure and len(higher) == 1 and all(first != second for first, second in _values(comparison)):
        # There is no smaller p with so many seeds.
        return [
            "The exact test of sign flips, which does not take differences for normal, can find no difference in "
            f"{comparison.counts('fresh seed')}: all have the same sign, and p is {p_value(p)} at the least."
        ]
    return [
        f"The exact test of sign flips, which does not take differences for normal, finds "
        f"{'no difference' if sure else 'a difference'} (p {p_value(p) if p < 0.001 else f'= {p_value(p)}'})."
    ]


def _values(comparison: Comparison) -> list[tuple[float, float]]:
    return list(zip(comparison.pair.first, comparison.pair.second, strict=True))


def scale_sentence(selection: Selection) -> list[str]:
    """Say that ``min_effect`` is larger than all results: then any difference is within it."""
    every = (value for id_ in selection.configurations for value in selection.results(id_).values())
    effect, largest = selection.min_effect, max(map(abs, every), default=0.0)
    if effect <= largest:
        return []
    return [
        f"min_effect, {effect:g}, is larger than all of these values, so that any difference is within it: the study "
        "needs one that fits their size."
    ]


def _mean(selection: Selection, comparisons: Comparisons) -> str:
    """The winner's own result."""
    values = selection.results(selection.study.winner_id or -1)
    estimate = comparisons.units.estimate(values)
    assert estimate is not None
    sd = summarize(list(values.values())).sd
    digits = two_digits(sd) if sd > 0 else selection.digits
    seeds = plural(len(values), "fresh seed")
    what = f"The winner's {metric_name(selection)} is {fixed(estimate.value, digits)}"
    if len(values) == 1:
        return f"{what} on one fresh seed, which has no interval."
    if sd == 0:
        return f"{what} on each of {seeds}."
    shown = estimate.cut(selection.metric_range)
    return f"{what} {interval(shown.low, shown.high, digits)} over {seeds} (mean, 95 % interval)."


def primary_sentence(selection: Selection) -> str:
    """Say in one sentence what the study found on distillation."""
    reason = void_primary(selection)
    if reason is not None:
        return f"There is no primary comparison: {reason}."
    study = selection.study
    asked = "" if study.version == 1 else f" (the study file's question: {study.settings.question})"
    return _sentence(selection, primary_id(selection) or -1, f"Primary comparison{asked}")


def second_sentences(selection: Selection) -> list[str]:
    """Say what the other comparison without distillation found, and which one the study file makes the primary one."""
    said = []
    instead = replaced_question(selection)
    if instead is not None and void_primary(selection) is None:
        said.append(f"The study file asks for the best without distillation; {instead}.")
    second = second_id(selection)
    if second is not None:
        said.append(_sentence(selection, second, "Second comparison"))
        said += effort_sentences(selection, second)
    return said


def _sentence(selection: Selection, id_: int, which: str) -> str:
    comparison, label = compare(selection).rows.get(id_), name_in_sentence(selection, id_)
    if label.startswith(BEST):
        label = label.replace(BEST, BEST.replace("best", "best configuration"))
    if comparison is None:
        none = "no common fresh seed ended well" if selection.finished else "no common fresh seed has ended yet"
        return f"{which}: winner against {label}: {none}."
    shown = cut_difference(selection.metric_range, comparison.difference)
    numbers = signed(shown, selection.digits)
    numbers += "" if math.isnan(shown.low) else f" ({percent(comparison.confidence)} interval)"
    text = f"{which}: winner minus {label}, {metric_name(selection)} on {comparison.counts()}: {numbers}"
    if comparison.verdict == OPEN:
        return f"{text}; confirm runs are still going, no verdict before they end."
    if comparison.verdict == NONE:
        return f"{text}; no verdict: {comparison.why_no_verdict()}."
    return f"{text}, {comparison.verdict}{_meaning(selection, comparison, label)}."


def _meaning(selection: Selection, comparison: Comparison, label: str) -> str:
    if comparison.verdict == "equivalent":
        return f" within min_effect {selection.min_effect:g}"
    adjusted = comparison.holm is not None and not math.isnan(comparison.holm)
    holm = f" (Holm p {p_value(comparison.holm)})" if comparison.holm is not None and adjusted else ""
    if comparison.verdict != "undecided":
        return holm
    if equal := comparison.equal_undecided():
        return f"{holm}, only for the number of {comparison.pair.units.word}s: {equal}"
    needed = comparison.to_resolve(selection.min_effect)
    return f"{holm}: not distinguishable from the {label}" + (f"; {needed}" if needed else "")


def effort_sentences(selection: Selection, other: int) -> list[str]:
    """Say in numbers what both searches spent, where ``other`` comes of one that had far fewer runs.

    The winner is the best of many configurations then, and what it is compared with the best of few.
    """
    if not _is_best_without(selection, other):
        return []
    (runs, own), (most, tried) = (_spent(selection, kind) for kind in ("without", "searched"))
    if FEW * runs >= most:
        return []
    return [
        f"The search without distillation had {plural(runs, 'run')} over {plural(own, 'configuration')}, the other "
        f"{most:,} over {tried:,}: too few there can make distillation look useful."
    ]


def _is_best_without(selection: Selection, id_: int) -> bool:
    """Whether the winner is compared with another configuration: a gain over that may be that of other numbers."""
    return id_ != selection.study.ablation_id and id_ == best_without_id(selection)


def _spent(selection: Selection, kind: SearchKind) -> tuple[int, int]:
    """Runs of a search before the winner was chosen, and their configurations; of any code, failed, stopped or not."""
    every = (*selection.runs, *selection.left_out, *selection.failures, *selection.stopped)
    own = search_runs(selection.configurations, every, kind)
    return len(own), len({run.configuration_id for run in own})


def itself_sentences(selection: Selection, comparisons: Comparisons, other: int) -> list[str]:
    """Say what distillation does at the winner's own numbers, where it is not shown to help there.

    Only where the winner is compared with another configuration, ``other``.
    """
    comparison = comparisons.rows.get(selection.study.ablation_id or -1)
    if comparison is None or not _is_best_without(selection, other) or comparison.verdict == "better":
        return []
    difference = comparison.difference
    claim = CLAIMS.get(comparison.verdict, "is not shown to make a difference")
    claim = claim.format(effect=f"{selection.min_effect:g}")
    if difference.mean == 0 == difference.sd:
        claim = "makes no difference"
    mean = fixed(difference.mean, selection.digits, signed=True)
    return [f"At the winner's own numbers distillation {claim} ({mean}, {comparison.verdict})."]


def baselines_above(selection: Selection, rows: Sequence[Compared]) -> list[str]:
    """Name the baselines that do without distillation and have a better mean than the best that was found without."""
    best = best_without_id(selection)
    if best is None or all(row.id != best for row in rows):
        return []
    found, said = selection.results(best), []
    for row in rows:
        own = selection.results(row.id)
        seeds = sorted(own.keys() & found.keys())
        if row.part != "baseline" or not seeds or uses_teacher(selection, row.id):
            continue
        here, there = (sum(values[seed] for seed in seeds) / len(seeds) for values in (own, found))
        if selection.best((here, there)) == here != there:
            side = "below" if selection.minimizes else "above"
            common = plural(len(seeds), "common fresh seed")
            said.append(
                f"{row.label} does without distillation too, and its mean over {common} is "
                f"{fixed(here, selection.digits)}, {side} {fixed(there, selection.digits)} of the "
                f"{label_of(selection, best)}: the search without distillation may have missed what is better (means "
                "alone, no verdict)."
            )
    return said
