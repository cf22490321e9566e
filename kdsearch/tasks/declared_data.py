"""What tasks read of a data declaration, such as ``kdsearch.data.jhmdb(...)`` or ``kdsearch.data.cifar10()``."""

from __future__ import annotations

from typing import Any, Protocol

from kdsearch.data.folds import FIRST, Fold


class DataDeclaration(Protocol):
    """What every task reads.

    ``label``: short name of data and protocol. ``description``: which data, and how much of it, in one line. ``folds``:
    parts of the train list that validate in turn; ``None`` where one split stands for all runs. ``parts(fold)`` gives
    the labels and the index arrays of a fold and reads no pixel; ``load`` gives the inputs.
    """

    label: str
    description: str
    folds: int | None

    def identity(self) -> dict[str, Any]:
        """All that makes the data what they are, as JSON values."""

    def fingerprint(self) -> str:
        """Hash of their content."""

    def parts(self, fold: Fold = FIRST) -> Any:
        """Labels, class names and the indices of the parts."""

    def __hash__(self) -> int: ...


class ClipData(DataDeclaration, Protocol):
    """Clips for video hashing: ``load`` gives :class:`kdsearch.data.clips.Clips`."""

    @property
    def modality(self) -> str:
        """What a clip shows, such as ``poses``."""

    def load(self, frames: int, size: int | None = None) -> Any:
        """The clips with so many frames; ``size`` in pixels, where they can be scaled."""


class ImageData(DataDeclaration, Protocol):
    """Images, or clips, for classification: ``load`` gives :class:`kdsearch.data.images.base.Images`."""

    multi_label: bool
    eleven_points: bool
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int

    def before_folds(self) -> Any:
        """The same data under the split that was in use before there were folds."""

    def load(self, size: int | None = None) -> Any:
        """The images; ``size`` in pixels, where they can be scaled."""
