"""What video hashing reads of its data: labels and parts when it is declared, clips as tensors when it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.folds import FIRST, Fold
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import Role
from kdsearch.tasks.nested import fold_indices, index
from kdsearch.training.feeds import placed

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing.task import VideoHashing


class ClipsLike(Protocol):
    """What this task reads of ``kdsearch.data.clips.Clips``."""

    inputs: NDArray[np.generic]
    labels: NDArray[np.integer]
    classes: Sequence[str]
    train: NDArray[np.integer]
    validation: NDArray[np.integer]
    database: NDArray[np.integer]
    query: NDArray[np.integer]


class DataLike(Protocol):
    """What this task reads of a data declaration such as ``kdsearch.data.jhmdb(...)``.

    ``load(frames, size)`` gives :class:`ClipsLike`; ``parts(fold)`` gives its labels and the index arrays of a fold,
    reading no frame. ``folds``: how many there are, ``None`` where one split stands for all.
    """

    @property
    def label(self) -> str: ...  # noqa: D102

    @property
    def description(self) -> str: ...  # noqa: D102

    @property
    def modality(self) -> str: ...  # noqa: D102

    @property
    def folds(self) -> int | None: ...  # noqa: D102

    def identity(self) -> dict[str, Any]: ...  # noqa: D102

    def fingerprint(self) -> str: ...  # noqa: D102

    def parts(self, fold: Fold = FIRST) -> Any: ...  # noqa: D102

    def load(self, frames: int, size: int | None = None) -> Any: ...  # noqa: D102

    def __hash__(self) -> int: ...


@lru_cache(maxsize=2)
def _load_clips(data: DataLike, frames: int, size: int | None, fingerprint: str) -> ClipsLike:
    # A declaration finds its data anew each time it is asked; the fingerprint tells what it found.
    return cast("ClipsLike", data.load(frames, size))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset as one role sees it, on the device.

    ``inputs`` ``[N, ...]`` as the role's encoder reads them, in the host's memory where a GPU has no room for them;
    ``labels`` ``[N]`` int64; the rest are indices into them.
    """

    inputs: Tensor
    labels: Tensor
    classes: int
    train: Tensor
    validation: Tensor
    database: Tensor
    query: Tensor


def dataset(task: VideoHashing, role: Role, device: str, fold: Fold = FIRST, nested: bool = False) -> Dataset:
    """The task's data for ``role``, kept for the next run of this process; all folds share the clips.

    ``nested``: the fold is left aside, and other clips validate, see ``tasks.nested``.

    Both roles sample the teacher's frames; the student takes every ``teacher // student``-th of them.
    """
    fingerprint = task.fingerprint()
    first = _dataset(task, role, device, fingerprint)
    if fold == FIRST and not nested:
        return first
    train, validation = fold_indices(task.data, fold, nested, fingerprint, first.labels.device)
    return replace(first, train=train, validation=validation)


@lru_cache(maxsize=4)
def _dataset(task: VideoHashing, role: Role, device: str, fingerprint: str) -> Dataset:
    frames = task.network("teacher").frames
    clips = _load_clips(task.data, frames, task.size, fingerprint)
    step = frames // task.network(role).frames
    inputs = ENCODERS[task.encoder_name(role)].prepare(clips.inputs[:, ::step])

    parts = (index(part, device) for part in (clips.train, clips.validation, clips.database, clips.query))
    return Dataset(placed(inputs, device), index(clips.labels, device), len(clips.classes), *parts)
