"""Clips for classification: video declarations with the face that tasks on images read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import IntArray
from kdsearch.data.declaration import ClipDeclaration
from kdsearch.data.files import combined
from kdsearch.data.folds import FIRST, Fold
from kdsearch.data.images.base import ImageParts, Images, Statistics
from kdsearch.errors import DataError

# Of the frames that Hara's Kinetics networks are trained on, see models.encoders.resnet3d_hara.
MEAN: Statistics = (0.434, 0.405, 0.378)
STD: Statistics = (0.152, 0.149, 0.157)


@dataclass(frozen=True)
class ClipImages:
    """``frames`` frames of each clip as one input ``[3, T, H, W]``; the official test list tests."""

    videos: ClipDeclaration
    frames: int
    multi_label: bool = False
    mean: Statistics = MEAN
    std: Statistics = STD
    padding: int = 0
    eleven_points: bool = False

    def __post_init__(self) -> None:
        if self.videos.modality != "frames":
            raise DataError(f"clips are classified by their frames, got data of modality {self.videos.modality!r}.")
        if not isinstance(self.frames, int) or self.frames < 1:
            raise DataError(f"frames={self.frames!r}: expected a whole number of at least 1.")

    @property
    def label(self) -> str:
        """Of the videos."""
        return f"{self.videos.label}-{self.frames}frames"

    @property
    def description(self) -> str:
        """Of the videos, and how many frames."""
        return f"{self.videos.description}; {self.frames} frames a clip"

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.videos.num_classes

    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values."""
        return {"clips": self.videos.identity(), "frames": self.frames, "mean": list(self.mean), "std": list(self.std)}

    def fingerprint(self) -> str:
        """Hash of the content that runs read."""
        return combined([self.videos.fingerprint(), str(self.identity())])

    @property
    def is_synthetic(self) -> bool:
        """Whether the videos are."""
        return self.videos.is_synthetic

    @property
    def folds(self) -> int | None:
        """Of the videos."""
        return self.videos.folds

    def with_folds(self, folds: int) -> ClipImages:
        """The same clips with another number of folds."""
        return replace(self, videos=self.videos.with_folds(folds))

    def before_folds(self, validation: float | None = None) -> ClipImages:
        """The same clips under the older recipe, one split for all runs, of this share or the videos' usual one."""
        return replace(self, videos=self.videos.before_folds(validation)) if self.folds else self

    def query_groups(self) -> IntArray:
        """Source group of each test clip."""
        return self.videos.query_groups()

    def parts(self, fold: Fold = FIRST) -> ImageParts:
        """Labels and parts of a fold; reads no frame."""
        found = self.videos.parts(fold)
        return ImageParts(found.labels, found.classes, found.train, found.validation, found.query)

    def load(self, size: int | None = None) -> Images:
        """uint8 ``[N, 3, T, H, W]``, a view of the clips as they lie."""
        inputs = cast("NDArray[np.uint8]", self.videos.load(self.frames, size).inputs)
        return Images(inputs.transpose(0, 4, 1, 2, 3), self.parts())


def clips(videos: ClipDeclaration, frames: int, *, mean: Statistics = MEAN, std: Statistics = STD) -> ClipImages:
    """Declare clips for classification, such as ``clips(ucf101(), frames=16)``; ``DataError`` for what is no frame.

    ``mean`` and ``std`` are those of Hara's Kinetics networks; torchvision's r3d_18 wants (0.43216, 0.394666, 0.37645)
    and (0.22803, 0.22145, 0.216989).
    """
    return ClipImages(videos, frames, mean=mean, std=std)
