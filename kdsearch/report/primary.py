"""The study's finding in sentences: winner against what does without distillation, and what that is an estimate of."""

from __future__ import annotations

import math

from kdsearch.report.captions import min_effect
from kdsearch.report.captions import plural
from kdsearch.report.compared import BEST_WITHOUT
from kdsearch.report.compared import primary_id
from kdsearch.report.compared import question
from kdsearch.report.compared import replaced_question
from kdsearch.report.compared import second_id
from kdsearch.report.compared import spoken
from kdsearch.report.compared import void_primary
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.formats.numbers import p_value
from kdsearch.report.judged import NONE
from kdsearch.report.judged import OPEN
from kdsearch.report.judged import Judged
from kdsearch.report.judged import Outcome
from kdsearch.report.judged import judge
from kdsearch.report.looks import resolving
from kdsearch.report.selection import Selection
from kdsearch.report.units import FEWEST_TEACHERS
from kdsearch.statistics import Difference


def primary_sentence(selection: Selection) -> str:
    """Say in one sentence what the study found on distillation."""
    reason = void_primary(selection)
    if reason is not None:
        return f"There is no primary comparison: {reason}."
    outcome = judge(selection)
    asked = "" if selection.study.version == 1 else f" (the study file's question: {question(selection)})"
    return _sentence(selection, outcome, primary_id(selection) or -1, f"Primary{asked}")


def second_sentences(selection: Selection) -> list[str]:
    """Say what the other comparison without distillation found, and which one the study file makes the primary one."""
    said = []
    if question(selection) == BEST_WITHOUT and void_primary(selection) is None:
        instead = replaced_question(selection)
        if instead is not None:
            said.append(f"The study file asks for the best without distillation; {instead}.")
    second = second_id(selection)
    if second is not None:
        said.append(_sentence(selection, judge(selection), second, "Second"))
    return said


def _sentence(selection: Selection, outcome: Outcome, id_: int, place: str) -> str:
    judged, label = outcome.rows.get(id_), spoken(selection, id_)
    if judged is None:
        none = "no common fresh seed ended well" if selection.finished else "no common fresh seed has ended yet"
        return f"{place}: winner against {label}: {none}."
    metric = f"test {selection.study.metric}" if selection.has_scores else selection.study.metric
    sure = f"{100 * judged.confidence:.3g} % interval"
    text = f"{place}: {metric} of winner minus {label} on {_counted(judged, outcome)}: {signed(judged.difference)}" + (
        "" if math.isnan(judged.difference.low) else f" ({sure})"
    )
    if judged.verdict == OPEN:
        return f"{text}; confirm runs are still going, no verdict before they end."
    if judged.verdict == NONE:
        return (
            f"{text}; no verdict: seeds that share a teacher count once, and {plural(judged.difference.n, 'teacher')} "
            f"say too little of others (from {FEWEST_TEACHERS} on)."
        )
    return f"{text}, {judged.verdict}{_meaning(selection, judged, outcome, label)}."


def _counted(judged: Judged, outcome: Outcome) -> str:
    seeds = plural(judged.seeds, "common fresh seed")
    return f"{seeds} of {plural(judged.difference.n, 'teacher')}" if outcome.units.shared else seeds


def signed(difference: Difference) -> str:
    """Write a difference with its interval."""
    if math.isnan(difference.low):
        why = "n = 1: no interval" if difference.n == 1 else "equal differences: no interval"
        return f"{fixed(difference.mean, 4, signed=True)} ({why})"
    low, high = fixed(difference.low, 4, signed=True), fixed(difference.high, 4, signed=True)
    return f"{fixed(difference.mean, 4, signed=True)} [{low}, {high}]"


def _meaning(selection: Selection, judged: Judged, outcome: Outcome, label: str) -> str:
    effect = min_effect(selection)
    if judged.verdict == "equivalent":
        return f" within min_effect {effect:g}"
    holm = "" if judged.holm is None or math.isnan(judged.holm) else f" (Holm p {p_value(judged.holm)})"
    if judged.verdict != "undecided":
        return holm
    family = 1 if judged.holm is None else outcome.family
    words = resolving(judged.difference, effect, judged.looks, family, outcome.units)
    return f"{holm}: not distinguishable from the {label}" + (f"; {words}" if words else "")
