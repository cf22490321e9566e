"""How often fresh seeds were looked at: what each look may claim depends on all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from kdsearch.ledger.records import EventRecord
from kdsearch.report.captions import plural
from kdsearch.report.compared import compared
from kdsearch.report.selection import Selection
from kdsearch.report.units import Units
from kdsearch.statistics import Difference, look_level, look_p, seeds_needed
from kdsearch.statistics.power import MOST

ALPHA = 0.05
"""What all looks at one comparison may err in together."""

FEWEST_TOLD = 4
"""The sd of fewer differences is itself hardly known, and the seeds that it asks for go by its square."""

# The words of ``kdsearch extend``, and those of a study file that asks for more.
_EXTENDED = re.compile(r"confirm seeds extended from (\d+) to (\d+)|confirm\.seeds: (\d+) before, (\d+) now")


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
    ends = [_times(selection, configuration) for configuration in (selection.study.winner_id or -1, id_)]
    counts = {sum(all(_before(end[seed], event) for end in ends) for seed in seeds) for event, _ in _events(selection)}
    return (*sorted(look for look in counts if 2 <= look < n), n)


def _before(end: datetime | None, event: EventRecord) -> bool:
    return end is None or end <= event.at


def _times(selection: Selection, id_: int) -> dict[int, datetime | None]:
    return {run.seed: run.finished_at for run in selection.of(id_, "confirm")}


def looks_at(selection: Selection, n: int) -> tuple[int, ...]:
    """Return all looks up to the present one with ``n`` seeds; none where ``n`` is too small to judge."""
    if n < 2:
        return ()
    return (*(look for look in earlier_looks(selection) if 2 <= look < n), n)


def confidence_at(looks: tuple[int, ...]) -> float:
    """Return the confidence of the intervals that the present look may show; 95 % where nothing is judged."""
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

    No number from fewer differences than ``FEWEST_TOLD``. Where teachers are the ``units`` their number is the
    study's: more of them are another study.
    """
    if effect <= 0 or not difference.sd > 0 or not looks:
        return ""
    if difference.n < FEWEST_TOLD:
        words = "seeds" if units is None else f"{units.word}s"
        return f"{difference.n} {words} are too few to tell how many resolve {effect:g}"
    if units is not None and units.shared:
        return _resolving_teachers(difference, effect, looks, family)
    seeds = seeds_for_next_look(difference, effect, looks, family)
    if seeds >= MOST:
        return f"no number of seeds that anyone runs resolves {effect:g}, the study's min_effect"
    if seeds <= difference.n:
        return f"{difference.n} seeds find a true difference of {effect:g} with power 0.8, so it may well be smaller"
    return f"to resolve {effect:g}, about {seeds:,} seeds in all (power 0.8)"


def _resolving_teachers(difference: Difference, effect: float, looks: tuple[int, ...], family: int) -> str:
    """As ``resolving``, where teachers are the units."""
    if seeds_needed(difference.sd, effect, alpha=look_level(looks, ALPHA / family)) <= difference.n:
        return f"{difference.n} teachers find a true difference of {effect:g} with power 0.8, so it may well be smaller"
    # The level of a first look is the same at any number of seeds.
    needed = seeds_needed(difference.sd, effect, alpha=look_level(looks[:1], ALPHA / family))
    return f"to resolve {effect:g}, a study of about {needed:,} teachers with as many seeds each (power 0.8)"


def alone(selection: Selection) -> bool:
    """Whether the winner has no other configuration beside it."""
    return all(row.part == "winner" for row in compared(selection))


def looks_sentence(selection: Selection, looks: tuple[int, ...]) -> str:
    """Say which look this is and what its intervals and p values hold.

    Looks are told by seeds, also where teachers are the units: new seeds of the same teachers are one more look.
    """
    if alone(selection):
        return "There is nothing to compare the winner with: no baseline, nothing without distillation, no finalist."
    if not looks:
        return "Differences have no interval: fewer than two common fresh seeds have ended."
    share = f"{100 * confidence_at(looks):.3g} %"
    before = ""
    if len(looks) > 1:
        before = f" after {plural(len(looks) - 1, 'look')} at {', '.join(map(str, looks[:-1]))} seeds"
    if not selection.finished:
        return (
            f"Confirm runs are still going{before}, so this is no look yet: intervals of winner - row and of "
            f"P(winner > row) are {share}, and will change."
        )
    return (
        f"Look {len(looks)} at fresh seeds{before}: intervals of winner - row and of P(winner > row) are {share} and "
        "this table's p values are adjusted, so that all looks together, also later ones after kdsearch extend, err "
        f"in at most {100 * ALPHA:g} % where differences are about normal, as the t test assumes."
    )
