"""What a frozen teacher says about every clip: computed once, exactly, and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import astuple
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch import nn

from kdsearch.training.files import load_safely
from kdsearch.training.files import save_atomically
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

    def file_name(self) -> str:
        """Name of this key's file in a cache folder; the device is no part of it."""
        return sha256(repr(astuple(self)[:-1]).encode()).hexdigest()[:32] + ".pt"


class TeacherCache:
    """Outputs in this process, the last ``size`` teachers of them, and in ``folder`` where one is given."""

    def __init__(self, size: int = 4, folder: Path | None = None) -> None:
        self.size = size
        self.folder = folder
        self._kept: OrderedDict[CacheKey, TeacherOutputs] = OrderedDict()

    def get(self, key: CacheKey, compute: Callable[[], TeacherOutputs]) -> TeacherOutputs:
        """The outputs of ``key``: kept, else read from the folder, else computed and kept in both."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        outputs = self._read(key)
        if outputs is None:
            outputs = compute()
            if self.folder is not None:
                save_atomically(tuple(part.cpu() for part in outputs), self.folder / key.file_name())
        self._kept[key] = outputs
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)
        return outputs

    def _read(self, key: CacheKey) -> TeacherOutputs | None:
        content = None if self.folder is None else load_safely(self.folder / key.file_name())
        if not isinstance(content, tuple) or len(content) != 2:
            return None
        return TeacherOutputs(*(part.to(key.device) for part in content))


def teacher_outputs(teacher: nn.Module, inputs: Tensor) -> TeacherOutputs:
    """Outputs of ``teacher`` in evaluation mode for every clip of ``inputs`` ``[N, ...]``."""
    codes, logits = forward_all(teacher, inputs, torch.arange(len(inputs), device=inputs.device))
    # Inference tensors cannot take part in autograd; the student's loss does.
    return TeacherOutputs(codes.clone(), logits.clone())
