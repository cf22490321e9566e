"""Encoders by name. Importing this loads no torch, so that a study file can be checked cheaply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from typing import Protocol
from typing import cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


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
    "pose_conv": EncoderEntry("kdsearch.models.pose", "PoseConv", ("poses",), 32),
    "silhouette_conv": EncoderEntry("kdsearch.models.silhouettes", "SilhouetteConv", ("masks", "silhouettes"), 8),
    "hara_resnet18": EncoderEntry("kdsearch.models.resnet3d_hara", "HaraResNet18", ("frames",), 64, has_weights=True),
    "r3d_18": EncoderEntry("kdsearch.models.r3d", "R3D18", ("frames",), 64, has_weights=True),
}


def default_encoder(modality: str) -> str:
    """The first encoder that reads ``modality``; raises ``ValueError`` where none does."""
    for name, entry in ENCODERS.items():
        if modality in entry.modalities:
            return name
    known = sorted({m for entry in ENCODERS.values() for m in entry.modalities})
    raise ValueError(f"no encoder reads clips of modality {modality!r}; known modalities: {', '.join(known)}")
