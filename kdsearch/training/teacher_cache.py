"""What a frozen teacher says about every clip: computed once, exactly, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch import nn

from kdsearch.training.steppers import forward_all


class TeacherOutputs(NamedTuple):
    """``codes`` ``[N, bits]`` and ``logits`` ``[N, classes]`` of all clips, without a graph."""

    codes: Tensor
    logits: Tensor


@dataclass(frozen=True)
class CacheKey:
    """All that the outputs depend on: weights, data, preprocessing (network and frames), precision and device.

    The mode is no part of it: only evaluation mode can be cached, since in train mode batch norm makes a clip's output
    depend on its batch.
    """

    weights: str
    data: str
    network: str
    frames: int
    dtype: str
    device: str


@dataclass(frozen=True, eq=False)
class CachedTeacher:
    """A teacher that answers from its kept ``outputs`` of all clips."""

    outputs: TeacherOutputs

    def __call__(self, clips: Tensor) -> TeacherOutputs:
        """What it says of clips ``[...]``."""
        return TeacherOutputs(self.outputs.codes[clips], self.outputs.logits[clips])


def teacher_outputs(teacher: nn.Module, inputs: Tensor) -> TeacherOutputs:
    """Outputs of ``teacher`` in evaluation mode for every clip of ``inputs`` ``[N, ...]``."""
    codes, logits = forward_all(teacher, inputs, torch.arange(len(inputs), device=inputs.device))
    # Inference tensors cannot take part in autograd; the student's loss does.
    return TeacherOutputs(codes.clone(), logits.clone())
