"""Random numbers as functions of a key and a place, in int64 tensor operations: no generator, no state, any device.

A key stands for the stream of one run, a place for an epoch, a step, an element. All integers, so that CPU and GPU give
the same bits; all element-wise, so that the members of a population are one more axis. Torch has no unsigned 64-bit
arithmetic: products and sums of int64 wrap as those do, and a mask turns an arithmetic shift into a logical one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15 - 2**64
"""What SplitMix64 adds to its state: states ``s + n * GOLDEN`` give the n-th numbers of seed s."""

UNIT_BITS = 24
"""Bits of a uniform number: as many as float32 holds exactly."""

_WORD = 0xFFFFFFFF
_PHILOX_ROUNDS = 10
_PHILOX_FACTORS = (0xD2511F53, 0xCD9E8D57)
_PHILOX_STEPS = (0x9E3779B9, 0xBB67AE85)
_MIX_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)


def key(stream: np.random.SeedSequence) -> int:
    """The 64-bit key of a stream, as the signed integer that an int64 tensor takes.

    ``key(SeedSequence(seed, spawn_key=(STREAM,)))`` is the key of stream ``STREAM`` in the run of ``seed``.
    """
    return int(stream.generate_state(1, np.uint64).view(np.int64)[0])


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> Tensor:
    """Philox4x32-10: four random 32-bit words for each counter and key.

    Counter and key are int64 tensors of values in 0..2^32 - 1 that broadcast to ``[...]``; the result is int64
    ``[4, ...]`` of such values. Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
    its library, Random123, gives the known answers.
    """
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(_PHILOX_ROUNDS):
        first, second = c0 * _PHILOX_FACTORS[0], c2 * _PHILOX_FACTORS[1]
        # c1, c3 and the keys keep wrong high words: only what is multiplied next must be clean.
        c0, c1 = ((second >> 32) ^ c1 ^ k0) & _WORD, second
        c2, c3 = ((first >> 32) ^ c3 ^ k1) & _WORD, first
        k0, k1 = k0 + _PHILOX_STEPS[0], k1 + _PHILOX_STEPS[1]
    # A few rounds mix every counter and key into every word, so all have the broadcast shape by now.
    return torch.stack([c0, c1 & _WORD, c2, c3 & _WORD])


def random_bits(key: Tensor, *place: Tensor | int) -> Tensor:
    """Four random 32-bit words, int64 ``[4, ...]``, for a key and a place of up to four numbers in 0..2^32 - 1.

    ``key`` is int64 (see :func:`key`); key and place broadcast to ``[...]``: keys ``[M]`` of members with elements
    ``[M, B]`` are given as ``key[:, None]``. Numbers left out are 0. Raises ``ValueError`` for more than four.
    """
    if len(place) > 4:
        raise ValueError(f"a place has at most 4 numbers, got {len(place)}: put the rest into the key's stream")
    # Filled, not copied from the host: a copy would make the host wait and could not be captured in a CUDA graph.
    c0, c1, c2, c3 = (
        number & _WORD if isinstance(number, Tensor) else key.new_full((), number & _WORD)
        for number in (*place, *(0,) * (4 - len(place)))
    )
    return philox((c0, c1, c2, c3), (key & _WORD, (key >> 32) & _WORD))


def uniform(key: Tensor, *place: Tensor | int) -> Tensor:
    """A number in [0, 1), float32 ``[...]``, for a key and a place, see :func:`random_bits` and :func:`unit`."""
    return unit(random_bits(key, *place)[0])


def integers(key: Tensor, *place: Tensor | int, high: Tensor | int) -> Tensor:
    """An integer in 0..high - 1, int64 ``[...]``, for a key and a place, see :func:`random_bits` and :func:`below`."""
    return below(random_bits(key, *place)[0], high)


def unit(words: Tensor) -> Tensor:
    """Numbers in [0, 1) from 32-bit words: float32 multiples of 2^-24, of the words' shape."""
    return (words >> (32 - UNIT_BITS)).float() * 2.0**-UNIT_BITS


def below(words: Tensor, high: Tensor | int) -> Tensor:
    """Integers in 0..high - 1 from 32-bit words: int64 of the words' shape; ``high`` is 1..2^31 and broadcasts.

    The high word of ``word * high``: each value's probability is within 2^-32 of 1 / high, and no word is rejected, so
    that every place costs the same. Lemire, "Fast random integer generation in an interval", TOMACS 2019.
    """
    return (words * high) >> 32


def splitmix64(state: Tensor) -> Tensor:
    """The number that SplitMix64 gives next from each state, int64 of the state's shape, all 64 bits random.

    ``splitmix64(s + n * GOLDEN)`` is the n-th number of seed s, counted from 0. A tenth of Philox's operations for one
    number. Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    mixed = state + GOLDEN
    for shift, factor in zip((30, 27), _MIX_FACTORS, strict=True):
        mixed = mixed.bitwise_xor_(_shifted(mixed, shift)).mul_(factor)
    return mixed.bitwise_xor_(_shifted(mixed, 31))


def _shifted(number: Tensor, by: int) -> Tensor:
    """The logical right shift of 64-bit numbers."""
    return (number >> by).bitwise_and_((1 << (64 - by)) - 1)
