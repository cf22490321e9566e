"""The winner against each compared configuration on fresh seeds: difference, chance to win and verdict.

Fresh seeds may be looked at more than once (group-sequential tests): what each look may claim depends on all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeVar

from kdsearch.ledger.records import EventRecord
from kdsearch.report.configurations import Part, compared
from kdsearch.report.selection import Selection
from kdsearch.report.units import FEWEST_TEACHERS, Units
from kdsearch.report.wording import percent, plural
from kdsearch.statistics import (
    Difference,
    Probability,
    family_verdicts,
    look_level,
    look_p,
    paired_difference,
    paired_probability,
    seeds_needed,
    verdict,
)
from kdsearch.statistics.differences import FEWEST_FLIPS
from kdsearch.statistics.power import MOST
from kdsearch.statistics.verdicts import equal_needed

ALPHA = 0.05
"""What all looks at one comparison may err in together."""

FEWEST_DIFFERENCES = 4
"""The sd of fewer differences is itself hardly known, and the seeds that it asks for go by its square."""

OPEN = "open"
"""Verdict while confirm runs are still going: a test that is read at every look has no error rate."""

NONE = "no verdict"
"""Verdict where the units are teachers and there are too few of them, on one seed, and of a few equal differences."""

UNTESTED = frozenset({OPEN, NONE, "context"})

EQUAL_FEW = (
    f"Fewer than {FEWEST_FLIPS} differences that are all equal do not tell how far others lie apart: no interval and "
    "no verdict."
)
"""Of a table that has such a row."""

# The words of ``kdsearch extend``, and those of a study file that asks for more.
_EXTENDED = re.compile(r"confirm seeds extended from (\d+) to (\d+)|confirm\.seeds: (\d+) before, (\d+) now")

Role = Literal["primary", "family", "context"]
ROLES: Mapping[Part, Role] = {"primary": "primary", "context": "context"}
"""Of a row's part; the second comparison and the baselines are the family."""

Key = TypeVar("Key", int, str)


@dataclass(frozen=True)
class Pair:
    """Values of two configurations on the ``seeds`` that both have: one mean a unit, aligned.

    ``looks``: the numbers of seeds at which the pair was looked at, the present one last. A ``primary`` pair is tested
    by itself, those of the ``family`` share an error rate, ``context`` has no verdict.
    """

    first: Sequence[float]
    second: Sequence[float]
    seeds: int
    looks: tuple[int, ...]
    units: Units
    role: Role = "family"


@dataclass(frozen=True)
class Comparison:
    """One comparison, first minus second.

    Intervals and p values are those that the pair's own ``looks`` may claim. ``holm`` is ``None`` outside the family;
    ``family``: how many comparisons share its error rate.
    """

    pair: Pair
    difference: Difference
    probability: Probability
    verdict: str
    holm: float | None = None
    family: int = 1

    @property
    def confidence(self) -> float:
        """Confidence of its intervals."""
        return confidence_at(self.pair.looks)

    @property
    def equal(self) -> bool:
        """Whether all differences are equal and not 0, enough of them for an exact p, which is the p of this row."""
        return self.difference.error == 0 and self.difference.mean != 0 and not self.difference.equal_few

    def counts(self, seed: str = "common fresh seed") -> str:
        """Say how many seeds it has, and of how many teachers where these are the units."""
        seeds = plural(self.pair.seeds, seed)
        return f"{seeds} of {plural(self.difference.n, 'teacher')}" if self.pair.units.shared else seeds

    def why_no_verdict(self) -> str:
        """Say why it has no verdict."""
        if self.pair.units.shared:
            return (
                f"seeds that share a teacher count once, and {plural(self.difference.n, 'teacher')} of the "
                f"{FEWEST_TEACHERS} that are needed say too little of others"
            )
        if self.difference.n == 1:
            return "one seed does not tell how far others lie apart"
        return f"fewer than {FEWEST_FLIPS} differences that are all equal do not tell how far others lie apart"

    def equal_undecided(self) -> str:
        """Say what an undecided comparison of equal differences would take; empty of any other.

        Nothing but the number of units holds its verdict back: ``the same difference on each of 6 seeds: 8 seeds in all
        would decide``. Where teachers are the units, more of them are another study, whose first look it is.
        """
        if self.verdict != "undecided" or not self.equal:
            return ""
        units = self.pair.units
        same = f"the same difference {'with' if units.shared else 'on'} each of {self.difference.n} {units.word}s"
        if units.shared:
            return f"{same}: a study of {equal_needed((), family=self.family)} teachers would decide"
        return f"{same}: {equal_needed(self.pair.looks, family=self.family)} seeds in all would decide"

    def to_resolve(self, effect: float) -> str:
        """Say what it would take to find a true difference of ``effect``, or nothing (see ``resolving``)."""
        return resolving(self.difference, effect, self.pair.looks, self.family, self.pair.units)


