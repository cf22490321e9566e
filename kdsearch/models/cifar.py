"""Image classifiers for 32 x 32 pixels: the student of seed 004 and the CIFAR ResNets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from kdsearch.models.batch_norm import BatchNorm2d
from kdsearch.models.memory_format import channels_last


class ClassifierOutput(NamedTuple):
    """``logits`` ``[B, classes]``."""

    logits: Tensor


class StudentNet(nn.Module):
    """Four blocks of 3x3 convolution, batch norm, ReLU and 2x2 max-pooling, then a linear layer.

    ``[B, 3, 32, 32]`` to ``[B, classes]``; 115,658 parameters at ``width`` 64 and 10 classes. Source: the student of
    seed document 004 (peterliht/knowledge-distillation-pytorch), whose README says three layers; its code has four.
    """

    def __init__(self, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, width, 3, padding=1) for i in (3, width, width, width))
        self.norms = nn.ModuleList(BatchNorm2d(width) for _ in range(4))
        self.classify = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> ClassifierOutput:
        """Logits of a batch of normalised images."""
        x = channels_last(images)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.max_pool2d(torch.relu(norm(convolution(x))), 2)
        return ClassifierOutput(self.classify(x.flatten(1)))


class _Block(nn.Module):
    """Two 3x3 convolutions; the shortcut is the identity, strided and padded with zero channels (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(outputs)
        self.stride = stride
        self.added = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """The block on ``[B, inputs, H, W]``."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1 or self.added:
            before = self.added // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added - before))
        return torch.relu(y + x)


class CifarResNet(nn.Module):
    """ResNet for CIFAR of ``depth`` = 6 n + 2 layers: three stages of n blocks of width, 2 and 4 width.

    ``[B, 3, 32, 32]`` to ``[B, classes]``; 269,722 parameters at depth 20, ``width`` 16 and 10 classes. Source: He,
    Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2, with their identity
    shortcuts (option A) and initialisation. Raises ``ValueError`` for another depth.
    """

    def __init__(self, depth: int = 20, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"a CIFAR ResNet has 6 n + 2 layers (20, 32, 44, 56 …), got {depth}")
        count = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.layer1 = self._stage(width, width, 1, count)
        self.layer2 = self._stage(width, 2 * width, 2, count)
        self.layer3 = self._stage(2 * width, 4 * width, 2, count)
        self.classify = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int, count: int) -> nn.Sequential:
        first = _Block(inputs, outputs, stride)
        return nn.Sequential(first, *(_Block(outputs, outputs, 1) for _ in range(count - 1)))

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.recompute`."""
        return [block for stage in (self.layer1, self.layer2, self.layer3) for block in stage]

    def forward(self, images: Tensor) -> ClassifierOutput:
        """Logits of a batch of normalised images."""
        x = torch.relu(self.bn1(self.conv1(channels_last(images))))
        x = self.layer3(self.layer2(self.layer1(x)))
        return ClassifierOutput(self.classify(x.mean((2, 3))))
