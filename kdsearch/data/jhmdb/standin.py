"""The stand-in for JHMDB: 609 clips of drawn figures whose class is how they move, in the shape of the real poses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import TEST, TRAIN, IntArray, Modality, Table, sample_uniform
from kdsearch.data.files import combined
from kdsearch.data.jhmdb.figures import Manner, draw_manner, move
from kdsearch.data.jhmdb.rendering import render

# Raise it with every change of what is drawn: fingerprints of stored runs are made of it. The drawn numbers
# themselves would be a worse hash, since sines may differ in the last bit from one machine to the next.
RECIPE = 2
SEED = 20130623

# Clips a class of the real poses, so that class balance and chance level are alike: 609 in all.
CLASS_SIZES = (48, 44, 42, 39, 40, 55, 55, 42, 40, 39, 36, 46, 41, 42)
# Of the real poses 53 % have 40 frames, 14 % have 30, the rest lie between 15 and 40.
_FULL, _MIDDLE, _SHORTEST = 0.53, 0.14, 15
_TEST_FRACTION = 0.29


@dataclass(frozen=True, eq=False)
class StandinSource:
    """Drawn clips: joints are kept, pixels are rendered when asked for."""

    modality: Modality
    size: int
    table: Table
    poses: tuple[NDArray[np.float32], ...]

    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """Shapes and values as those of the real modality."""
        poses = self.poses[row]
        wanted = list(range(len(poses))) if count is None else sample_uniform(len(poses), count)
        if self.modality == "poses":
            return poses[wanted]
        return render(poses, wanted, self.modality, self.size, scene=int(self.table.groups[row]))

    def fingerprint(self) -> str:
        """Of the recipe's number, the seed and the modality."""
        return combined(["kdsearch stand-in", str(RECIPE), str(SEED), self.modality])


def open_standin(modality: Modality, size: int = 112) -> StandinSource:
    """The same figures every time, on every machine, in any modality."""
    table, poses = _figures()
    return StandinSource(modality, size, table, poses)


@lru_cache(maxsize=1)
def _figures() -> tuple[Table, tuple[NDArray[np.float32], ...]]:
    draws = np.random.default_rng(np.random.SeedSequence([SEED, RECIPE]))
    names, labels, groups, splits = list[str](), list[int](), list[int](), list[NDArray[np.int64]]()
    poses = list[NDArray[np.float32]]()
    group = 0
    classes = tuple(f"motion_{i:02d}" for i in range(1, len(CLASS_SIZES) + 1))
    for label, size in enumerate(CLASS_SIZES):
        manner = draw_manner(draws)
        sizes = _group_sizes(draws, size)
        splits.append(np.repeat(_group_splits(draws, sizes), sizes, axis=0))
        for count in sizes:
            lengths = [_length(draws) for _ in range(count)]
            poses += _film(draws, manner, lengths)
            names += [f"figure_{group:03d}_{classes[label]}_{i}" for i in range(count)]
            labels += [label] * int(count)
            groups += [group] * int(count)
            group += 1
    table = Table(classes, tuple(names), np.array(labels), np.concatenate(splits), np.array(groups))
    for array in poses:
        array.setflags(write=False)  # Shared by all who ask in this process.
    return table, tuple(poses)


def _film(draws: np.random.Generator, manner: Manner, lengths: list[int]) -> list[NDArray[np.float32]]:
    """All clips of one source video: one body seen from one side, filmed several times."""
    body = draws.spawn(1)[0]
    seed = int(body.integers(2**32))
    return [move(manner, np.random.default_rng(seed), body, length) for length in lengths]


def _group_sizes(draws: np.random.Generator, clips: int) -> IntArray:
    """Clips of each source video of a class: about 2 on average with a long tail, as in JHMDB."""
    sizes = list[int]()
    while sum(sizes) < clips:
        sizes.append(min(int(draws.geometric(0.52)), 12, clips - sum(sizes)))
    return np.array(sizes, dtype=np.int64)


def _group_splits(draws: np.random.Generator, sizes: IntArray) -> IntArray:
    """``(groups, 3)`` of 1 (train) and 2 (test): in each split about 29 % of the clips test, by whole videos."""
    splits = np.full((len(sizes), 3), TRAIN, dtype=np.int64)
    for split in range(3):
        taken, target = 0, _TEST_FRACTION * sizes.sum()
        for i in draws.permutation(len(sizes)):
            if abs(taken + sizes[i] - target) < abs(taken - target):
                splits[i, split] = TEST
                taken += sizes[i]
    return splits


def _length(draws: np.random.Generator) -> int:
    kind = draws.random()
    if kind < _FULL:
        return 40
    return 30 if kind < _FULL + _MIDDLE else int(draws.integers(_SHORTEST, 41))
