"""VGG-16 with batch norm: for 32 x 32 pixels, as KD-pytorch's teacher and MAXL's network, and ImageNet's own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from kdsearch.models.classifiers.pretrained import Pretrained
from kdsearch.models.layers.batch_norm import BatchNorm2d
from kdsearch.models.layers.memory_format import channels_last

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


class Vgg16Bn(Pretrained):
    """Five blocks of 2, 2, 3, 3 and 3 :class:`ConvolutionNorm`, each with a 2x2 max-pool behind it; one linear layer.

    ``[B, 3, 32, 32]`` to ``[B, classes]``; blocks of ``width``, 2, 4, 8 and 8 width channels, 14,728,266 parameters at
    ``width`` 64 and 10 classes, in torch's initialisation. Larger images leave more than one pixel, whose mean is the
    embedding. Source: Simonyan and Zisserman, arXiv 1409.1556, configuration D, with the single linear layer of
    kuangliu/pytorch-cifar, whose VGG16 the CIFAR-10 repository trains as teacher. The convolutions of
    torchvision's ``vgg16_bn`` are its own at width 64 and can be given as weights; the last layer is then drawn.
    """

    head = "classifier"

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

    @override
    def parts_before(self, stage: int) -> list[nn.Module]:
        return list(self.layers)[: stage - 1]

    def _body(self) -> dict[str, nn.Module]:
        # torchvision numbers convolution, norm, ReLU and max-pool in one row.
        named: dict[str, nn.Module] = {}
        place = 0
        for block in self.layers:
            for layer in cast("nn.Sequential", block):
                named |= {str(place): layer.convolution, str(place + 1): layer.norm}  # type: ignore[dict-item]
                place += 3
            place += 1
        return {"features": nn.ModuleDict(named)}

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.activation_checkpointing`."""
        return list(self.layers)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps after each of the five max-pools."""
        # For narrow ones, which a CPU trains: 0.26 s instead of 0.34 a step at width 16 and batch 128 on one core. At
        # width 64 it is 1.64 instead of 1.45 (batch 64), but those belong on a GPU.
        maps = [channels_last(images)]
        for layer in self.layers:
            maps.append(F.max_pool2d(layer(maps[-1]), 2))
        return maps[1:]


class ImageNetVgg16Bn(Vgg16Bn):
    """torchvision's ``vgg16_bn`` for 224 pixels: three linear layers on the last map, brought to 7 x 7 pixels.

    ``[B, 3, H, W]`` to ``[B, classes]``; 138,365,992 parameters at ``width`` 64 and 1,000 classes. The embedding is
    what the first two linear layers make, ``[B, 64 width]``. Its dropout is left out: a source of soft labels, which
    this is for, runs in evaluation mode.
    """

    head = "classifier.6"

    def __init__(self, classes: int = 1000, width: int = 64) -> None:
        super().__init__(classes, width)
        self.features = 64 * width
        self.first = nn.Linear(49 * self.stage_channels[-1], self.features)
        self.second = nn.Linear(self.features, self.features)
        self.classify = nn.Linear(self.features, classes)

    @override
    def parts_before(self, stage: int) -> list[nn.Module]:
        """The last layer alone is behind all stages."""
        return [*super().parts_before(stage), *([self.first, self.second] if stage > len(self.layers) else [])]

    @override
    def layout(self) -> nn.Module:
        """Linear layers are numbered with what lies between."""
        linear = nn.ModuleDict({"0": self.first, "3": self.second, "6": self.classify})
        named = type(type(self).__name__, (nn.ModuleDict,), {})
        return cast("nn.Module", named({**self._body(), "classifier": linear}))

    def pool(self, last: Tensor) -> Tensor:
        """The embedding ``[B, 64 width]`` of the last map at 7 x 7 pixels."""
        x = F.adaptive_avg_pool2d(last, 7).flatten(1)
        return torch.relu(self.second(torch.relu(self.first(x))))
