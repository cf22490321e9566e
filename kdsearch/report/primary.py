"""The study's finding in one sentence: winner against winner without distillation."""

from __future__ import annotations

import math

from kdsearch.report.captions import min_effect
from kdsearch.report.captions import plural
from kdsearch.report.compared import void_primary
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.judged import OPEN
from kdsearch.report.judged import Judged
from kdsearch.report.judged import judge
from kdsearch.report.looks import resolving
from kdsearch.report.selection import Selection
from kdsearch.statistics import Difference


def primary_sentence(selection: Selection) -> str:
    """Say in one sentence what the study found on distillation."""
    reason = void_primary(selection)
    if reason is not None:
        return f"There is no primary comparison: {reason}."
    outcome = judge(selection)
    primary = outcome.rows.get(selection.study.ablation_id or -1)
    if primary is None:
        none = "no common fresh seed ended well" if selection.finished else "no common fresh seed has ended yet"
        return f"Primary: winner against winner without distillation: {none}."
    seeds = plural(primary.difference.n, "common fresh seed")
    metric = f"test {selection.study.metric}" if selection.has_scores else selection.study.metric
    sure = f"{100 * outcome.confidence:.3g} % interval"
    text = f"Primary: {metric} of winner minus winner without distillation on {seeds}: {signed(primary.difference)}" + (
        "" if math.isnan(primary.difference.low) else f" ({sure})"
    )
    if primary.verdict == OPEN:
        return f"{text}; confirm runs are still going, no verdict before they end."
    return f"{text}, {primary.verdict}{_meaning(primary, min_effect(selection), outcome.looks)}."


def signed(difference: Difference) -> str:
    """Write a difference with its interval."""
    if math.isnan(difference.low):
        return f"{fixed(difference.mean, 4, signed=True)} (n = 1: no interval)"
    low, high = fixed(difference.low, 4, signed=True), fixed(difference.high, 4, signed=True)
    return f"{fixed(difference.mean, 4, signed=True)} [{low}, {high}]"


def _meaning(primary: Judged, effect: float, looks: tuple[int, ...]) -> str:
    if primary.verdict == "equivalent":
        return f" within min_effect {effect:g}"
    if primary.verdict != "undecided":
        return ""
    words = resolving(primary.difference, effect, looks)
    return ": not distinguishable from the winner without distillation" + (f"; {words}" if words else "")
