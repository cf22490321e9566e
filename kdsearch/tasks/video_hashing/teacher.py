"""What a trained teacher of video hashing gives for the clips of a batch: codes and logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kdsearch.models.heads.hashing import HashingNetwork
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.frozen import live_outputs, load_state, teacher_file
from kdsearch.tasks.terms import Teacher
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.feeds import TensorFeed
from kdsearch.training.files import file_hash
from kdsearch.training.teacher_cache import CachedTeacher, CacheKey, LRUCache, outputs_of_all

TEACHERS = LRUCache[CacheKey, CachedTeacher](32)
"""The teachers that this process used last."""


def needs_teacher(params: Mapping[str, Scalar]) -> bool:
    """Whether any teacher weight of a run is not 0."""
    return float(params["alpha"]) * float(params["classification_weight"]) != 0 or (
        float(params["representation_weight"]) != 0
    )


def find_teacher(task: VideoHashing, request: RunRequest, params: Mapping[str, Scalar], device: str) -> Teacher | None:
    """The teacher's outputs for clips of a batch; ``None`` where every teacher weight is 0: then no file is read.

    The teacher is in evaluation mode and its outputs for all clips are cached, but with the quirk
    ``teacher_train_mode``.
    """
    if not needs_teacher(params):
        return None
    path, data = teacher_file(request, "representation_weight or alpha is not 0"), dataset(task, "teacher", device)
    if "teacher_train_mode" in task.quirks:
        return live_outputs(load_network(task, path, data.classes).to(device), TensorFeed(data.inputs), device)
    options = task.network("teacher")
    network = f"{task.encoder_name('teacher')}, width {options.width}, {task.bits} bits, size {task.size}"
    key = CacheKey(file_hash(path), network, task.fingerprint(), f"{options.frames} frames, float32", device)

    def make() -> CachedTeacher:
        return CachedTeacher(outputs_of_all(load_network(task, path, data.classes).to(device), data.inputs))

    return TEACHERS.get(key, make)


def load_network(task: VideoHashing, path: Path, classes: int) -> HashingNetwork:
    """The teacher of a weights file; :class:`~kdsearch.errors.DataError` where the file is not one of this task."""
    return load_state(task.build("teacher", classes, pretrained=False), path)
