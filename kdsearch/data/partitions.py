"""Cuts of the train list into folds: whole source videos, or whole films, of every class as alike as they allow."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import ClipTable, IntArray, few
from kdsearch.data.folds import Fold, describe_folds
from kdsearch.data.jhmdb.names import film_of
from kdsearch.data.splits import hold_out, stream_of
from kdsearch.errors import DataError

Holdout = Literal["video", "film"]
BoolArray = NDArray[np.bool_]
HOLDOUTS: tuple[Holdout, ...] = ("video", "film")

ALWAYS = -1
"""In place of a fold's number: the clip validates no run."""


@dataclass(frozen=True)
class Cutting:
    """How the train list becomes folds.

    ``folds``: parts of every partition, each of which validates in turn; 1 holds one part of about ``share`` of the
    list out, cut anew for every partition. ``holdout``: what is never on two sides, a source ``video`` or a whole
    ``film``, whatever classes its clips are of. ``always_train``: names of clips that validate no run, and with them
    no other clip of their source.
    """

    folds: int
    split_seed: int = 0
    holdout: Holdout = "video"
    always_train: tuple[str, ...] = ()
    share: float = 0.2

    def validating(self, table: ClipTable, listed: IntArray, fold: Fold, sources: IntArray | None = None) -> IntArray:
        """Rows of ``listed`` that validate in a fold, ascending.

        ``sources`` ``(N,)`` number what is never on two sides (default: the source videos). ``DataError`` for a fold
        that there is not, for names that are no clips of ``table``, and where the fold has no clip.
        """
        fold.check(self.folds)
        sources = table.groups if sources is None else sources
        always = self._always(table, listed, sources)
        if self.folds == 1 and self.holdout == "video":
            rows = hold_out(table, listed, self.share, self.split_seed, fold.partition, always)
        else:
            # One part of films is a fold of as many as the share says.
            parts = self.folds if self.folds > 1 else max(2, round(1 / self.share))
            numbers = cut(
                table.labels[listed], sources[listed], table.classes, parts, self.split_seed, fold.partition,
                always=always[listed], across=self.holdout == "film",
            )  # fmt: skip
            rows = listed[numbers == fold.number]
        if not len(rows):
            raise DataError(
                f"folds={self.folds}: fold {fold.number} of partition {fold.partition} would have no clip, for the "
                f"train list has {len(np.unique(sources[listed]))} {self.holdout}s. Ask for fewer folds."
            )
        return rows

    def describe(self, table: ClipTable, listed: IntArray, sources: IntArray) -> str:
        """How the list is cut, for descriptions."""
        sizes = [len(self.validating(table, listed, Fold(0, number), sources)) for number in range(self.folds)]
        by = " by source video" if self.holdout == "video" else " by whole film"
        words = describe_folds(sizes, "clips", self.split_seed, by)
        if self.always_train:
            held = self._always(table, listed, sources)
            words += f"; {held[listed].sum()} clips, among them {len(self.always_train)} named ones, validate no run"
        return words

    def _always(self, table: ClipTable, listed: IntArray, sources: IntArray) -> BoolArray:
        """Of every clip whether its source is one of those that always train."""
        row = {name: i for i, name in enumerate(table.names)}
        unknown = [name for name in self.always_train if name not in row]
        if unknown:
            raise DataError(
                f"always_train: expected names of clips such as {table.names[0]}; came {few(unknown)}. Correct them."
            )
        named = np.array([row[name] for name in self.always_train], dtype=np.int64)
        always: BoolArray = np.isin(sources, sources[named])
        if always[listed].all():
            raise DataError(
                "always_train: expected clips that leave some to validate; these are of every source of the train "
                "list. Name fewer, or take a teacher that saw fewer."
            )
        return always

    def check_query(self, table: ClipTable, query: IntArray) -> None:
        """Raise ``DataError`` where clips that always train are test clips."""
        tested = {table.names[row] for row in query}.intersection(self.always_train)
        if tested:
            raise DataError(
                f"always_train: expected clips that train; came {len(tested)} of the test list: "
                f"{few(sorted(tested))}. A teacher that saw them would be tested on what it knows."
            )


def checked_sources(holdout: str, always_train: Sequence[str], folds: int | None) -> tuple[Holdout, tuple[str, ...]]:
    """``holdout`` and ``always_train`` of a declaration; ``DataError`` for what is unknown or needs folds."""
    known = next((name for name in HOLDOUTS if name == holdout), None)
    if known is None:
        raise DataError(f"holdout={holdout!r}: expected video or film.")
    if isinstance(always_train, str):
        raise DataError(f"always_train={always_train!r}: expected a list of clip names.")
    if folds is None and (known != "video" or always_train):
        raise DataError(
            "validation= alone is the older recipe and knows no holdout= or always_train=: give folds= instead."
        )
    return known, tuple(sorted(set(always_train)))


