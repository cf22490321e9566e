"""Everything random in a run is a function of its seed and a place; no global generator is read or moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from kdsearch import counter_rng

INIT = 0
"""Stream of the initial weights."""
ORDER = 1
"""Stream of the order of clips, one child an epoch."""
VIEWS = 2
"""Stream of the views in which clips are seen, see ``feeds``."""

NAMES = ("initialisation", "order", "augmentation", "split", "teacher")
"""The streams by name: those that a run's ``vary`` names follow its seed, the others stay as with seed ``FIXED``.

What the last two draw, a fold and a teacher, reaches a run with its request; see ``kdsearch.draws``.
"""

FIXED = 0

Built = TypeVar("Built")


def varied(name: str, seed: int, vary: str) -> int:
    """The seed of the stream ``name`` in a run of ``seed``; ``vary`` names what varies: ``"initialisation+order"``.

    ``"nothing"`` holds all streams at ``FIXED``: what such runs still differ by is the arithmetic of the device.
    Raises ``ValueError`` for a name that is no stream.
    """
    named = [] if vary == "nothing" else vary.split("+")
    unknown = sorted(set(named) - set(NAMES))
    if unknown:
        raise ValueError(f"vary names {', '.join(NAMES)} joined by '+', or is 'nothing'; got {vary!r}")
    return seed if name in named else FIXED


def stream(seed: int, *place: int) -> np.random.SeedSequence:
    """The seed sequence of one place: a stream's number, then an epoch, a step and so on."""
    return np.random.SeedSequence(seed, spawn_key=place)


def order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The permutation of ``count`` clips in one epoch; stateless, so a resumed run needs no generator's state."""
    return np.random.default_rng(stream(seed, ORDER, epoch)).permutation(count)


def views_key(seed: int) -> int:
    """The key of a run's views of its clips, see ``kdsearch.counter_rng``."""
    return counter_rng.key(stream(seed, VIEWS))


def build_seeded(seed: int, factory: Callable[[], Built]) -> Built:
    """What ``factory`` builds on the CPU with torch's generator set from the INIT stream, and put back afterwards.

    The device plays no part: build on the CPU and move, so that a seed means the same weights everywhere.
    """
    state = int(stream(seed, INIT).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(state)
        return factory()
