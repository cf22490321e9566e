"""The parts of a fold as indices, and a split inside its train part, which chooses a teacher's epoch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.folds import Fold

APART = 1_000_000
"""Partitions from here on are cut for nothing else."""


class Partitioned(Protocol):
    """What is asked of a data declaration."""

    def parts(self, fold: Fold) -> Any: ...  # noqa: D102

    def __hash__(self) -> int: ...


@lru_cache(maxsize=256)
def fold_indices(
    data: Partitioned, fold: Fold, nested: bool, fingerprint: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Train and validation indices of a fold, or with ``nested`` of the split inside it; kept for the next run.

    A declaration finds its data anew each time; ``fingerprint`` tells what it found.
    """
    parts = data.parts(fold)
    train, validation = nested_parts(data, fold) if nested else (parts.train, parts.validation)
    return index(train, device), index(validation, device)


def index(values: Any, device: torch.device | str) -> Tensor:
    """Row numbers as int64 on ``device``."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64)).to(device)


def nested_parts(data: Partitioned, fold: Fold) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Train and validation indices inside the train part of ``fold``.

    Validation is that of a fold of another partition, less what validates in ``fold``: both keep source groups whole,
    so that what is left does too.
    """
    train = data.parts(fold).train
    held = np.isin(train, data.parts(Fold(APART + fold.partition, fold.number)).validation)
    return train[~held], train[held]
