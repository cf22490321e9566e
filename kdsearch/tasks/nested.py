"""The parts of a fold as indices, and a split inside its train part, which chooses a teacher's epoch."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.folds import FIRST, Fold
from kdsearch.tasks.declared_data import DataDeclaration

APART = 1_000_000
"""Partitions from here on are cut for nothing else."""

Dataset = TypeVar("Dataset", bound=Any)
"""A dataclass whose ``train`` and ``validation`` are indices."""


def of_fold(first: Dataset, data: DataDeclaration, fold: Fold, nested: bool, fingerprint: str) -> Dataset:
    """``first``, which is of the first fold, with the indices of ``fold``, or with ``nested`` of the split inside it.

    A declaration finds its data anew each time; ``fingerprint`` tells what it found.
    """
    if fold == FIRST and not nested:
        return first
    train, validation = _fold_indices(data, fold, nested, fingerprint, first.labels.device)
    changed: Dataset = replace(first, train=train, validation=validation)
    return changed


@lru_cache(maxsize=256)
def _fold_indices(
    data: DataDeclaration, fold: Fold, nested: bool, fingerprint: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Kept for the next run, so that all runs of a fold have the same objects."""
    parts = data.parts(fold)
    train, validation = nested_parts(data, fold) if nested else (parts.train, parts.validation)
    return index(train, device), index(validation, device)


def index(values: Any, device: torch.device | str) -> Tensor:
    """Row numbers as int64 on ``device``."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64)).to(device)


def nested_parts(data: DataDeclaration, fold: Fold) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Train and validation indices inside the train part of ``fold``.

    Validation is that of a fold of another partition, less what validates in ``fold``: both keep source groups whole,
    so that what is left does too.
    """
    train = data.parts(fold).train
    held = np.isin(train, data.parts(Fold(APART + fold.partition, fold.number)).validation)
    return train[~held], train[held]
