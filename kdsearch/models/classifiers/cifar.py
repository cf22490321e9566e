"""What every classifier offers, and those for 32 x 32 pixels: StudentNet and the CIFAR ResNets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch.models.layers.batch_norm import BatchNorm2d
from kdsearch.models.layers.memory_format import channels_last


class ClassifierOutput(NamedTuple):
    """``logits`` ``[B, classes]``."""

    logits: Tensor


class Classifier(nn.Module):
    """Images ``[B, 3, H, W]``, or clips ``[B, 3, T, H, W]`` where ``dims`` is 3, as normalised floats, to logits.

    ``stages`` gives the maps after each stage, with ``stage_channels`` channels; ``pool`` turns the last into the
    embedding ``[B, features]``, which ``classify``, a linear layer, reads. Whoever needs maps and embedding calls
    ``stages`` and ``pool``, so that the network runs once.
    """

    dims: int = 2
    features: int
    stage_channels: tuple[int, ...]
    classify: nn.Module

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps ``[B, C, ...]`` after each stage."""
        raise NotImplementedError

    def pool(self, last: Tensor) -> Tensor:
        """The embedding ``[B, features]`` of the last stage's map: its mean over space, and time."""
        return last.flatten(2).mean(2)

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings ``[B, features]`` of a batch."""
        return self.pool(self.stages(images)[-1])

    def forward(self, images: Tensor) -> ClassifierOutput:
        """Logits of a batch."""
        return ClassifierOutput(self.classify(self.embed(images)))


class StudentNet(Classifier):
    """Four blocks of 3x3 convolution, batch norm, ReLU and 2x2 max-pooling, then a linear layer.

    ``[B, 3, 32, 32]`` to ``[B, classes]``; 115,658 parameters at ``width`` 64 and 10 classes. Source: the student of
    peterliht/knowledge-distillation-pytorch and the CIFAR-10 repository, whose README says three layers; its code has
    four.
    """

    def __init__(self, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.features = 4 * width
        self.stage_channels = (width,) * 4
        self.convolutions = nn.ModuleList(nn.Conv2d(i, width, 3, padding=1) for i in (3, width, width, width))
        self.norms = nn.ModuleList(BatchNorm2d(width) for _ in range(4))
        self.classify = nn.Linear(self.features, classes)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps after each of the four blocks."""
        maps = [channels_last(images)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps.append(F.max_pool2d(torch.relu(norm(convolution(maps[-1]))), 2))
        return maps[1:]

    def pool(self, last: Tensor) -> Tensor:
        """All of the last block's 2 x 2 pixels, no mean."""
        return last.flatten(1)


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


class CifarResNet(Classifier):
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
        self.features = 4 * width
        self.stage_channels = (width, 2 * width, 4 * width)
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.layer1 = self._stage(width, width, 1, count)
        self.layer2 = self._stage(width, 2 * width, 2, count)
        self.layer3 = self._stage(2 * width, 4 * width, 2, count)
        self.classify = nn.Linear(self.features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int, count: int) -> nn.Sequential:
        first = _Block(inputs, outputs, stride)
        return nn.Sequential(first, *(_Block(outputs, outputs, 1) for _ in range(count - 1)))

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.activation_checkpointing`."""
        return [block for stage in (self.layer1, self.layer2, self.layer3) for block in stage]

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps after each of the three stages."""
        first = self.layer1(torch.relu(self.bn1(self.conv1(channels_last(images)))))
        second = self.layer2(first)
        return [first, second, self.layer3(second)]
