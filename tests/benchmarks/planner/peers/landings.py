"""Where the picks of an answer have gone: a new configuration may turn out to be one that was there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.search.policies.base import Configuration, New, Pick
from kdsearch.space import Range

from .cube import to_unit

Place = tuple[int, int]


class Answer:
    """The last answer of a policy, until the configurations show its runs."""

    def __init__(self, space: Mapping[str, Range]) -> None:
        self.space = space
        self._before: tuple[Configuration, ...] = ()
        self._picks: tuple[Pick, ...] = ()

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """Remember ``picks``, chosen from ``settings``."""
        self._before, self._picks = tuple(tried), tuple(picks)

    def landed(self, tried: Sequence[Configuration], *, new: bool = False) -> list[Place]:
        """Positions of all picks, or of the new ones alone; once, when ``tried`` shows them, and then no more."""
        places = landings(self.space, self._before, tried, self._picks) if self._picks else []
        if not places:
            return []
        kept = [place for pick, place in zip(self._picks, places, strict=True) if isinstance(pick, New) or not new]
        self._before, self._picks = (), ()
        return kept


def landings(
    space: Mapping[str, Range], before: Sequence[Configuration], after: Sequence[Configuration], picks: Sequence[Pick]
) -> list[Place]:
    """Position and seed index of each pick that was chosen from ``before``; empty where ``after`` does not show them.

    Each pick is one seed that is in ``after`` and not in ``before``. A new configuration is the next position that has
    just come; where fewer have come than were picked, it is the one nearest to it, in the unit cube, of those that have
    an unexplained seed. Further seeds of a configuration follow it.
    """
    spare = {position: _seeds(setting) for position, setting in enumerate(after)}
    for position, setting in enumerate(before):
        spare[position] = [index for index in spare[position] if index not in _seeds(setting)]
    if sum(map(len, spare.values())) < len(picks):
        return []
    news = [pick for pick in picks if isinstance(pick, New)]
    arrived = list(range(len(before), len(after)))
    if len(arrived) == len(news):
        homes = arrived
    else:
        further = [pick.position for pick in picks if not isinstance(pick, New) and pick.position < len(before)]
        free = {position: len(seeds) - further.count(position) for position, seeds in spare.items()}
        homes = []
        for new in news:
            point = to_unit(space, new.params)
            open_ = [position for position, count in free.items() if count > 0]
            gaps = [float(((to_unit(space, after[position].params) - point) ** 2).sum()) for position in open_]
            homes.append(open_[int(np.argmin(gaps))])
            free[homes[-1]] -= 1
    positions, places, following = [*range(len(before)), *homes], [], iter(homes)
    for pick in picks:
        position = next(following) if isinstance(pick, New) else positions[pick.position]
        if not spare[position]:  # guessed wrong before: what is left
            position = next(other for other, seeds in spare.items() if seeds)
        places.append((position, spare[position].pop(0)))
    return places


def _seeds(setting: Configuration) -> list[int]:
    return sorted({*setting.objectives, *setting.pending, *setting.failed})
