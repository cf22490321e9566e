"""VGG-16 with batch norm for 32 x 32 pixels: the teacher of seed 004, and MAXL's network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from kdsearch.models.batch_norm import BatchNorm2d
from kdsearch.models.cifar import Classifier
from kdsearch.models.memory_format import channels_last

_BLOCKS = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Channels in multiples of the first block's, and convolutions, of each block."""


class ConvolutionNorm(nn.Module):
    """3x3 convolution with bias, batch norm, ReLU: ``[B, inputs, H, W]`` to ``[B, outputs, H, W]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The layer on a map."""
        return torch.relu(self.norm(self.convolution(x)))


class Vgg16Bn(Classifier):
    """Five blocks of 2, 2, 3, 3 and 3 :class:`ConvolutionNorm`, each with a 2x2 max-pool behind it; one linear layer.

    ``[B, 3, 32, 32]`` to ``[B, classes]``; blocks of ``width``, 2, 4, 8 and 8 width channels, 14,728,266 parameters at
    ``width`` 64 and 10 classes, in torch's initialisation. Larger images leave more than one pixel, whose mean is the
    embedding. Source: Simonyan and Zisserman, arXiv 1409.1556, configuration D, with the single linear layer of
    kuangliu/pytorch-cifar, whose VGG16 the code of seed document 004 trains as teacher.
    """

    def __init__(self, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.stage_channels = tuple(times * width for times, _ in _BLOCKS)
        self.features = self.stage_channels[-1]
        self.layers = nn.ModuleList()
        inputs = 3
        for outputs, (_, count) in zip(self.stage_channels, _BLOCKS, strict=True):
            first = ConvolutionNorm(inputs, outputs)
            self.layers.append(nn.Sequential(first, *(ConvolutionNorm(outputs, outputs) for _ in range(count - 1))))
            inputs = outputs
        self.classify = nn.Linear(self.features, classes)

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.recompute`."""
        return list(self.layers)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps after each of the five max-pools."""
        # For narrow ones, which a CPU trains: 0.26 s instead of 0.34 a step at width 16 and batch 128 on one core. At
        # width 64 it is 1.64 instead of 1.45 (batch 64), but those belong on a GPU.
        maps = [channels_last(images)]
        for layer in self.layers:
            maps.append(F.max_pool2d(layer(maps[-1]), 2))
        return maps[1:]
