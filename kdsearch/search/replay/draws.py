"""Random numbers that are functions of their key: nothing is stored, and any order of asking gives the same world."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Hashable, Mapping

from kdsearch.space import Dimension, active
from kdsearch.tasks.base import Scalar

_WORDS = struct.Struct("<QQ")
_HALF = 2.0**-53
_IDLE = "idle"


def normal(*key: Hashable) -> float:
    """A standard normal number: Box and Muller (1958) on 128 bits of BLAKE2b of the key's ``repr``."""
    first, second = _WORDS.unpack(_digest(key))
    radius = math.sqrt(-2.0 * math.log(((first >> 11) + 1) * _HALF))
    return radius * math.cos(2.0 * math.pi * (second >> 11) * _HALF)


def choice(count: int, *key: Hashable) -> int:
    """A whole number from 0 to ``count - 1``, each as likely as the others up to ``count / 2^64``."""
    return int(_WORDS.unpack(_digest(key))[0] % count)


def key_of(space: Mapping[str, Dimension], params: Mapping[str, Scalar]) -> tuple[float | str, ...]:
    """The searched numbers in the space's order, idle ones apart. 3 and 3.0 are one: a database may return either."""
    named = set(active(space, params))
    return tuple(_plain(params[name]) if name in named else _IDLE for name in space)


def _plain(value: Scalar) -> float | str:
    return value if isinstance(value, str) else float(value)


def _digest(key: tuple[Hashable, ...]) -> bytes:
    return hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
