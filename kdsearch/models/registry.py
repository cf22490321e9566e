"""Encoders of clips and classifiers by name. Importing this loads no torch, so that a study file is checked cheaply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from kdsearch.models.classifiers.cifar import Classifier


class Encoder(Protocol):
    """A module from prepared clips ``[B, ...]`` to embeddings ``[B, features]``."""

    features: int

    def __call__(self, clips: Tensor) -> Tensor:
        """Embeddings of a batch of prepared clips."""


@dataclass(frozen=True)
class EncoderEntry:
    """Where an encoder lives, what it sees, and what can be set.

    ``module`` holds ``prepare(inputs) -> Tensor``, which turns the clips of a whole dataset, numpy ``[N, T, ...]``,
    into what the encoder reads: all that depends on no weight and no randomness is done there, once. ``builder`` is the
    name of the class in it, called with ``width`` and, where ``has_weights``, with ``weights``, a file's path.
    """

    module: str
    builder: str
    modalities: tuple[str, ...]
    default_width: int
    has_weights: bool = False

    def build(self, width: int | None = None, weights: str | None = None) -> Encoder:
        """A new encoder, drawn from torch's default generator (see ``training.randomness.build_seeded``)."""
        options: dict[str, int | str] = {"width": self.default_width if width is None else width}
        if weights is not None:
            if not self.has_weights:
                raise ValueError(f"encoder {self.builder} takes no weights file, got {weights}")
            options["weights"] = weights
        return cast("Encoder", getattr(import_module(self.module), self.builder)(**options))

    def prepare(self, inputs: NDArray[np.generic]) -> Tensor:
        """Clips of a dataset, numpy ``[N, T, ...]``, as the tensor that this encoder reads."""
        function = cast("Callable[[NDArray[np.generic]], Tensor]", import_module(self.module).prepare)
        return function(inputs)


ENCODERS: dict[str, EncoderEntry] = {
    "pose_conv": EncoderEntry("kdsearch.models.encoders.pose", "PoseConv", ("poses",), 32),
    "silhouette_conv": EncoderEntry(
        "kdsearch.models.encoders.silhouettes", "SilhouetteConv", ("masks", "silhouettes"), 8
    ),
    "hara_resnet18": EncoderEntry(
        "kdsearch.models.encoders.resnet3d_hara", "HaraResNet18", ("frames",), 64, has_weights=True
    ),
    "r3d_18": EncoderEntry("kdsearch.models.encoders.r3d", "R3D18", ("frames",), 64, has_weights=True),
}


def default_encoder(modality: str) -> str:
    """The first encoder that reads ``modality``; raises ``ValueError`` where none does."""
    for name, entry in ENCODERS.items():
        if modality in entry.modalities:
            return name
    known = sorted({m for entry in ENCODERS.values() for m in entry.modalities})
    raise ValueError(f"no encoder reads clips of modality {modality!r}; known modalities: {', '.join(known)}")


Kind = Literal["images", "clips"]


@dataclass(frozen=True)
class ClassifierEntry:
    """Where a classifier lives and what can be set.

    ``builder`` is the name of a class in ``module``, called with ``classes``, ``width`` (channels of the first stage)
    and, where given, ``depth``. ``kind`` is what it sees: ``images`` ``[B, 3, H, W]`` or ``clips`` ``[B, 3, T, H, W]``,
    normalised floats. ``has_weights``: it can be filled from a file, or where ``torchvision`` names a model of
    torchvision's from its weights of the names ``known_weights``. ``stages``: how many there are for a run that tunes
    the last ones alone.
    """

    module: str
    builder: str
    kind: Kind
    default_width: int
    depth: int | None = None
    has_weights: bool = False
    torchvision: str | None = None
    known_weights: tuple[str, ...] = ()
    stages: int = 4

    def build(self, classes: int, width: int | None = None, weights: str | None = None) -> Classifier:
        """A new classifier, drawn from torch's default generator (see ``training.randomness.build_seeded``).

        ``weights``: the name of one of torchvision's weights or a file's path. Raises ``ValueError`` for a number below
        1, and for weights where none can be given.
        """
        width = self.default_width if width is None else width
        name = f"{self.builder}{self.depth or ''}"
        if classes < 1 or width < 1:
            raise ValueError(f"classifier {name} needs classes and width of at least 1, got {classes}, {width}")
        if weights is not None and not self.has_weights:
            raise ValueError(f"classifier {name} takes no weights, got {weights}")
        options = {} if self.depth is None else {"depth": self.depth}
        network = getattr(import_module(self.module), self.builder)(classes=classes, width=width, **options)
        if weights is not None:
            network.fill(weights, self.torchvision, width)
        return cast("Classifier", network)


_CIFAR = "kdsearch.models.classifiers.cifar"
_RESNET = "kdsearch.models.classifiers.resnet"
_VGG = "kdsearch.models.classifiers.vgg"
_FIRST = ("IMAGENET1K_V1", "DEFAULT")
_SECOND = (*_FIRST, "IMAGENET1K_V2")
_KINETICS = ("KINETICS400_V1", "DEFAULT")

CLASSIFIERS: dict[str, ClassifierEntry] = {
    "studentnet": ClassifierEntry(_CIFAR, "StudentNet", "images", 64),
    "resnet20": ClassifierEntry(_CIFAR, "CifarResNet", "images", 16, 20),
    "resnet32": ClassifierEntry(_CIFAR, "CifarResNet", "images", 16, 32),
    "vgg16_bn": ClassifierEntry(_VGG, "Vgg16Bn", "images", 64, None, True, "vgg16_bn", _FIRST, 5),
    "imagenet_vgg16_bn": ClassifierEntry(_VGG, "ImageNetVgg16Bn", "images", 64, None, True, "vgg16_bn", _FIRST, 5),
    "resnet18": ClassifierEntry(_RESNET, "ImageResNet", "images", 64, 18, True, "resnet18", _FIRST),
    "resnet34": ClassifierEntry(_RESNET, "ImageResNet", "images", 64, 34, True, "resnet34", _FIRST),
    "resnet50": ClassifierEntry(_RESNET, "ImageResNet", "images", 64, 50, True, "resnet50", _SECOND),
    "r3d_18": ClassifierEntry(_RESNET, "ClipR3D18", "clips", 64, None, True, "r3d_18", _KINETICS),
    "hara_resnet18": ClassifierEntry(_RESNET, "ClipHaraResNet18", "clips", 64, None, True),
}
