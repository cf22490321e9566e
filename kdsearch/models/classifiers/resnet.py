"""ResNets that take pretrained weights, as classifiers: torchvision's of images, and the encoders of clips."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from kdsearch.models.classifiers.pretrained import Pretrained
from kdsearch.models.encoders.r3d import R3D18
from kdsearch.models.encoders.resnet3d_hara import HaraResNet18
from kdsearch.models.layers.batch_norm import BatchNorm2d, BatchNorm3d
from kdsearch.torchvision_compat import import_torchvision

_DEPTHS = {
    18: ("BasicBlock", (2, 2, 2, 2)),
    34: ("BasicBlock", (3, 4, 6, 3)),
    50: ("Bottleneck", (3, 4, 6, 3)),
}
"""Kind of block and number of blocks in each stage."""


class ResNet(Pretrained):
    """A ResNet, of images by torchvision's blocks or around an encoder of clips, that can be filled from a file."""

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.activation_checkpointing`."""
        return [block for stage in self._layers() for block in cast("nn.Sequential", stage)]

    @override
    def stages(self, images: Tensor) -> list[Tensor]:
        maps = [self._stem(images)]
        for layer in self._layers():
            maps.append(layer(maps[-1]))
        return maps[1:]

    @override
    def parts_before(self, stage: int) -> list[nn.Module]:
        kept = {f"layer{i}" for i in range(stage, 5)}
        return [part for name, part in self._body().items() if name not in kept]

    def _stem(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def _layers(self) -> list[nn.Module]:
        body = self._body()
        return [body[f"layer{i}"] for i in range(1, 5)]


class ImageResNet(ResNet):
    """torchvision's ResNet of ``depth`` 18, 34 or 50: ``[B, 3, H, W]`` to ``[B, classes]``.

    Stem 7x7 with stride 2 and max-pool, then stages of width, 2, 4 and 8 width channels (four times as many at depth
    50). At ``width`` 64 it is torchvision's own: same parameters, same draws from a seed, and its weights fit. Built
    here of torchvision's blocks, since its class has 64 written into it. Source: He, Zhang, Ren and Sun, CVPR 2016.
    """

    def __init__(self, depth: int, classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        import_torchvision()
        from torchvision.models import resnet

        kind, counts = _DEPTHS[depth]
        block: Any = getattr(resnet, kind)
        self.stage_channels = tuple(block.expansion * width * 2**i for i in range(4))
        self.features = self.stage_channels[-1]
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(width)
        inputs = width
        for i, (outputs, count) in enumerate(zip(self.stage_channels, counts, strict=True)):
            self.add_module(f"layer{i + 1}", _stage(block, inputs, outputs, count, 1 if i == 0 else 2))
            inputs = outputs
        self.classify = nn.Linear(self.features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _body(self) -> dict[str, nn.Module]:
        return {name: module for name, module in self.named_children() if name != "classify"}

    def _stem(self, images: Tensor) -> Tensor:
        # Channels stay outermost: on one core channels_last gained nothing, or lost (0.77 s to 0.65 at 96 pixels).
        x = torch.relu_(self.bn1(self.conv1(images)))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


def _stage(block: Any, inputs: int, outputs: int, count: int, stride: int) -> nn.Sequential:
    """``count`` of torchvision's blocks; the first has a 1x1 convolution as shortcut where shapes change."""
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), BatchNorm2d(outputs))
    planes = outputs // block.expansion
    blocks = [block(inputs, planes, stride, shortcut, norm_layer=BatchNorm2d)]
    return nn.Sequential(*blocks, *(block(outputs, planes, norm_layer=BatchNorm2d) for _ in range(count - 1)))


class ClipResNet(ResNet):
    """A 3-D ResNet-18 as a classifier of normalised clips ``[B, 3, T, H, W]``; ``network`` is its body."""

    dims = 3

    def __init__(self, network: nn.Module, classes: int, width: int) -> None:
        super().__init__()
        self.stage_channels = (width, 2 * width, 4 * width, 8 * width)
        self.features = 8 * width
        self.network = _with_our_norms(network)
        self.classify = nn.Linear(self.features, classes)

    @override
    def _body(self) -> dict[str, nn.Module]:
        return {name: module for name, module in self.network.named_children() if name != "fc"}


class ClipR3D18(ClipResNet):
    """:class:`~kdsearch.models.encoders.r3d.R3D18` as a classifier."""

    def __init__(self, classes: int = 400, width: int = 64) -> None:
        super().__init__(R3D18(width).network, classes, width)

    @override
    def _stem(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.network.stem(images))


class ClipHaraResNet18(ClipResNet):
    """``HaraResNet18`` as a classifier."""

    def __init__(self, classes: int = 400, width: int = 64) -> None:
        super().__init__(HaraResNet18(width), classes, width)

    @override
    def _stem(self, images: Tensor) -> Tensor:
        x = torch.relu_(self.network.bn1(self.network.conv1(images)))
        return F.max_pool3d(x, kernel_size=3, stride=2, padding=1)


def _with_our_norms(network: Any) -> Any:
    """``network`` with its 3-D batch norms replaced by those that fold members under vmap, state and all."""
    for module in list(network.modules()):
        for name, norm in list(module.named_children()):
            if type(norm) is nn.BatchNorm3d:
                ours = BatchNorm3d(norm.num_features, norm.eps, norm.momentum)
                ours.load_state_dict(norm.state_dict())
                setattr(module, name, ours)
    return network
