"""The parts of a protocol: official train and test lists, or clips drawn a class; and the validation carve."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kdsearch.data.clips import TEST, TRAIN, IntArray, Table

Protocol = Literal["split1", "split2", "split3", "seed"]
PROTOCOLS: tuple[Protocol, ...] = ("split1", "split2", "split3", "seed")

# Clips a class in the JHMDB hashing repository's lists: train_10_210, test_10_210, db_20_420.
SEED_TRAIN, SEED_QUERY, SEED_DATABASE = 10, 10, 20
_DRAWS = 200
_STREAMS = {"draw": 1, "carve": 2, "part": 3, "folds": 4, "films": 5}


@dataclass(frozen=True, eq=False)
class Parts:
    """Labels of all clips, sorted row indices of each part, and the classes too small for what the protocol asks.

    ``labels`` ``(N,)`` index ``classes``, those that have clips. ``small``: classes with fewer clips than the protocol
    draws. ``shared``: classes in which query and database share a source video.
    """

    labels: IntArray
    classes: tuple[str, ...]
    train: IntArray
    validation: IntArray
    database: IntArray
    query: IntArray
    small: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def make_parts(
    table: Table, protocol: Protocol, split_seed: int, validation: float | Callable[[IntArray], IntArray]
) -> Parts:
    """The parts of ``protocol``.

    ``validation``: the fraction of the train list that is carved away, or what tells which of its rows validate.
    """
    if protocol == "seed":
        listed, database, query, small, shared = _draw(table, split_seed)
    else:
        column = table.splits[:, int(protocol.removeprefix("split")) - 1]
        listed = database = np.flatnonzero(column == TRAIN)
        query, small, shared = np.flatnonzero(column == TEST), (), ()
    carved = validation(listed) if callable(validation) else carve(table, listed, validation, split_seed)
    # Classes without clips get no label: the poses published so far lack seven of the 21.
    labels = np.unique(table.labels, return_inverse=True)[1].astype(np.int64)
    return Parts(labels, table.present, np.setdiff1d(listed, carved), carved, database, query, small, shared)


def carve(
    table: Table,
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
    held = np.zeros(len(table), dtype=bool) if always is None else always
    carved = list[IntArray]()
    for rows in _by_class(table, listed):
        if partition is None:
            draws = _generator(table, rows, split_seed, "carve")
        else:
            draws = stream_of(split_seed, "part", partition, _key(table, rows))
        carved.append(_carve_class(table, rows, fraction, draws, held[rows]))
    return np.sort(np.concatenate(carved))


def _carve_class(
    table: Table, rows: IntArray, fraction: float, draws: np.random.Generator, held: np.ndarray
) -> IntArray:
    every = np.unique(table.groups[rows])
    groups, sizes = np.unique(table.groups[rows[~held]], return_counts=True)
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


def _draw(table: Table, split_seed: int) -> tuple[IntArray, IntArray, IntArray, tuple[str, ...], tuple[str, ...]]:
    trains, databases, queries = list[IntArray](), list[IntArray](), list[IntArray]()
    small, shared = list[str](), list[str]()
    for rows in _by_class(table, np.arange(len(table))):
        name = table.classes[table.labels[rows[0]]]
        generator = _generator(table, rows, split_seed, "draw")
        queried, kept = SEED_QUERY, SEED_DATABASE
        if len(rows) < SEED_QUERY + SEED_DATABASE:
            small.append(name)
            queried = max(1, len(rows) // 3)
            kept = len(rows) - queried
        held = _held_out(table.groups[rows], queried, kept, generator)
        if held is None:
            shared.append(name)
            held = np.zeros(len(rows), dtype=bool)
            held[generator.permutation(len(rows))[:queried]] = True
        queries.append(generator.permutation(rows[held])[:queried])
        databases.append(generator.permutation(rows[~held])[:kept])
        trains.append(databases[-1][: max(1, kept * SEED_TRAIN // SEED_DATABASE)])
    train, database, query = (np.sort(np.concatenate(part)) for part in (trains, databases, queries))
    return train, database, query, tuple(small), tuple(shared)


def _held_out(groups: IntArray, queried: int, kept: int, generator: np.random.Generator) -> np.ndarray | None:
    """Whole source videos with ``queried`` clips or more that leave ``kept`` or more, or None where none were found."""
    names, sizes = np.unique(groups, return_counts=True)
    for _ in range(_DRAWS):
        taken, chosen = 0, list[int]()
        for i in generator.permutation(len(names)):
            if taken < queried and len(groups) - taken - sizes[i] >= kept:
                chosen.append(int(i))
                taken += int(sizes[i])
        if taken >= queried:
            return np.isin(groups, names[chosen])
    return None


def _by_class(table: Table, rows: IntArray) -> list[IntArray]:
    labels = table.labels[rows]
    return [rows[labels == label] for label in np.unique(labels)]


def _generator(table: Table, rows: IntArray, split_seed: int, stream: str) -> np.random.Generator:
    return stream_of(split_seed, stream, _key(table, rows))


def _key(table: Table, rows: IntArray) -> int:
    # Keyed by the class's name, so that a class is drawn alike in modalities that have other classes beside it.
    return zlib.crc32(table.classes[table.labels[rows[0]]].encode())


def stream_of(split_seed: int, stream: str, *keys: int) -> np.random.Generator:
    """The generator of one stream of a split seed."""
    return np.random.default_rng(np.random.SeedSequence([split_seed, _STREAMS[stream], *keys]))
