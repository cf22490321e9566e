"""The parts of a protocol, official lists or clips drawn a class, and the share of train that is held out."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal

import numpy as np

from kdsearch.data.clips import TEST, TRAIN, ClipTable, IntArray, Parts

Protocol = Literal["split1", "split2", "split3", "seed"]
PROTOCOLS: tuple[Protocol, ...] = ("split1", "split2", "split3", "seed")

# Clips a class in the JHMDB hashing repository's lists: train_10_210, test_10_210, db_20_420.
SEED_TRAIN, SEED_QUERY, SEED_DATABASE = 10, 10, 20
_DRAWS = 200
_STREAMS = {"draw": 1, "held out": 2, "part": 3, "folds": 4, "films": 5}


def make_parts(
    table: ClipTable, protocol: Protocol, split_seed: int, validating: Callable[[IntArray], IntArray]
) -> Parts:
    """The parts of ``protocol``; ``validating`` tells which rows of the train list validate."""
    if protocol == "seed":
        listed, database, query, small, shared = _draw(table, split_seed)
    else:
        column = table.splits[:, int(protocol.removeprefix("split")) - 1]
        listed = database = np.flatnonzero(column == TRAIN)
        query, small, shared = np.flatnonzero(column == TEST), (), ()
    held = validating(listed)
    # Classes without clips get no label: the poses published so far lack seven of the 21.
    labels = np.unique(table.labels, return_inverse=True)[1].astype(np.int64)
    return Parts(labels, table.present, np.setdiff1d(listed, held), held, database, query, small, shared)


def hold_out(
    table: ClipTable,
    listed: IntArray,
    fraction: float,
    split_seed: int,
    partition: int | None = None,
    always: np.ndarray | None = None,
) -> IntArray:
    """About ``fraction`` of the clips of ``listed``, taken by whole source videos in every class.

    A class with two source videos or more keeps at least one clip on each side; a class with one gives none.
    The draw depends on the seed, the partition (None: that of the older recipe, which has one alone), the class's name
    and the class's own videos alone. Source videos of which ``always`` ``(N,)`` is true are not taken.
    """
    always = np.zeros(len(table), dtype=bool) if always is None else always
    stream, keys = ("held out", ()) if partition is None else ("part", (partition,))
    held = list[IntArray]()
    for rows in _by_class(table, listed):
        draws = stream_of(split_seed, stream, *keys, _key(table, rows))
        held.append(_held_out_of_class(table, rows, fraction, draws, always[rows]))
    return np.sort(np.concatenate(held))


def _held_out_of_class(
    table: ClipTable, rows: IntArray, fraction: float, draws: np.random.Generator, always: np.ndarray
) -> IntArray:
    every = np.unique(table.groups[rows])
    groups, sizes = np.unique(table.groups[rows[~always]], return_counts=True)
    if len(every) < 2 or not len(groups):
        return rows[:0]
    most = len(groups) - 1 if len(groups) == len(every) else len(groups)
    order = draws.permutation(len(groups))
    target, taken, chosen = fraction * len(rows), 0, list[int]()
    for i in order:
        nearer = abs(taken + sizes[i] - target) < abs(taken - target)
        if nearer and len(chosen) < most:
            chosen.append(int(i))
            taken += int(sizes[i])
    if not chosen:  # Every video is more than twice the target: the smallest does the least harm to train.
        chosen = [min(order.tolist(), key=lambda i: int(sizes[i]))]
    return rows[np.isin(table.groups[rows], groups[chosen])]


def _draw(table: ClipTable, split_seed: int) -> tuple[IntArray, IntArray, IntArray, tuple[str, ...], tuple[str, ...]]:
    trains, databases, queries = list[IntArray](), list[IntArray](), list[IntArray]()
    small, shared = list[str](), list[str]()
    for rows in _by_class(table, np.arange(len(table))):
        name = table.classes[table.labels[rows[0]]]
        generator = stream_of(split_seed, "draw", _key(table, rows))
        queried, stored = SEED_QUERY, SEED_DATABASE
        if len(rows) < SEED_QUERY + SEED_DATABASE:
            small.append(name)
            queried = max(1, len(rows) // 3)
            stored = len(rows) - queried
        held = _query_videos(table.groups[rows], queried, stored, generator)
        if held is None:
            shared.append(name)
            held = np.zeros(len(rows), dtype=bool)
            held[generator.permutation(len(rows))[:queried]] = True
        queries.append(generator.permutation(rows[held])[:queried])
        databases.append(generator.permutation(rows[~held])[:stored])
        trains.append(databases[-1][: max(1, stored * SEED_TRAIN // SEED_DATABASE)])
    train, database, query = (np.sort(np.concatenate(part)) for part in (trains, databases, queries))
    return train, database, query, tuple(small), tuple(shared)


def _query_videos(groups: IntArray, queried: int, stored: int, generator: np.random.Generator) -> np.ndarray | None:
    """Whole source videos with ``queried`` clips or more that leave ``stored`` or more; None where none were found."""
    names, sizes = np.unique(groups, return_counts=True)
    for _ in range(_DRAWS):
        taken, chosen = 0, list[int]()
        for i in generator.permutation(len(names)):
            if taken < queried and len(groups) - taken - sizes[i] >= stored:
                chosen.append(int(i))
                taken += int(sizes[i])
        if taken >= queried:
            return np.isin(groups, names[chosen])
    return None


def _by_class(table: ClipTable, rows: IntArray) -> list[IntArray]:
    labels = table.labels[rows]
    return [rows[labels == label] for label in np.unique(labels)]


def _key(table: ClipTable, rows: IntArray) -> int:
    # Keyed by the class's name, so that a class is drawn alike in modalities that have other classes beside it.
    return zlib.crc32(table.classes[table.labels[rows[0]]].encode())


def stream_of(split_seed: int, stream: str, *keys: int) -> np.random.Generator:
    """The generator of one stream of a split seed."""
    return np.random.default_rng(np.random.SeedSequence([split_seed, _STREAMS[stream], *keys]))
