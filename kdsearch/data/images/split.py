"""Which images of a set are taken and which of them validate: of each class alike, drawn with the split seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import DataError

IntArray = NDArray[np.int64]


def class_indices(only: Sequence[str] | None, classes: tuple[str, ...]) -> list[int]:
    """Indices of the classes ``only``, in the order of the data set; ``DataError`` for a name that it lacks."""
    if only is None:
        return list(range(len(classes)))
    unknown = [name for name in only if name not in classes]
    if unknown:
        named = ", ".join(classes[:20]) + (" ..." if len(classes) > 20 else "")
        raise DataError(f"classes: expected two or more of {named}; got {', '.join(unknown)}. Correct them.")
    return sorted(classes.index(name) for name in set(only))


def chosen(
    labels: NDArray[Any], classes: list[int], count: int | None, draws: np.random.Generator, part: str
) -> IntArray:
    """Rows ascending: those of the given classes, or so many of them, of each class alike.

    ``labels`` ``[n]`` or, of several classes an image, ``[n, C]``: then each class keeps its share of the images, as
    near as whole images allow. ``DataError`` where there are fewer than ``count``.
    """
    single = labels.ndim == 1
    if single:
        rows = np.flatnonzero(np.isin(labels, classes))
    elif len(classes) == labels.shape[1]:
        rows = np.arange(len(labels))  # also those that show nothing but what is to be ignored: they are official
    else:
        rows = np.flatnonzero((labels[:, classes] == 1).any(1))
    if len(rows) == 0:
        raise DataError(f"{part}: expected images of the classes asked for; came none. Get the files again.")
    if count is None:
        return rows
    if count > len(rows):
        raise DataError(f"{part}={count}: there are {len(rows)} such images; ask for as many at most, or leave it out.")
    if not single:
        return rows[_in_proportion(_rarest(labels[rows]), count, draws)]
    taken = []
    for place, label in enumerate(classes):
        own = draws.permutation(rows[labels[rows] == label])
        wanted = count // len(classes) + (place < count % len(classes))
        if wanted > len(own):
            raise DataError(
                f"{part}={count}: that is {wanted} images of class {label}, which has {len(own)}; ask for fewer."
            )
        taken.append(own[:wanted])
    return np.sort(np.concatenate(taken))


def renumbered(labels: NDArray[Any], classes: list[int]) -> NDArray[Any]:
    """Labels counted anew over the given classes alone."""
    return np.searchsorted(classes, labels).astype(np.int64) if labels.ndim == 1 else labels[:, classes]


def held_out(labels: NDArray[Any], share: float, draws: np.random.Generator) -> IntArray:
    """Indices that validate, ascending: of each class its share, one at least and never all.

    An image of several classes counts as one of its rarest class, so that rare ones are met in both parts; there a
    class's share is met within an image of its stratum, and a class of one image may lie in either part.
    """
    if labels.ndim == 2:
        if len(labels) < 2:
            raise DataError(f"there is {len(labels)} training image: one trains and one validates; take more.")
        count = min(len(labels) - 1, max(1, round(share * len(labels))))
        return _in_proportion(_rarest(labels), count, draws)
    taken = []
    for label in np.unique(labels):
        own = draws.permutation(np.flatnonzero(labels == label))
        if len(own) < 2:
            _refuse_alone(label, len(own))
        taken.append(own[: min(len(own) - 1, max(1, round(share * len(own))))])
    return np.sort(np.concatenate(taken))


def cut(labels: NDArray[Any], folds: int, draws: np.random.Generator) -> IntArray:
    """The fold ``[n]`` of every image, 0 to ``folds`` - 1 (two or more), of each class and in all alike within one.

    An image of several classes counts as one of its rarest class; the only image of a class is in no fold (-1), so that
    it always trains. ``DataError`` where a class of one class an image has but one.
    """
    single = labels.ndim == 1
    if single:
        counted, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            _refuse_alone(counted[counts.argmin()], int(counts.min()))
    # A whole turn of the folds is dealt to each class before any of them gets a second image of it.
    shuffled = draws.permutation(len(labels))
    order = shuffled[np.argsort((labels if single else _rarest(labels))[shuffled], kind="stable")]
    numbers = np.empty(len(labels), dtype=np.int64)
    numbers[order] = draws.permutation(folds)[np.arange(len(labels)) % folds]
    if not single:
        shows = labels == 1
        numbers[shows[:, shows.sum(0) == 1].any(1)] = -1
    return numbers


def _refuse_alone(label: object, count: int) -> NoReturn:
    raise DataError(f"class {label} has {count} training image: one trains and one validates; take more.")


def _rarest(labels: NDArray[Any]) -> IntArray:
    """Of each row of ``[n, C]`` the class that it shows and fewest others do; C where it shows none."""
    shows = labels == 1
    order = np.argsort(shows.sum(0), kind="stable")  # classes, rare ones first
    first = shows[:, order].argmax(1)
    rarest: IntArray = np.where(shows.any(1), order[first], labels.shape[1]).astype(np.int64)
    return rarest


def _in_proportion(strata: IntArray, count: int, draws: np.random.Generator) -> IntArray:
    """``count`` places, ascending, of each stratum its share: a running total is rounded, so that no rest is lost."""
    taken, seen, had = [], 0, 0
    for stratum in np.unique(strata):
        own = draws.permutation(np.flatnonzero(strata == stratum))
        seen += len(own)
        wanted = round(count * seen / len(strata)) - had
        taken.append(own[:wanted])
        had += wanted
    return np.sort(np.concatenate(taken))