@dataclass(frozen=True)
class Comparisons:
    """All comparisons with the winner, by configuration.

    ``looks``: seeds at each look at the row with the most of them, the present one last; ``units``: what they count.
    """

    rows: Mapping[int, Comparison] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    units: Units = field(default_factory=Units)

    @property
    def confidence(self) -> float:
        """Confidence of the intervals of the row with the most seeds, and of all that have no looks of their own."""
        return confidence_at(self.looks)


def wins(first: str, selection: Selection) -> str:
    """``P(winner > row)``: how often the winner is the better one; ``<`` where lower is better."""
    return f"P({first} {'<' if selection.minimizes else '>'} row)"


def compare(selection: Selection) -> Comparisons:
    """Compare the winner with each row that shares confirm seeds with it, at the row's own looks.

    Each difference is over the seeds that both have, and tested by their number. The primary comparison stands alone;
    the baselines and the second comparison are one family.
    """
    units, winner = Units.of(selection), selection.results(selection.study.winner_id or -1)
    rows = [row for row in compared(selection) if row.part != "winner"]
    seeds = {row.id: sorted(winner.keys() & selection.results(row.id).keys()) for row in rows}
    most = looks_at(selection, max(map(len, seeds.values()), default=0))
    pairs = {}
    for row in rows:
        if not seeds[row.id]:
            continue
        # Rows of version 1 have all seeds, and one that lacks a seed or two is compared as the others are.
        looks = most if selection.study.version == 1 else looks_of_row(selection, row.id, seeds[row.id])
        values = units.pairs({seed: winner[seed] for seed in seeds[row.id]}, selection.results(row.id))
        pairs[row.id] = Pair(*values, len(seeds[row.id]), looks, units, ROLES.get(row.part, "family"))
    found = compare_pairs(pairs, selection.min_effect, minimize=selection.minimizes)
    if not selection.finished:
        found = {id_: row if row.verdict == "context" else replace(row, verdict=OPEN) for id_, row in found.items()}
    longest = max((pair.looks for pair in pairs.values()), key=lambda own: (own[-1:], own), default=())
    return Comparisons(found, longest, units)


def compare_pairs(pairs: Mapping[Key, Pair], effect: float, *, minimize: bool) -> dict[Key, Comparison]:
    """Compare pairs, with verdicts of what is worth acting upon from ``effect`` on; with ``minimize`` lower is better.

    The probability is that of the first one being better.
    """
    differences = {key: paired_difference(pair.first, pair.second) for key, pair in pairs.items()}
    testable = {
        key: pair
        for key, pair in pairs.items()
        if pair.units.allow_verdict(differences[key].n) and not math.isnan(differences[key].p)
    }
    family = [key for key, pair in testable.items() if pair.role == "family"]
    verdicts, adjusted = family_verdicts(
        [differences[key] for key in family],
        effect,
        looks=[pairs[key].looks for key in family],
        minimize=minimize,
    )
    words: dict[Key, str] = {key: "context" if pair.role == "context" else NONE for key, pair in pairs.items()}
    words |= {
        key: verdict(differences[key], effect, looks=pair.looks, minimize=minimize)
        for key, pair in testable.items()
        if pair.role == "primary"
    }
    words |= dict(zip(family, verdicts, strict=True))
    holm = dict(zip(family, adjusted, strict=True))
    return {
        key: Comparison(
            pair,
            at_look(differences[key], pair.looks),
            paired_probability(*_lower_last(pair, minimize), confidence_at(pair.looks)),
            words[key],
            holm.get(key),
            len(family) if key in holm else 1,
        )
        for key, pair in pairs.items()
    }


def _lower_last(pair: Pair, minimize: bool) -> tuple[Sequence[float], Sequence[float]]:
    """Both sides in the order in which the first beats the second where it is the better one."""
    return (pair.second, pair.first) if minimize else (pair.first, pair.second)


def earlier_looks(selection: Selection) -> tuple[int, ...]:
    """Return the numbers of confirm seeds at which the study could be read, rising: each was a look.

    The planner notes one whenever all confirm runs have ended. An extension after the choice counts as one too, also
    where it came before that: the tables could be read then, though without verdicts.
    """
    return tuple(sorted({seeds for _, seeds in _events(selection)}))


def _events(selection: Selection) -> list[tuple[EventRecord, int]]:
    """Return the events after which the study could be read, with the confirm seeds that they name."""
    if selection.choice is None:
        return []
    found: list[tuple[EventRecord, int]] = []
    for event in selection.events:
        match = _EXTENDED.match(event.message)
        if event.kind == "look":
            found.append((event, int(event.data["seeds"])))
        elif event.kind == "changed" and event.at > selection.choice.at and match:
            found.append((event, int(match.group(1) or match.group(3))))
    return found


