"""Images of a task as tensors on a device, kept for the next run of this process, and how good logits are on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.data.folds import FIRST, Fold
from kdsearch.metrics.accuracy import accuracy, right_answers
from kdsearch.metrics.multi_label import mean_average_precision_over_classes, mean_average_precision_over_images
from kdsearch.models.layers.memory_format import tensor_of
from kdsearch.tasks.declared_data import ImageData
from kdsearch.tasks.frozen import FROZEN, cached_logits, live_outputs
from kdsearch.tasks.images.task import Augment, ImageTask
from kdsearch.tasks.nested import index, of_fold
from kdsearch.tasks.terms import Teacher
from kdsearch.tasks.workload import Workload
from kdsearch.training.augmentation import CropFlip, ImageViews, ResizedCrop
from kdsearch.training.feeds import ImageFeed, on_device
from kdsearch.training.members import Evaluate, Evaluation, alike
from kdsearch.training.steppers import Stepper
from kdsearch.training.teacher_cache import CacheKey


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


def image_set(data: ImageData, size: int | None, device: str, fold: Fold = FIRST, nested: bool = False) -> ImageSet:
    """The data on ``device``; all folds share the images. ``nested``: see ``tasks.nested``."""
    fingerprint = data.fingerprint()
    return of_fold(_image_set(data, size, device, fingerprint), data, fold, nested, fingerprint)


def teacher_set(data: ImageData, size: int | None, device: str, fold: Fold, nested: bool) -> ImageSet:
    """What a teacher of this fold trains on: also the images that the data keep for teachers alone."""
    own = image_set(data, size, device, fold, nested)
    further = getattr(data.parts(), "teacher_only", ())  # the same in all folds
    if not len(further):
        return own
    return replace(own, train=torch.cat((own.train, index(further, own.train.device))))


@lru_cache(maxsize=4)
def _image_set(data: ImageData, size: int | None, device: str, fingerprint: str) -> ImageSet:
    loaded, parts = data.load(size), data.parts()
    labels = torch.from_numpy(np.array(parts.labels)).to(device)
    split = (index(part, device) for part in (parts.train, parts.validation, parts.test))
    return ImageSet(on_device(tensor_of(loaded.inputs), device), labels, data.num_classes, *split)


def image_views(augment: Augment, padding: int) -> ImageViews:
    """The views of an augmentation, of images that their data pad by so much before they are cropped."""
    if augment == "resized-crop":
        return ResizedCrop()
    return CropFlip(padding if augment == "crop-flip" else 0, augment != "none")


@dataclass(frozen=True)
class ImageWorkload(Workload):
    """Images of a task in one role on one device."""

    task: ImageTask

    @cached_property
    @override
    def data(self) -> ImageSet:
        return image_set(self.task.data, self.task.size, self.device, self.fold)

    @override
    def feed(self, dtype: torch.dtype) -> ImageFeed:
        seen, data = image_views(self.task.augment, self.task.data.padding), self.task.data
        return ImageFeed(self.data.images, data.mean, data.std, seen=seen, dtype=dtype)

    @property
    def metric(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The task's metric: of logits ``[..., n, C]`` and labels to ``[...]``."""
        if not self.task.data.multi_label:
            return accuracy
        if "per_image_average_precision" in self.task.quirks:
            return mean_average_precision_over_images
        return partial(mean_average_precision_over_classes, eleven_points=self.task.data.eleven_points)

    @override
    def evaluate(self) -> Evaluate:
        """Objective (validation) and score (test) of logits ``[S, n, C]``, or of peers' ``[S, n, K, C]``, their mean.

        A fold is known by its images ``[n]`` that validate; runs of one fold are evaluated together.
        """
        metric, images, single = self.metric, self.data, not self.task.data.multi_label

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
            for part, indices in alike(validation):
                own = [slots[index] for index in indices]
                found |= dict(zip(own, of_fold(stepper, own, part), strict=True))
            return [found[slot] for slot in slots]

        return evaluate

    @override
    def describe(self) -> str:
        return f"{self.task.description} {self.task.augment} {tuple(self.data.images.shape[1:])}"

    def teacher_logits(
        self, build: Callable[[], nn.Module], feed: ImageFeed, classes: int, weights: str, network: str, views: str = ""
    ) -> Teacher:
        """The logits of a frozen network for samples of ``feed``.

        They are cached by the task's data and views, by ``weights`` (a hash), by ``network`` and by what else there is
        to say of ``views``; with the quirk ``teacher_train_mode`` each batch is computed anew.
        """
        task, device = self.task, self.device
        if "teacher_train_mode" in task.quirks:
            outputs = live_outputs(build(), feed, device)
            return lambda samples: outputs(samples).logits
        data = f"{json.dumps(task.data.identity(), sort_keys=True, default=str)} {task.data.fingerprint()}"
        clips = sha256(self.data.train.cpu().numpy().tobytes()).hexdigest()
        shown = f"{task.augment}, size {task.size}, {feed.views} views{views} of clips {clips}"
        key = CacheKey(weights, network, data, shown, device)
        return FROZEN.get(key, lambda: cached_logits(build(), feed, self.data.train, classes))
