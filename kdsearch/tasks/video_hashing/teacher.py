"""The networks of video hashing, and what a trained teacher says about the clips of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.errors import StudyFileError
from kdsearch.models.heads.hashing import HashingNetwork
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import Role, RunRequest, Scalar
from kdsearch.tasks.frozen import load_state, teacher_file
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.terms import Teacher
from kdsearch.training.files import file_hash
from kdsearch.training.teacher_cache import CachedTeacher, CacheKey, LRUCache, TeacherOutputs, teacher_outputs

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing.task import VideoHashing

TEACHERS = LRUCache[CacheKey, CachedTeacher](32)
"""The teachers that this process asked for last."""

_WHY = "representation_weight or alpha is not 0"


def build_network(task: VideoHashing, role: Role, classes: int) -> HashingNetwork:
    """The network of ``role``, drawn from torch's default generator."""
    options = task.network(role)
    encoder = ENCODERS[task.encoder_name(role)].build(options.width, options.weights)
    return HashingNetwork(encoder, task.bits, classes)


def encoder_blocks(model: nn.Module) -> list[nn.Module]:
    """The parts of the encoder that may be computed again; ``StudyFileError`` where it names none."""
    encoder = model.encoder
    blocks = getattr(encoder, "blocks", None)
    if blocks is None:
        raise StudyFileError(
            f"recompute: {type(encoder).__name__} names no blocks to compute again; leave it out, or choose an "
            "encoder that does (hara_resnet18, r3d_18)"
        )
    return list(blocks())


def needs_teacher(params: Mapping[str, Scalar]) -> bool:
    """Whether any teacher weight of a run is not 0."""
    return float(params["alpha"]) * float(params["classification_weight"]) != 0 or (
        float(params["representation_weight"]) != 0
    )


def find_teacher(task: VideoHashing, request: RunRequest, params: Mapping[str, Scalar], device: str) -> Teacher | None:
    """The teacher's outputs for clips of a batch; ``None`` where every teacher weight is 0: then no file is read."""
    if needs_teacher(params) and "teacher_train_mode" in task.quirks:
        data = dataset(task, "teacher", device)
        live = load_network(task, teacher_file(request, _WHY), data.classes).to(device).train()

        def ask(clips: Tensor) -> TeacherOutputs:
            with torch.no_grad():
                outputs = live(data.inputs.index_select(0, clips.flatten()))
            return TeacherOutputs(*(value.view(*clips.shape, -1) for value in outputs))

        return ask
    return cached_teacher(task, request, params, device)


def cached_teacher(
    task: VideoHashing, request: RunRequest, params: Mapping[str, Scalar], device: str
) -> CachedTeacher | None:
    """The teacher in evaluation mode, its outputs of all clips kept; ``None`` where every teacher weight is 0."""
    if not needs_teacher(params):
        return None
    path, data, options = teacher_file(request, _WHY), dataset(task, "teacher", device), task.network("teacher")
    network = f"{task.encoder_name('teacher')}, width {options.width}, {task.bits} bits, size {task.size}"
    key = CacheKey(file_hash(path), task.fingerprint(), network, options.frames, "float32", device)

    def make() -> CachedTeacher:
        return CachedTeacher(teacher_outputs(load_network(task, path, data.classes).to(device), data.inputs))

    return TEACHERS.get(key, make)


def load_network(task: VideoHashing, path: Path, classes: int) -> HashingNetwork:
    """The teacher of a weights file; :class:`~kdsearch.errors.DataError` where the file is not one of this task."""
    return load_state(build_network(task.with_options(teacher={"weights": None}), "teacher", classes), path)
