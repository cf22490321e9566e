"""What a study found, in one plain sentence: the winner against what the study is about, or by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kdsearch.report.captions import data_line, metric_words, min_effect, plural
from kdsearch.report.compared import compared, has_without, name_of, primary_id, uses_teacher, void_primary
from kdsearch.report.comparisons import NONE, Judged, Outcome, equal_words
from kdsearch.report.digits import two_digits
from kdsearch.report.formats.cells import fixed, p_value
from kdsearch.report.looks import ALPHA, resolving
from kdsearch.report.primary import counted, why_none
from kdsearch.report.ranges import cut, cut_difference, metric_range
from kdsearch.report.selection import Selection
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
"""Of the winner and another setting, a baseline or the best one without distillation."""


@dataclass(frozen=True)
class Finding:
    """The sentence, its verdict in one word, what it compares with, and its numbers."""

    sentence: str
    verdict: str = NONE
    other: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


def finding(selection: Selection, outcome: Outcome) -> Finding:
    """Say what a finished study found, whose winner has results."""
    found = _found(selection, outcome)
    return replace(found, sentence=f"{found.sentence}{_stand_in(selection)}")


def _found(selection: Selection, outcome: Outcome) -> Finding:
    if has_without(selection):
        return _on_distillation(selection, outcome)
    baseline = next((row for row in compared(selection) if row.part == "baseline"), None)
    if baseline is None or baseline.id not in outcome.rows:
        return Finding(f"{_mean(selection, outcome)}{'' if baseline else ' There is nothing to compare it with.'}")
    return _compared(selection, outcome, baseline.id, baseline.label, OTHER)


def _stand_in(selection: Selection) -> str:
    """No verdict on synthetic data goes without a word of it."""
    line = data_line(selection.study)
    match = re.search(r"stand-in,? (not \w+)", line, re.IGNORECASE)
    return f" Measured on a stand-in, {match[1]}." if match else ""


def said_other(selection: Selection, id_: int) -> str:
    """What the winner is compared with, for a reader who knows none of the report's labels."""
    if id_ != selection.study.ablation_id:
        return f"the best setting that was found without distillation ({name_of(selection, id_)})"
    return "the same without distillation"


def _on_distillation(selection: Selection, outcome: Outcome) -> Finding:
    primary, winner = primary_id(selection), selection.study.winner_id
    assert winner is not None
    if primary is None and not uses_teacher(selection, winner):
        return Finding(
            "The search found no use for distillation: the setting that it chose does without. "
            f"{_mean(selection, outcome)}"
        )
    if primary is None or primary not in outcome.rows:
        why = void_primary(selection) or "no fresh seed ended well both with and without it"
        return Finding(f"{DISTILLATION[NONE]}: {why}. {_mean(selection, outcome)}")
    # A gain over another setting may be that of its other numbers: only all else equal it is distillation's.
    claims = DISTILLATION if primary == selection.study.ablation_id else OTHER
    return _compared(selection, outcome, primary, said_other(selection, primary), claims)


def _compared(selection: Selection, outcome: Outcome, id_: int, name: str, claims: Mapping[str, str]) -> Finding:
    judged = outcome.rows[id_]
    claim = claims[judged.verdict].format(effect=f"{min_effect(selection):g}", name=name)
    if judged.difference.sd == 0 == judged.difference.mean:
        what = f"the two give equal {metric_words(selection)} {_equal(judged, outcome)}"
    else:
        what = f"{f'winner minus {name}' if claims is DISTILLATION else 'the difference'} is "
        what += _numbers(selection, judged, outcome)
    return Finding(
        f"{claim}: {what}.",
        judged.verdict,
        id_,
        _fields(selection, judged, name),
    )


