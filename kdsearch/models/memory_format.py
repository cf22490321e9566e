"""Which order images lie in: pixels of all channels together where that is the faster one."""

from __future__ import annotations

import torch
from torch import Tensor


def channels_last(images: Tensor) -> Tensor:
    """``images`` ``[B, C, H, W]`` with channels innermost in memory; values and shape stay.

    On one core (AVX-512, batch 128) a float32 training step of StudentNet took 134 ms instead of 174, of ResNet-20 223
    instead of 270; under bfloat16 autocast 54 instead of 106 and 150 instead of 161. Convolutions pass the order on.
    Under vmap, which folds members into channels, nothing is done.
    """
    if torch._C._functorch.is_batchedtensor(images):
        return images
    return images.contiguous(memory_format=torch.channels_last)
