"""The clips of video hashing as tensors on a device, kept for the next run of this process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from torch import Tensor

from kdsearch.data.clips import Clips
from kdsearch.data.folds import FIRST, Fold
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import Role
from kdsearch.tasks.declared_data import ClipData
from kdsearch.tasks.nested import index, of_fold
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.feeds import on_device


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
    return of_fold(_dataset(task, role, device, fingerprint), task.data, fold, nested, fingerprint)


@lru_cache(maxsize=2)
def _load_clips(data: ClipData, frames: int, size: int | None, fingerprint: str) -> Clips:
    # A declaration finds its data anew each time it is asked; the fingerprint tells what it found.
    return cast("Clips", data.load(frames, size))


@lru_cache(maxsize=4)
def _dataset(task: VideoHashing, role: Role, device: str, fingerprint: str) -> Dataset:
    frames = task.network("teacher").frames
    clips = _load_clips(task.data, frames, task.size, fingerprint)
    step = frames // task.network(role).frames
    inputs = ENCODERS[task.encoder_name(role)].prepare(clips.inputs[:, ::step])
    parts = (index(part, device) for part in (clips.train, clips.validation, clips.database, clips.query))
    return Dataset(on_device(inputs, device), index(clips.labels, device), len(clips.classes), *parts)