def _numbers(selection: Selection, judged: Judged, outcome: Outcome) -> str:
    """``-0.006 [-0.017, +0.004] test mAP over 40 fresh seeds (96 % interval; undecided: ...)``."""
    difference, metric = judged.difference, metric_words(selection)
    digits = two_digits(difference.sd) if difference.sd > 0 else selection.digits
    mean = fixed(difference.mean, digits, signed=True)
    seeds = counted(judged, outcome, "fresh seed")
    if difference.n == 1:
        return f"{mean} {metric} over {seeds} (no interval and no verdict: {why_none(judged, outcome)})"
    if difference.sd == 0:
        return f"{mean} {metric} {_equal(judged, outcome)}"
    shown = cut_difference(selection, difference)
    low, high = fixed(shown.low, digits, signed=True), fixed(shown.high, digits, signed=True)
    words = [f"{100 * judged.confidence:.3g} % interval", *_tail(selection, judged, outcome)]
    return f"{mean} [{low}, {high}] {metric} over {seeds} ({'; '.join(words)})"


def _equal(judged: Judged, outcome: Outcome) -> str:
    """Where all differences are equal, and what follows where they are few."""
    seeds = counted(judged, outcome, "fresh seed")
    few = f" (no interval and no verdict: {why_none(judged, outcome)})" if judged.difference.equal_few else ""
    if equal := equal_words(judged, outcome):
        few = f" (undecided only for their number: {equal.partition(': ')[2]})"
    return f"on each of {seeds}{few}"


def _tail(selection: Selection, judged: Judged, outcome: Outcome) -> list[str]:
    """What an undecided comparison would take, or why there is no verdict."""
    if judged.verdict == NONE:
        return [f"no verdict: {why_none(judged, outcome)}"]
    if judged.verdict != "undecided":
        return []
    family = 1 if judged.holm is None else outcome.family
    words = resolving(judged.difference, min_effect(selection), judged.looks, family, outcome.units)
    return [f"undecided: {words.removesuffix(' (power 0.8)')}" if words else "undecided"]


def flips_sentence(judged: Judged) -> list[str]:
    """Say where the exact test of sign flips, which takes differences for normal in no way, does not agree with t."""
    p, sure = judged.difference.sign_flip_p, judged.verdict in ("better", "worse")
    if p is None or judged.verdict not in ("better", "worse", "undecided") or (p < ALPHA) == sure:
        return []
    if judged.holm is not None and not sure:
        return []  # flip p is not adjusted for the other baselines
    return [
        f"The exact test of sign flips, which does not take differences for normal, finds "
        f"{'no difference' if sure else 'a difference'} (p {p_value(p) if p < 0.001 else f'= {p_value(p)}'})."
    ]


def scale_sentence(selection: Selection, judged: Judged) -> list[str]:
    """Say that ``min_effect`` is larger than all results: then any difference is within it."""
    results = selection.results(selection.study.winner_id or -1).values()
    effect, largest = min_effect(selection), max(map(abs, results), default=0.0)
    if effect <= largest:
        return []
    return [
        f"min_effect, {effect:g}, is larger than all of these values, so that any difference is within it: the study "
        "needs one that fits their size."
    ]


def _fields(selection: Selection, judged: Judged, name: str) -> dict[str, Any]:
    difference = judged.difference
    return {
        "winner_minus": name,
        "metric": metric_words(selection),
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "confidence": judged.confidence,
        "seeds": judged.seeds,
        "n": difference.n,
    }


def _mean(selection: Selection, outcome: Outcome) -> str:
    """The winner's own result."""
    values = selection.results(selection.study.winner_id or -1)
    estimate = outcome.units.estimate(values)
    assert estimate is not None
    sd = summarize(list(values.values())).sd
    digits = two_digits(sd) if sd > 0 else selection.digits
    mean, seeds = fixed(estimate.value, digits), plural(len(values), "fresh seed")
    what = f"The winner's {metric_words(selection)} is {mean}"
    if len(values) == 1:
        return f"{what} on one fresh seed, which has no interval."
    if sd == 0:
        return f"{what} on each of {seeds}."
    shown = cut(metric_range(selection), estimate)
    return f"{what} [{fixed(shown.low, digits)}, {fixed(shown.high, digits)}] over {seeds} (mean, 95 % interval)."