def looks_of_row(selection: Selection, id_: int, seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the looks at the winner and one configuration up to the present one, with ``seeds`` in common.

    Baselines may have fewer seeds than the primary comparison, and get more of them at other times: at each look it is
    counted how many of their common seeds had ended by then. A run without a time counts as there.
    """
    n = len(seeds)
    if n < 2:
        return ()
    ends: list[dict[int, datetime | None]] = [
        {run.seed: run.finished_at for run in selection.of(configuration, "confirm")}
        for configuration in (selection.study.winner_id or -1, id_)
    ]
    latest = [[end[seed] for end in ends] for seed in seeds]
    counts = {
        sum(all(end is None or end <= event.at for end in both) for both in latest) for event, _ in _events(selection)
    }
    return (*sorted(look for look in counts if 2 <= look < n), n)


def looks_at(selection: Selection, n: int) -> tuple[int, ...]:
    """Return all looks up to the present one with ``n`` seeds; none where ``n`` is too small for a test."""
    if n < 2:
        return ()
    return (*(look for look in earlier_looks(selection) if 2 <= look < n), n)


def confidence_at(looks: tuple[int, ...]) -> float:
    """Return the confidence of the intervals that the present look may show; 95 % where nothing is tested."""
    return 1 - (look_level(looks, ALPHA) if looks else ALPHA)


def at_look(difference: Difference, looks: tuple[int, ...]) -> Difference:
    """Return the difference as the present look may state it: wider interval, larger p values, the same mean.

    Both ways say the same: ``p`` falls below 0.05 where the interval excludes 0. It is to be shown; verdicts are made
    of the difference as it came, for they adjust by themselves.
    """
    if not looks:
        return difference
    low, high = difference.interval(confidence_at(looks))
    flips = None if difference.sign_flip_p is None else look_p(difference.sign_flip_p, looks)
    return replace(difference, low=low, high=high, p=look_p(difference.p, looks), sign_flip_p=flips)


def seeds_for_next_look(difference: Difference, effect: float, looks: tuple[int, ...], family: int = 1) -> int:
    """Return the fresh seeds in total with which a true difference of ``effect`` is found with power 0.8.

    ``difference.n`` or fewer where the present look has them already, else those of one more look. ``family``: how
    many comparisons share the error rate (Bonferroni: Holm needs no more seeds than this).
    """
    alpha = ALPHA / family
    seeds = seeds_needed(difference.sd, effect, alpha=look_level(looks, alpha))
    if seeds <= difference.n:
        return seeds
    for _ in range(4):  # the level of a look depends on its seeds, and hardly so
        seeds = max(difference.n + 1, seeds_needed(difference.sd, effect, alpha=look_level((*looks, seeds), alpha)))
    return seeds


def resolving(
    difference: Difference, effect: float, looks: tuple[int, ...], family: int = 1, units: Units | None = None
) -> str:
    """Say what an undecided comparison would take: ``to resolve 0.01, about 48 seeds in all (power 0.8)``.

    No number from fewer differences than ``FEWEST_DIFFERENCES``. Where teachers are the ``units`` their number is the
    study's: more of them are another study, whose first look has the same level at any number of seeds.
    """
    if effect <= 0 or not difference.sd > 0 or not looks:
        return ""
    shared, word = units is not None and units.shared > 0, "seed" if units is None else units.word
    if difference.n < FEWEST_DIFFERENCES:
        return f"{difference.n} {word}s are too few to tell how many resolve {effect:g}"
    if shared:
        needed = seeds_needed(difference.sd, effect, alpha=look_level(looks, ALPHA / family))
    else:
        needed = seeds_for_next_look(difference, effect, looks, family)
    if not shared and needed >= MOST:
        return f"no number of seeds that anyone runs resolves {effect:g}, the study's min_effect"
    if needed <= difference.n:
        return f"{difference.n} {word}s find a true difference of {effect:g} with power 0.8, so it may well be smaller"
    if shared:
        needed = seeds_needed(difference.sd, effect, alpha=look_level(looks[:1], ALPHA / family))
        return f"to resolve {effect:g}, a study of about {needed:,} teachers with as many seeds each (power 0.8)"
    return f"to resolve {effect:g}, about {needed:,} seeds in all (power 0.8)"


def nothing_to_compare(selection: Selection) -> bool:
    """Whether there is no configuration but the winner."""
    return all(row.part == "winner" for row in compared(selection))


def looks_sentence(selection: Selection, looks: tuple[int, ...]) -> str:
    """Say which look this is and what its intervals and p values hold.

    Looks are given by seeds, also where teachers are the units: new seeds of the same teachers are one more look.
    """
    if nothing_to_compare(selection):
        return "There is nothing to compare the winner with: no baseline, nothing without distillation, no finalist."
    if not looks:
        return "Differences have no interval: fewer than two common fresh seeds have ended."
    share, before = percent(confidence_at(looks)), ""
    if len(looks) > 1:
        before = f" after {plural(len(looks) - 1, 'look')} at {', '.join(map(str, looks[:-1]))} seeds"
    if not selection.finished:
        return (
            f"Confirm runs are still going{before}, so this is no look yet: intervals of winner - row and of "
            f"{wins('winner', selection)} are {share}, and will change."
        )
    return (
        f"Look {len(looks)} at fresh seeds{before}: intervals of winner - row and of {wins('winner', selection)} are "
        f"{share} and this table's p values are adjusted, so that all looks together, also later ones after kdsearch "
        f"extend, err in at most {100 * ALPHA:g} % where differences are about normal, as the t test assumes."
    )