def checked_classes(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    """The classes that a declaration keeps, sorted, so that one choice has one identity however it is written.

    ``DataError`` for fewer than two.
    """
    if classes is not None and (isinstance(classes, str) or len(set(classes)) < 2):
        raise DataError(f"classes={classes!r}: expected the names of two classes or more, or None for all.")
    return None if classes is None else tuple(sorted(set(classes)))


def films_of(table: ClipTable) -> IntArray:
    """Number of each clip's film ``(N,)``, alike in all classes; the names must be official ones."""
    films = [film_of(name, table.classes[label]) for name, label in zip(table.names, table.labels, strict=True)]
    return np.unique(films, return_inverse=True)[1].astype(np.int64)


def cut(
    labels: IntArray,
    groups: IntArray,
    names: Sequence[str],
    folds: int,
    split_seed: int,
    partition: int,
    *,
    always: BoolArray | None = None,
    across: bool = False,
) -> IntArray:
    """The fold ``(N,)`` of every clip, 0 to ``folds`` - 1 (two or more), or -1 for clips that validate no run.

    ``labels`` and ``groups`` ``(N,)``; ``labels`` index the classes' ``names``. A group is never on two sides. Groups
    are placed at random, larger ones first, each where its class is least filled, so that a class's share is alike in
    all folds as far as whole groups allow. Every fold leaves clips of every class to train: a class of one group is in
    no fold (-1), and so are the groups of which ``always`` ``(N,)`` is true. The cut of a class follows from the seed,
    the partition, the class's name and its own groups alone, unless groups go ``across`` classes.
    """
    free: BoolArray = np.ones(len(labels), dtype=bool) if always is None else ~always
    if across:
        return _cut_across(labels, groups, folds, stream_of(split_seed, "films", partition), free)
    numbers = np.full(len(labels), ALWAYS, dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        draws = stream_of(split_seed, "folds", partition, zlib.crc32(names[label].encode()))
        numbers[rows] = _cut_class(groups[rows], folds, draws, free[rows])
    return numbers


def _cut_class(groups: IntArray, folds: int, draws: np.random.Generator, free: BoolArray) -> IntArray:
    own, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    numbers = np.full(len(own), ALWAYS, dtype=np.int64)
    order = draws.permutation(len(own))
    ties = draws.permutation(folds)  # Else what does not divide would lie in the first folds for every class.
    filled = np.zeros(folds, dtype=np.int64)
    placed = np.zeros(len(own), dtype=bool)
    placed[inverse[free]] = True
    if len(own) > 1:
        for i in order[np.argsort(-sizes[order], kind="stable")]:
            if placed[i]:
                fold = ties[filled[ties].argmin()]
                numbers[i] = fold
                filled[fold] += sizes[i]
    return numbers[inverse]


def _cut_across(
    labels: IntArray,
    groups: IntArray,
    folds: int,
    draws: np.random.Generator,
    free: BoolArray,
) -> IntArray:
    """As ``_cut_class`` for groups of several classes: each where the classes' shares come nearest to the target."""
    classes, label = np.unique(labels, return_inverse=True)
    own, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(own), len(classes)))
    np.add.at(counts, (group, label), 1)
    # A class of one group trains always, and that group's clips of other classes with it.
    sole = (counts[:, (counts > 0).sum(0) == 1] > 0).any(1)
    held = sole | ~np.isin(np.arange(len(own)), group[free])
    place = np.full(len(own), ALWAYS, dtype=np.int64)
    # The last column keeps the folds' sizes alike.
    shares = np.concatenate([counts, counts.sum(1, keepdims=True)], 1) / np.append(counts.sum(0), counts.sum())
    filled, order, ties = np.zeros((folds, shares.shape[1])), draws.permutation(len(own)), draws.permutation(folds)
    for i in order[np.argsort(-counts[order].sum(1), kind="stable")]:
        if held[i]:
            continue
        # The sum over folds of squared distances from equal shares grows by this, but for a part common to all folds.
        cost = (filled * shares[i]).sum(1)
        cost[_would_empty(counts, place, held, int(i), folds)] = np.inf
        fold = ties[cost[ties].argmin()]
        if np.isfinite(cost[fold]):
            place[i] = fold
            filled[fold] += shares[i]
        held[i] = True
    return place[group]


def _would_empty(counts: NDArray[np.float64], place: IntArray, held: BoolArray, group: int, folds: int) -> BoolArray:
    """Folds that would hold all clips of some class if ``group`` were placed there last."""
    refused = np.zeros(folds, dtype=bool)
    others = np.arange(len(counts)) != group
    for c in np.flatnonzero(counts[group]):
        rest = np.flatnonzero((counts[:, c] > 0) & others)
        if held[rest].all() and len(set(place[rest])) == 1 and place[rest[0]] != ALWAYS:
            refused[place[rest[0]]] = True
    return refused
