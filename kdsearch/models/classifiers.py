"""Classifiers of images and clips by name. Importing this loads no torch, so that a study file is checked cheaply."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from typing import Literal
from typing import cast

if TYPE_CHECKING:
    from kdsearch.models.cifar import Classifier

Kind = Literal["images", "clips"]


@dataclass(frozen=True)
class ClassifierEntry:
    """Where a classifier lives and what can be set.

    ``builder`` is a callable in ``module``, called with ``classes``, ``width`` (channels of the first stage) and, where
    ``has_weights``, with ``weights``: the name of one of torchvision's weights or a file's path. ``kind`` is what it
    sees: ``images`` ``[B, 3, H, W]`` or ``clips`` ``[B, 3, T, H, W]``, normalised floats. ``known_weights``: the names
    that torchvision has. ``stages``: how many there are for a run that tunes the last ones alone.
    """

    module: str
    builder: str
    kind: Kind
    default_width: int
    has_weights: bool = False
    known_weights: tuple[str, ...] = ()
    stages: int = 4

    def build(self, classes: int, width: int | None = None, weights: str | None = None) -> Classifier:
        """A new classifier, drawn from torch's default generator (see ``training.randomness.build_seeded``).

        Raises ``ValueError`` for a number below 1, and for weights where none can be given.
        """
        width = self.default_width if width is None else width
        if classes < 1 or width < 1:
            raise ValueError(f"classifier {self.builder} needs classes and width of at least 1, got {classes}, {width}")
        options: dict[str, int | str] = {"classes": classes, "width": width}
        if weights is not None:
            if not self.has_weights:
                raise ValueError(f"classifier {self.builder} takes no weights, got {weights}")
            options["weights"] = weights
        return cast("Classifier", getattr(import_module(self.module), self.builder)(**options))


_CIFAR = "kdsearch.models.cifar"
_RESNET = "kdsearch.models.resnet_image"
_VGG = "kdsearch.models.vgg"
_FIRST = ("IMAGENET1K_V1", "DEFAULT")


def _pretrained(
    module: str, builder: str, kind: Kind, known_weights: tuple[str, ...], stages: int = 4
) -> ClassifierEntry:
    return ClassifierEntry(module, builder, kind, 64, True, known_weights, stages)


CLASSIFIERS: dict[str, ClassifierEntry] = {
    "studentnet": ClassifierEntry(_CIFAR, "StudentNet", "images", 64),
    "resnet20": ClassifierEntry(_CIFAR, "resnet20", "images", 16),
    "resnet32": ClassifierEntry(_CIFAR, "resnet32", "images", 16),
    "vgg16_bn": _pretrained(_VGG, "vgg16_bn", "images", _FIRST, stages=5),
    "imagenet_vgg16_bn": _pretrained(_VGG, "imagenet_vgg16_bn", "images", _FIRST, stages=5),
    "resnet18": _pretrained(_RESNET, "resnet18", "images", _FIRST),
    "resnet34": _pretrained(_RESNET, "resnet34", "images", _FIRST),
    "resnet50": _pretrained(_RESNET, "resnet50", "images", (*_FIRST, "IMAGENET1K_V2")),
    "r3d_18": _pretrained(_RESNET, "r3d_18", "clips", ("KINETICS400_V1", "DEFAULT")),
    "hara_resnet18": _pretrained(_RESNET, "hara_resnet18", "clips", ()),
}
