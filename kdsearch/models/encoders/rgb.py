"""What encoders of RGB clips share: how clips are prepared, and the normalisation of their pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdsearch.models.layers.memory_format import tensor_of


def prepare(inputs: NDArray[np.generic]) -> Tensor:
    """RGB clips ``[N, T, H, W, 3]`` bytes to ``[N, 3, T, H, W]`` bytes, in the same memory."""
    return tensor_of(np.asarray(inputs, dtype=np.uint8)).permute(0, 4, 1, 2, 3)


class RGBEncoder(nn.Module):
    """An encoder of bytes ``[B, 3, T, H, W]`` whose weights expect pixels in 0..1 of this mean and deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        # Not persistent: a file of weights has its network's own layout.
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1, 1), persistent=False)

    def normalised(self, clips: Tensor) -> Tensor:
        """``(clips / 255 - mean) / deviation`` by channel."""
        return (clips.to(self.mean.dtype) / 255 - self.mean) / self.deviation
