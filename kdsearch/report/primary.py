"""The study's finding in sentences: winner against what does without distillation, and what that is an estimate of."""

from __future__ import annotations

import math

from kdsearch.report.captions import metric_words, min_effect, plural
from kdsearch.report.compared import (
    BEST,
    BEST_WITHOUT,
    primary_id,
    question,
    replaced_question,
    second_id,
    spoken,
    void_primary,
)
from kdsearch.report.comparisons import NONE, OPEN, Judged, Outcome, equal_words, judge
from kdsearch.report.formats.cells import fixed, p_value
from kdsearch.report.funded import funding_sentences
from kdsearch.report.looks import resolving
from kdsearch.report.ranges import cut_difference
from kdsearch.report.selection import Selection
from kdsearch.report.units import FEWEST_TEACHERS
from kdsearch.statistics import Difference
from kdsearch.statistics.differences import FEWEST_FLIPS


def primary_sentence(selection: Selection) -> str:
    """Say in one sentence what the study found on distillation."""
    reason = void_primary(selection)
    if reason is not None:
        return f"There is no primary comparison: {reason}."
    outcome = judge(selection)
    asked = "" if selection.study.version == 1 else f" (the study file's question: {question(selection)})"
    return _sentence(selection, outcome, primary_id(selection) or -1, f"Primary comparison{asked}")


def second_sentences(selection: Selection) -> list[str]:
    """Say what the other comparison without distillation found, and which one the study file makes the primary one."""
    said = []
    if question(selection) == BEST_WITHOUT and void_primary(selection) is None:
        instead = replaced_question(selection)
        if instead is not None:
            said.append(f"The study file asks for the best without distillation; {instead}.")
    second = second_id(selection)
    if second is not None:
        said.append(_sentence(selection, judge(selection), second, "Second comparison"))
        said += funding_sentences(selection, second)
    return said


def _sentence(selection: Selection, outcome: Outcome, id_: int, place: str) -> str:
    judged, label = outcome.rows.get(id_), _spoken(selection, id_)
    if judged is None:
        none = "no common fresh seed ended well" if selection.finished else "no common fresh seed has ended yet"
        return f"{place}: winner against {label}: {none}."
    sure = f"{100 * judged.confidence:.3g} % interval"
    shown = cut_difference(selection, judged.difference)
    numbers = signed(shown, selection.digits) + ("" if math.isnan(shown.low) else f" ({sure})")
    text = f"{place}: winner minus {label}, {metric_words(selection)} on {counted(judged, outcome)}: {numbers}"
    if judged.verdict == OPEN:
        return f"{text}; confirm runs are still going, no verdict before they end."
    if judged.verdict == NONE:
        return f"{text}; no verdict: {why_none(judged, outcome)}."
    return f"{text}, {judged.verdict}{_meaning(selection, judged, outcome, label)}."


def _spoken(selection: Selection, id_: int) -> str:
    words = spoken(selection, id_)
    return words.replace(BEST, BEST.replace("best", "best setting")) if words.startswith(BEST) else words


def counted(judged: Judged, outcome: Outcome, seed: str = "common fresh seed") -> str:
    """Say how many seeds a comparison has, and of how many teachers where these are the units."""
    seeds = plural(judged.seeds, seed)
    return f"{seeds} of {plural(judged.difference.n, 'teacher')}" if outcome.units.shared else seeds


def why_none(judged: Judged, outcome: Outcome) -> str:
    """Say why a comparison has no verdict."""
    if outcome.units.shared:
        return (
            f"seeds that share a teacher count once, and {plural(judged.difference.n, 'teacher')} of the "
            f"{FEWEST_TEACHERS} that are needed say too little of others"
        )
    if judged.difference.n == 1:
        return "one seed does not tell how far others lie apart"
    return f"fewer than {FEWEST_FLIPS} differences that are all equal do not tell how far others lie apart"


def signed(difference: Difference, digits: int) -> str:
    """Write a difference with its interval."""
    mean = fixed(difference.mean, digits, signed=True)
    if math.isnan(difference.low):
        return f"{mean} ({'n = 1' if difference.n == 1 else 'equal differences'}: no interval)"
    low, high = fixed(difference.low, digits, signed=True), fixed(difference.high, digits, signed=True)
    return f"{mean} [{low}, {high}]"


def _meaning(selection: Selection, judged: Judged, outcome: Outcome, label: str) -> str:
    effect = min_effect(selection)
    if judged.verdict == "equivalent":
        return f" within min_effect {effect:g}"
    holm = "" if judged.holm is None or math.isnan(judged.holm) else f" (Holm p {p_value(judged.holm)})"
    if judged.verdict != "undecided":
        return holm
    if equal := equal_words(judged, outcome):
        return f"{holm}, only for the number of {outcome.units.word}s: {equal}"
    family = 1 if judged.holm is None else outcome.family
    words = resolving(judged.difference, effect, judged.looks, family, outcome.units)
    return f"{holm}: not distinguishable from the {label}" + (f"; {words}" if words else "")
