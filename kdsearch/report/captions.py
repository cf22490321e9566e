"""The sentences that stand with every table: data, protocol, what spreads are over, what n counts."""

from __future__ import annotations

import re

from kdsearch.ledger.records import StudyRecord
from kdsearch.report.selection import Selection

TEACHERS = {
    "one": "sd over student seeds with one teacher for all",
    "per-seed": "sd over seeds with one teacher a seed",
    "none": "sd over seeds, no teacher",
}


MEAN_INTERVAL = "Interval of a mean: 95 %, Student's t below n = 20, BCa bootstrap from there on."


def data_line(study: StudyRecord) -> str:
    """Return data and protocol; a stand-in is named as such in the first words."""
    text = study.description.strip().rstrip(".")
    if "stand-in" in text.lower() and not re.search(r"stand-in,? not \w", text, re.IGNORECASE):
        return f"stand-in, not JHMDB: {text}"
    return text


def caption(study: StudyRecord, measure: str, *, spread: str = "", counts: str = "n = runs, one a seed") -> str:
    """Return the caption of a table: data and protocol, what is measured, what the sd is over, what n counts."""
    spread = spread or TEACHERS.get(str(study.settings.get("teachers", "one")), TEACHERS["one"])
    return f"{data_line(study)}; {measure}; {spread}; {counts}."


def test_measure(study: StudyRecord, has_scores: bool) -> str:
    """Say what the results on confirm seeds are."""
    if not has_scores:
        return f"this task has no test part: {objective_words(study, has_scores)} on fresh seeds"
    epoch = "at the best epoch on test (optimistic)" if epoch_on_test(study) else "at the epoch chosen on validation"
    return f"test {study.metric} {epoch}, fresh confirm seeds"


def objective_words(study: StudyRecord, has_scores: bool) -> str:
    """Name the objective: ``objective (validation mAP)``; without a test part there is no validation to tell apart."""
    if study.metric == "objective":
        return "objective"
    return f"objective ({'validation ' if has_scores else ''}{study.metric})"


def objective_title(study: StudyRecord, has_scores: bool) -> str:
    """Return the objective's heading of a column: ``validation mAP``, or ``objective mAP`` without a test part."""
    if study.metric == "objective":
        return "objective"
    return f"{'validation' if has_scores else 'objective'} {study.metric}"


def epoch_on_test(study: StudyRecord) -> bool:
    """Say whether scores stand at the best epoch on test: a quirk that the description names."""
    return "best epoch on test" in study.description.lower()


def min_effect(selection: Selection) -> float:
    """Return the smallest difference worth acting upon, as it was when the winner was chosen.

    A margin that is set after the fresh seeds were seen would make any verdict.
    """
    now = float(selection.study.settings.get("min_effect", 0.0))
    return now if selection.choice is None else float(selection.choice.data.get("min_effect", now))


def plural(n: int, word: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
