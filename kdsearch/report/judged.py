"""The winner against each compared configuration: difference, chance to win, verdict, all as the present look may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from kdsearch.report.captions import min_effect
from kdsearch.report.compared import compared
from kdsearch.report.looks import at_look
from kdsearch.report.looks import confidence_at
from kdsearch.report.looks import looks_at
from kdsearch.report.selection import Selection
from kdsearch.statistics import Difference
from kdsearch.statistics import Probability
from kdsearch.statistics import family_verdicts
from kdsearch.statistics import paired_difference
from kdsearch.statistics import paired_probability
from kdsearch.statistics import verdict

OPEN = "open"
"""Verdict while confirm runs are still going: a test that is read at every look has no error rate."""


@dataclass(frozen=True)
class Judged:
    """One comparison, winner minus row, over common seeds.

    Intervals and p values are those that the present look may claim. ``wins`` and ``ties`` count seeds. ``holm`` is
    ``None`` outside the family of baselines.
    """

    difference: Difference
    probability: Probability
    wins: int
    ties: int
    verdict: str
    holm: float | None = None


@dataclass(frozen=True)
class Outcome:
    """All comparisons, by configuration. ``looks``: seeds at each look, the present one last; ``family``: baselines."""

    rows: Mapping[int, Judged] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    family: int = 0

    @property
    def confidence(self) -> float:
        """Confidence of all intervals in ``rows``."""
        return confidence_at(self.looks)


def judge(selection: Selection) -> Outcome:
    """Compare the winner with each row that shares confirm seeds with it.

    All rows are judged at the look of the most common seeds, so that one table has one confidence: a row that lacks a
    seed or two would have hardly another one.
    """
    pairs = _pairs(selection)
    differences = {id_: paired_difference(*values) for id_, values in pairs.items()}
    looks = looks_at(selection, max((row.n for row in differences.values()), default=0))
    verdicts, holm = _verdicts(selection, differences, looks)
    rows = {
        id_: Judged(
            at_look(differences[id_], looks),
            paired_probability(winner, other, confidence_at(looks)),
            sum(a > b for a, b in zip(winner, other, strict=True)),
            sum(a == b for a, b in zip(winner, other, strict=True)),
            verdicts[id_],
            holm.get(id_),
        )
        for id_, (winner, other) in pairs.items()
    }
    return Outcome(rows, looks, len(holm))


def _pairs(selection: Selection) -> dict[int, tuple[list[float], list[float]]]:
    """Return the winner's results and the row's on their common seeds, by configuration."""
    winner_id = selection.study.winner_id
    if winner_id is None:
        return {}
    winner = selection.results(winner_id)
    found = {}
    for row in compared(selection):
        other = selection.results(row.id)
        seeds = sorted(winner.keys() & other.keys())
        if row.part != "winner" and seeds:
            found[row.id] = [winner[seed] for seed in seeds], [other[seed] for seed in seeds]
    return found


def _verdicts(
    selection: Selection, differences: Mapping[int, Difference], looks: tuple[int, ...]
) -> tuple[dict[int, str], dict[int, float]]:
    """Return the word of each row, and Holm's p of the baselines."""
    effect = min_effect(selection)
    parts = {row.id: row.part for row in compared(selection) if row.id in differences}
    family = [id_ for id_, part in parts.items() if part == "baseline"]
    judged, adjusted = family_verdicts([differences[id_] for id_ in family], effect, looks=looks)
    words: dict[int, str] = {id_: "context" for id_, part in parts.items() if part == "context"}
    words |= {id_: verdict(differences[id_], effect, looks=looks) for id_, part in parts.items() if part == "primary"}
    words |= dict(zip(family, judged, strict=True))
    if not selection.finished:
        words = {id_: word if word == "context" else OPEN for id_, word in words.items()}
    return words, dict(zip(family, adjusted, strict=True))
