"""A split inside a fold's train part: clips that choose a teacher's epoch and validate none of its students."""

from __future__ import annotations

from typing import Any
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.folds import Fold

APART = 1_000_000
"""Partitions from here on are cut for nothing else."""


class Partitioned(Protocol):
    """What is asked of a data declaration."""

    def parts(self, fold: Fold) -> Any: ...  # noqa: D102


def nested_parts(data: Partitioned, fold: Fold) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Train and validation indices inside the train part of ``fold``.

    Validation is that of a fold of another partition, less what validates in ``fold``: both keep source groups whole,
    so that what is left does too.
    """
    train = data.parts(fold).train
    held = np.isin(train, data.parts(Fold(APART + fold.partition, fold.number)).validation)
    return train[~held], train[held]
