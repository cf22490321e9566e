"""Images of a task as tensors on a device, kept for the next run of this process, and how good logits are on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import StudyFileError
from kdsearch.metrics.accuracy import accuracy, right_answers
from kdsearch.metrics.multi_label import mean_average_precision_over_classes, mean_average_precision_over_images
from kdsearch.models.layers.memory_format import tensor_of
from kdsearch.tasks.base import Role
from kdsearch.tasks.images.task import Augment, ImageDataLike, ImageTask
from kdsearch.tasks.nested import fold_indices, index
from kdsearch.training.augmentation import CropFlip, ImageViews, ResizedCrop
from kdsearch.training.feeds import ImageFeed, placed
from kdsearch.training.members import Evaluate, Evaluation, alike
from kdsearch.training.steppers import Stepper


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images uint8 ``[N, 3, H, W]`` or clips ``[N, 3, T, H, W]``, in the host's memory where a GPU has no room.

    ``labels`` ``[N]`` int64 or, of several classes an image, ``[N, C]`` uint8; the rest are indices.
    """

    images: Tensor
    labels: Tensor
    classes: int
    train: Tensor
    validation: Tensor
    test: Tensor


def image_set(data: ImageDataLike, size: int | None, device: str, fold: Fold = FIRST, nested: bool = False) -> ImageSet:
    """The data on ``device``; all folds share the images. ``nested``: see ``tasks.nested``.

    A declaration finds its data anew each time; the fingerprint tells what it found.
    """
    fingerprint = data.fingerprint()
    first = _image_set(data, size, device, fingerprint)
    if fold == FIRST and not nested:
        return first
    train, validation = fold_indices(data, fold, nested, fingerprint, first.labels.device)
    return replace(first, train=train, validation=validation)


def teacher_set(data: ImageDataLike, size: int | None, device: str, fold: Fold, nested: bool) -> ImageSet:
    """What a teacher of this fold trains on: also the images that the data keep for teachers alone."""
    own = image_set(data, size, device, fold, nested)
    further = getattr(data.parts(), "teacher_only", ())  # the same in all folds
    if not len(further):
        return own
    return replace(own, train=torch.cat((own.train, index(further, own.train.device))))


@lru_cache(maxsize=4)
def _image_set(data: ImageDataLike, size: int | None, device: str, fingerprint: str) -> ImageSet:
    loaded, parts = data.load(size), data.parts()

    labels = torch.from_numpy(np.array(parts.labels)).to(device)
    split = (index(part, device) for part in (parts.train, parts.validation, parts.test))
    return ImageSet(placed(tensor_of(loaded.inputs), device), labels, data.num_classes, *split)


def image_feed(task: ImageTask, images: ImageSet, dtype: torch.dtype) -> ImageFeed:
    """The images as networks read them, in views as the task augments them."""
    seen = image_views(task.augment, task.data.padding)
    return ImageFeed(images.images, task.data.mean, task.data.std, seen=seen, dtype=dtype)


def image_views(augment: Augment, padding: int) -> ImageViews:
    """The views of an augmentation, of images that their data pad by so much before they are cropped."""
    if augment == "resized-crop":
        return ResizedCrop()
    return CropFlip(padding if augment == "crop-flip" else 0, augment != "none")


def judge(task: ImageTask) -> Callable[[Tensor, Tensor], Tensor]:
    """The task's metric: of logits ``[..., n, C]`` and labels to ``[...]``."""
    if not task.data.multi_label:
        return accuracy
    if "per_image_average_precision" in task.quirks:
        return mean_average_precision_over_images
    return partial(mean_average_precision_over_classes, eleven_points=task.data.eleven_points)


def make_evaluate(task: ImageTask, images: ImageSet) -> Evaluate:
    """Objective (validation) and score (test) of logits ``[S, n, C]``, or of peers' ``[S, n, K, C]``, their mean.

    A fold is known by its images ``[n]`` that validate; runs of one fold are evaluated together.
    """
    metric = judge(task)
    single = not task.data.multi_label

    def of_fold(stepper: Stepper, slots: list[int], validation: Tensor) -> list[Evaluation]:
        parts, count = (validation, images.test), len(validation)
        logits = stepper.outputs(slots, torch.cat(parts)).logits
        if logits.dim() == 4:
            logits = logits.transpose(1, 2)
        columns = [
            metric(logits[..., some, :], images.labels[part]).double().view(len(slots), -1).mean(1)
            for some, part in zip((slice(count), slice(count, None)), parts, strict=True)
        ]
        broken = ~logits.isfinite().flatten(1).all(1)
        table = torch.stack(columns, 1).masked_fill_(broken.unsqueeze(1), torch.nan)
        queries: list[Tensor | None] = [None] * len(slots)
        if single:
            right = right_answers(logits[..., count:, :], images.labels[images.test]).float()
            queries = list(right if right.dim() == 2 else right.mean(1))
        return [Evaluation(row[0], row[1], own) for row, own in zip(table.tolist(), queries, strict=True)]

    def evaluate(stepper: Stepper, slots: list[int], validation: list[Tensor]) -> list[Evaluation]:
        found: dict[int, Evaluation] = {}
        for part, places in alike(validation):
            own = [slots[place] for place in places]
            found |= dict(zip(own, of_fold(stepper, own, part), strict=True))
        return [found[slot] for slot in slots]

    return evaluate


@dataclass(frozen=True)
class ImageWorkload:
    """Images of a task in one role on one device; see ``Workload``."""

    task: ImageTask
    role: Role
    device: str
    fold: Fold = FIRST

    @cached_property
    def data(self) -> ImageSet:
        """The task's images, which this process keeps."""
        return image_set(self.task.data, self.task.size, self.device, self.fold)

    @property
    def train(self) -> Tensor:
        """See ``Workload``."""
        return self.data.train

    @property
    def validation(self) -> Tensor:
        """See ``Workload``: the images that validate."""
        return self.data.validation

    def feed(self, dtype: torch.dtype) -> ImageFeed:
        """See ``Workload``."""
        return image_feed(self.task, self.data, dtype)

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """See ``Workload``."""
        blocks = getattr(getattr(model, "body", model), "blocks", None)
        if blocks is None:
            raise StudyFileError(f"recompute: {type(model).__name__} names no blocks to compute again; leave it out")
        return list(blocks())

    def evaluate(self) -> Evaluate:
        """See ``Workload``."""
        return make_evaluate(self.task, self.data)

    def describe(self) -> str:
        """See ``Workload``."""
        return f"{self.task.description} {self.task.augment} {tuple(self.data.images.shape[1:])}"
