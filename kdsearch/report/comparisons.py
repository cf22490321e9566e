"""The winner against each compared configuration: difference, chance to win, verdict, all as its look may claim."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kdsearch.report.captions import min_effect
from kdsearch.report.compared import Part, compared
from kdsearch.report.looks import at_look, confidence_at, looks_at, looks_of_row
from kdsearch.report.selection import Selection
from kdsearch.report.units import Units
from kdsearch.statistics import Difference, Probability, family_verdicts, paired_difference, paired_probability, verdict
from kdsearch.statistics.differences import FEWEST_FLIPS
from kdsearch.statistics.verdicts import equal_needed

OPEN = "open"
"""Verdict while confirm runs are still going: a test that is read at every look has no error rate."""

NONE = "no verdict"
"""Verdict where the units are teachers and there are too few of them, on one seed, and of a few equal differences."""

EQUAL_FEW = (
    f"Fewer than {FEWEST_FLIPS} differences that are all equal do not tell how far others lie apart: no interval and "
    "no verdict."
)
"""Of a table that has such a row."""

EXACT = "where all differences of a row are equal, the exact test of sign flips instead of t"
"""Of the p of such a row."""

UNTESTED = frozenset({OPEN, NONE, "context"})


@dataclass(frozen=True)
class Judged:
    """One comparison, winner minus row, over the ``seeds`` that both have.

    Intervals and p values are those that the row's own ``looks`` may claim. ``wins`` and ``ties`` count units, as the
    difference's ``n`` does. ``holm`` is ``None`` outside the family.
    """

    difference: Difference
    probability: Probability
    wins: int
    ties: int
    verdict: str
    holm: float | None = None
    seeds: int = 0
    looks: tuple[int, ...] = ()

    @property
    def confidence(self) -> float:
        """Confidence of this row's intervals."""
        return confidence_at(self.looks)

    @property
    def equal(self) -> bool:
        """Whether all differences are equal and not 0, enough of them for an exact p, which is the p of this row."""
        return self.difference.error == 0 and self.difference.mean != 0 and not self.difference.equal_few


@dataclass(frozen=True)
class Outcome:
    """All comparisons, by configuration.

    ``looks``: seeds at each look at the row with the most of them, the present one last; ``family``: how many
    comparisons share an error rate, the baselines and the second comparison; ``units``: what the rows count.
    """

    rows: Mapping[int, Judged] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    family: int = 0
    units: Units = field(default_factory=Units)

    @property
    def confidence(self) -> float:
        """Confidence of the intervals of the row with the most seeds, and of all that have no looks of their own."""
        return confidence_at(self.looks)


def equal_words(judged: Judged, outcome: Outcome) -> str:
    """Say what an undecided comparison of equal differences would take; empty of any other.

    Nothing but the number of units holds its verdict back: ``the same difference on each of 6 seeds: 8 seeds in all
    would decide``. Where teachers are the units, more of them are another study, whose first look it is.
    """
    if judged.verdict != "undecided" or not judged.equal:
        return ""
    family = 1 if judged.holm is None else outcome.family
    units = outcome.units
    same = f"the same difference {'with' if units.shared else 'on'} each of {judged.difference.n} {units.word}s"
    if units.shared:
        return f"{same}: a study of {equal_needed((), family=family)} teachers would decide"
    return f"{same}: {equal_needed(judged.looks, family=family)} seeds in all would decide"


def judge(selection: Selection) -> Outcome:
    """Compare the winner with each row that shares confirm seeds with it, at the row's own looks.

    Each difference is over the seeds that both have, and judged by their number. The primary comparison stands alone;
    the baselines and the second comparison are one family.
    """
    units = Units.of(selection)
    seeds = _common_seeds(selection)
    most = looks_at(selection, max(map(len, seeds.values()), default=0))
    # Rows of version 1 have all seeds, and one that lacks a seed or two is judged as the others are.
    looks = {id_: most if selection.study.version == 1 else looks_of_row(selection, id_, seeds[id_]) for id_ in seeds}
    winner = selection.results(selection.study.winner_id or -1)
    pairs = {
        id_: units.pairs({seed: winner[seed] for seed in common}, selection.results(id_))
        for id_, common in seeds.items()
    }
    differences = {id_: paired_difference(*values) for id_, values in pairs.items()}
    words, holm = _verdicts(selection, differences, looks, units)
    rows = {
        id_: Judged(
            at_look(differences[id_], looks[id_]),
            paired_probability(ours, theirs, confidence_at(looks[id_])),
            sum(a > b for a, b in zip(ours, theirs, strict=True)),
            sum(a == b for a, b in zip(ours, theirs, strict=True)),
            words[id_],
            holm.get(id_),
            len(seeds[id_]),
            looks[id_],
        )
        for id_, (ours, theirs) in pairs.items()
    }
    longest = max((looks[id_] for id_ in rows), key=lambda own: (own[-1:], own), default=())
    return Outcome(rows, longest, len(holm), units)


def _common_seeds(selection: Selection) -> dict[int, list[int]]:
    """Return the confirm seeds that the winner and the row have, by configuration."""
    winner_id = selection.study.winner_id
    if winner_id is None:
        return {}
    winner = selection.results(winner_id)
    found = {
        row.id: sorted(winner.keys() & selection.results(row.id).keys())
        for row in compared(selection)
        if row.part != "winner"
    }
    return {id_: seeds for id_, seeds in found.items() if seeds}


def _verdicts(
    selection: Selection, differences: Mapping[int, Difference], looks: Mapping[int, tuple[int, ...]], units: Units
) -> tuple[dict[int, str], dict[int, float]]:
    """Return the word of each row, and Holm's p of the family."""
    effect = min_effect(selection)
    parts: dict[int, Part] = {row.id: row.part for row in compared(selection) if row.id in differences}
    judged = {id_ for id_ in parts if units.judges(differences[id_].n) and not math.isnan(differences[id_].p)}
    family = [id_ for id_, part in parts.items() if part in ("second", "baseline") and id_ in judged]
    verdicts, adjusted = family_verdicts(
        [differences[id_] for id_ in family], effect, looks=[looks[id_] for id_ in family]
    )
    words: dict[int, str] = {id_: "context" if part == "context" else NONE for id_, part in parts.items()}
    words |= {
        id_: verdict(differences[id_], effect, looks=looks[id_])
        for id_, part in parts.items()
        if part == "primary" and id_ in judged
    }
    words |= dict(zip(family, verdicts, strict=True))
    if not selection.finished:
        words = {id_: word if word == "context" else OPEN for id_, word in words.items()}
    return words, dict(zip(family, adjusted, strict=True))
