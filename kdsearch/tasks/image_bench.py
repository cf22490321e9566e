"""What the benches of all tasks on images share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch import nn

from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Role
from kdsearch.tasks.image_data import ImageSet
from kdsearch.tasks.image_data import image_feed
from kdsearch.tasks.image_data import make_evaluate
from kdsearch.training.feeds import ImageFeed
from kdsearch.training.members import Evaluate

if TYPE_CHECKING:
    from kdsearch.tasks.images import ImageTask


@dataclass(frozen=True)
class ImageBench:
    """Images of a task in one role on one device; see ``Bench``."""

    data: ImageSet
    role: Role
    device: str
    task: ImageTask

    @property
    def train(self) -> Tensor:
        """See ``Bench``."""
        return self.data.train

    @property
    def validation(self) -> Tensor:
        """See ``Bench``: the images that validate."""
        return self.data.validation

    def feed(self, dtype: torch.dtype) -> ImageFeed:
        """See ``Bench``."""
        return image_feed(self.task, self.data, dtype)

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """See ``Bench``."""
        blocks = getattr(getattr(model, "body", model), "blocks", None)
        if blocks is None:
            raise StudyFileError(f"recompute: {type(model).__name__} names no blocks to compute again; leave it out")
        return list(blocks())

    def evaluate(self) -> Evaluate:
        """See ``Bench``."""
        return make_evaluate(self.task, self.data)

    def describe(self) -> str:
        """See ``Bench``."""
        return f"{self.task.description} {self.task.augment} {tuple(self.data.images.shape[1:])}"
