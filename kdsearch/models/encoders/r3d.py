"""torchvision's 3-D ResNet-18 as an encoder: the maintained cousin of Hara's network."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from kdsearch.models.encoders.rgb import RGBEncoder, prepare
from kdsearch.models.weights import load_into
from kdsearch.torchvision_compat import import_torchvision

__all__ = ["R3D18", "prepare"]

# Mean and deviation that torchvision documents for its Kinetics-400 weights.
_MEAN = (0.43216, 0.394666, 0.37645)
_DEVIATION = (0.22803, 0.22145, 0.216989)


def _network(width: int) -> Any:
    """torchvision's network with stages of width, 2, 4 and 8 width channels; its class has 64 written into it."""
    import_torchvision()
    from torchvision.models.video import resnet

    class VideoResNet(resnet.VideoResNet):  # type: ignore[misc]
        def _make_layer(self, block: Any, conv: Any, planes: int, blocks: int, stride: int = 1) -> nn.Sequential:
            if planes == 64:
                self.inplanes = width
            return cast("nn.Sequential", super()._make_layer(block, conv, planes // 64 * width, blocks, stride))

    def stem() -> nn.Sequential:
        convolution = nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        return nn.Sequential(convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True))

    return VideoResNet(resnet.BasicBlock, [resnet.Conv3DSimple] * 4, [2, 2, 2, 2], stem)


class R3D18(RGBEncoder):
    """``torchvision.models.video.r3d_18`` without its classifier: ``[B, 3, T, H, W]`` bytes to ``[B, 8 width]``.

    Stem 3x7x7 without max-pool and shortcuts of 1x1x1 convolutions: not Hara's network, and the weights of one do not
    fit the other. At ``width`` 64 it is torchvision's own: same parameters, same draws from a seed. ``weights`` names a
    file with torchvision's ``state_dict`` (such as ``r3d_18-b3b3357e.pth``); nothing is downloaded.
    """

    def __init__(self, width: int = 64, weights: str | None = None) -> None:
        super().__init__(_MEAN, _DEVIATION)
        self.features = 8 * width
        network = _network(width)
        if weights is not None:
            load_into(network, weights)
        network.fc = nn.Identity()
        self.network = network

    def blocks(self) -> list[nn.Module]:
        """What may be computed again in the backward pass, see :mod:`kdsearch.training.activation_checkpointing`."""
        network = self.network
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        return [network.stem, *(block for stage in stages for block in stage)]

    def forward(self, clips: Tensor) -> Tensor:
        """Embeddings ``[B, 8 width]`` of a batch."""
        return cast("Tensor", self.network(self.normalised(clips)))
