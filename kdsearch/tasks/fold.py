"""What a user's function sees of the fold that validates its run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from kdsearch.data.clips import IntArray
from kdsearch.data.partitions import cut
from kdsearch.errors import DataError

_PARTS_OF_ONE = 5
"""Where a study has one fold, it holds a fifth: data of kdsearch's own do the same."""


@dataclass(frozen=True)
class Fold:
    """Fold ``number`` of ``folds`` of the train data's ``partition``, number and partition counted from 0.

    Runs of the search take the folds of partition 0 in turn. Fresh seed i has fold i mod ``folds`` of partition
    1 + i // ``folds``: one that is cut for it and its neighbours alone.
    """

    number: int
    partition: int
    folds: int

    def split(
        self, labels_or_count: int | Sequence[Any] | IntArray, groups: Sequence[Hashable] | IntArray | None = None
    ) -> tuple[IntArray, IntArray]:
        """Indices of the samples that train, and of those that validate, ascending.

        ``labels_or_count``: the class of each sample ``(N,)``, whole numbers or words, so that each class has like
        shares in all folds; or N, where there are no classes. ``groups`` ``(N,)``: what is never on two sides, such as
        the source video, the speaker or the patient; without it each sample is its own. A class of one group always
        trains. The cut follows from these and the partition alone, so that every run of a fold has the same one. Raises
        ``DataError`` where the fold would be empty.
        """
        labels, names = _labels(labels_or_count)
        numbers, across = _groups(groups, labels)
        parts = self.folds if self.folds > 1 else _PARTS_OF_ONE
        part = cut(labels, numbers, names, parts, 0, self.partition, across=across)
        validation = np.flatnonzero(part == self.number)
        if not len(validation):
            raise DataError(
                f"fold {self.number} of {self.folds} would have no sample: expected {parts} samples or more, each of a "
                f"class and a group such that the class has others; came {len(labels)} samples of {len(names)} "
                f"classes in {len(np.unique(numbers))} groups. Ask for fewer folds, or give the number of samples in "
                "place of labels that are no classes"
            )
        return np.flatnonzero(part != self.number), validation


def _labels(given: Any) -> tuple[IntArray, tuple[str, ...]]:
    """Each sample's class as a number, and the classes' names."""
    if isinstance(given, Integral):
        return np.zeros(max(0, int(given)), dtype=np.int64), ("all",)
    values = np.asarray(given)
    whole = values.dtype.kind in "iubUS" or (values.dtype.kind == "f" and bool((values == np.round(values)).all()))
    if values.ndim != 1 or not whole:
        raise DataError(
            f"split: expected a number of samples, or the class of each as whole numbers or words; came an array of "
            f"shape {values.shape} of {values.dtype}. Give the number of samples where they are not of one class each"
        )
    classes, labels = np.unique(values.astype(np.int64) if values.dtype.kind == "f" else values, return_inverse=True)
    return labels.astype(np.int64), tuple(str(name) for name in classes.tolist())


def _groups(given: Any, labels: IntArray) -> tuple[IntArray, bool]:
    """Each sample's group as a number, and whether some group has samples of several classes."""
    if given is None:
        return np.arange(len(labels)), False
    own = list(given)
    if len(own) != len(labels):
        raise DataError(f"split: expected the group of each of {len(labels)} samples, came {len(own)}")
    values = np.asarray(own)
    if values.ndim == 1 and values.dtype.kind in "iubfUS":
        numbers = np.unique(values, return_inverse=True)[1].astype(np.int64)
    else:  # such as pairs: numbered as they come
        known: dict[Any, int] = {}
        numbers = np.array([known.setdefault(group, len(known)) for group in own], dtype=np.int64)
    pairs = np.unique(np.stack([numbers, labels]), axis=1)
    return numbers, pairs.shape[1] > len(np.unique(numbers))
