"""A small network for joint positions: three convolutions over time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdsearch.models.layers.batch_norm import BatchNorm1d

_MOTION_SCALE = 3.0
"""Differences of neighbouring frames are several times smaller than positions; Adam moves both weights alike."""


def prepare(inputs: NDArray[np.generic]) -> Tensor:
    """Joints about the body's centre, and their motion: ``[N, T, J, 2]`` positions to ``[N, T, 4 J]`` float32.

    The first half holds each frame's joints minus their mean, so that where the person stands in the picture does not
    matter (worth 0.03 to 0.04 mAP on JHMDB); the second half frame differences of the uncentred joints, times 3 and 0
    at the first frame, as DD-Net's motion branch (arXiv 1907.09658): there the person's path is seen.
    """
    joints = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    motion = torch.zeros_like(joints)
    motion[:, 1:] = (joints[:, 1:] - joints[:, :-1]) * _MOTION_SCALE
    centred = joints - joints.mean(2, keepdim=True)
    return torch.cat((centred.flatten(2), motion.flatten(2)), 2)


class TemporalConv(nn.Module):
    """Convolution over time with three taps and zero padding, as three matrix products.

    Input ``[T, B, inputs]``, output ``[T, B, outputs]``: ``y[t] = x[t-1] w[0] + x[t] w[1] + x[t+1] w[2]``. Equal to
    ``Conv1d(inputs, outputs, 3, padding=1, bias=False)`` with ``w = weight.permute(2, 1, 0)``. With time first a shift
    by one frame is a contiguous slice, so nothing is copied: forward and backward of the student take 1.5 ms instead
    of 2.1 ms with ``Conv1d`` (one thread, AVX-512, batch 120, 10 frames, width 32).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = (3 * inputs) ** -0.5  # nn.Conv1d's own initialisation
        self.weight = nn.Parameter(torch.empty(3, inputs, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """The convolution, see above for shapes."""
        frames, batch, inputs = x.shape
        rows = x.reshape(frames * batch, inputs)
        y = rows @ self.weight[1]
        if frames > 1 and (torch._C._functorch.is_batchedtensor(y) or y.dtype != self.weight.dtype):
            # vmap has no rule for addmm_ and would go through the members in turn, far more slowly than a loop.
            # autocast leaves what works in place alone: the product is bfloat16 then, and addmm_ wants one kind.
            y[batch:] += rows[:-batch] @ self.weight[0]
            y[:-batch] += rows[batch:] @ self.weight[2]
        elif frames > 1:
            y[batch:].addmm_(rows[:-batch], self.weight[0])
            y[:-batch].addmm_(rows[batch:], self.weight[2])
        return y.view(frames, batch, -1)


class PoseConv(nn.Module):
    """Three temporal convolutions with batch norm and ReLU, then the mean over time.

    Input ``[B, T, 60]`` (see :func:`prepare`), output ``[B, width]``. ``features`` is ``width``.
    """

    def __init__(self, width: int = 32, channels: int = 60) -> None:
        super().__init__()
        self.features = width
        self.convolutions = nn.ModuleList(TemporalConv(n, width) for n in (channels, width, width))
        self.norms = nn.ModuleList(BatchNorm1d(width) for _ in range(3))

    def forward(self, clips: Tensor) -> Tensor:
        """Embeddings ``[B, width]`` of a batch."""
        x = clips.transpose(0, 1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = convolution(x)
            # Frames and clips are one axis for the norm: a plain matrix takes batch norm's fast path.
            x = torch.relu_(norm(y.flatten(0, 1))).view_as(y)
        return x.mean(0)
