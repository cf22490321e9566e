"""Hara's 3-D ResNet-18, the encoder of the original, in the layout of his checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch.models.encoders.rgb import RGBEncoder, prepare
from kdsearch.models.weights import load_into

__all__ = ["HaraResNet18", "prepare"]

# Mean and deviation of the original's data loader, on pixels in 0..1.
_MEAN = (0.434, 0.405, 0.378)
_DEVIATION = (0.152, 0.149, 0.157)


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions with a shortcut of type A: strided average pool and zero channels, no parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = _convolution(outputs, outputs, 1)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.stride = stride
        self.added = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """The block on ``[B, inputs, T, H, W]``."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1 or self.added:
            x = F.avg_pool3d(x, kernel_size=1, stride=self.stride)
            x = F.pad(x, (0, 0, 0, 0, 0, 0, 0, self.added))
        return torch.relu_(y + x)


class HaraResNet18(RGBEncoder):
    """``[B, 3, T, H, W]`` bytes to ``[B, 8 width]``.

    Stem 7x7x7 with stride (1, 2, 2), max-pool 3 with stride 2 in time too, four stages of two basic blocks of width,
    2, 4 and 8 width, then the mean over space and time. Source: Hara, Kataoka and Satoh, "Can spatiotemporal 3D CNNs
    retrace the history of 2D CNNs and ImageNet?", CVPR 2018, with the names of their code, so that
    ``resnet-18-kinetics.pth`` (shortcut A, width 64) can be given as ``weights``; its classifier is left out.
    """

    def __init__(self, width: int = 64, weights: str | None = None) -> None:
        super().__init__(_MEAN, _DEVIATION)
        self.features = 8 * width
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.layer1 = self._stage(width, width, 1)
        self.layer2 = self._stage(width, 2 * width, 2)
        self.layer3 = self._stage(2 * width, 4 * width, 2)
        self.layer4 = self._stage(4 * width, 8 * width, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if weights is not None:
            load_into(self, weights, skip=("fc.",))

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.activation_checkpointing`."""
        return [block for stage in (self.layer1, self.layer2, self.layer3, self.layer4) for block in stage]

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))

    def forward(self, clips: Tensor) -> Tensor:
        """Embeddings ``[B, 8 width]`` of a batch."""
        x = torch.relu_(self.bn1(self.conv1(self.normalised(clips))))
        x = F.max_pool3d(x, kernel_size=3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.mean(x, (2, 3, 4))
