"""A small 3-D convolutional network for person masks and silhouettes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdsearch.models.layers.batch_norm import BatchNorm3d
from kdsearch.models.layers.memory_format import channels_last


def prepare(inputs: NDArray[np.generic]) -> Tensor:
    """Grey clips ``[N, T, H, W]``, bytes of any scale, to bytes ``[N, 1, T, H, W]`` in 0..255.

    The largest value of the dataset becomes 255 (masks hold 0 and 1, silhouettes 0 to 15). Bytes, because a quarter of
    the memory traffic when a batch is gathered is worth more than a conversion saved.
    """
    largest = max(int(inputs.max()), 1)
    # By a table: the masks of JHMDB as floats would be gigabytes on the way.
    table = (np.arange(largest + 1, dtype=np.float32) * (255 / largest)).round().astype(np.uint8)
    return torch.from_numpy(table[inputs]).unsqueeze(1)


class SilhouetteConv(nn.Module):
    """Three 3-D convolutions of stride 2 in space with batch norm and ReLU, then the mean over time and space.

    Input ``[B, 1, T, H, W]`` bytes (see :func:`prepare`), output ``[B, 4 width]``; channels grow as width, 2 width,
    4 width, and the third convolution halves time too where there are frames enough.
    """

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.features = 4 * width
        channels = (1, width, 2 * width, 4 * width)
        strides = ((1, 2, 2), (1, 2, 2), (2, 2, 2))
        self.convolutions = nn.ModuleList(
            nn.Conv3d(channels[i], channels[i + 1], 3, stride=strides[i], padding=1, bias=False) for i in range(3)
        )
        self.norms = nn.ModuleList(BatchNorm3d(n) for n in channels[1:])

    def forward(self, clips: Tensor) -> Tensor:
        """Embeddings ``[B, 4 width]`` of a batch."""
        x = clips.to(next(self.parameters()).dtype) / 255
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # From the first convolution on: its input has one channel, whose order is none.
            x = torch.relu_(norm(channels_last(convolution(x))))
        return x.mean((2, 3, 4))
