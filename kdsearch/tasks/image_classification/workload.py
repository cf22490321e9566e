"""Image classification at work: data, networks, terms and metric of one role on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.distillation.soft_targets import (
    cross_entropy_batchmean,
    probabilities_mse_half_mean,
    soft_targets_cross_entropy_batchmean,
)
from kdsearch.models.classifiers.cifar import ClassifierOutput
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.frozen import load_state, teacher_file
from kdsearch.tasks.image_classification.task import MODES, ImageClassification
from kdsearch.tasks.images.workload import ImageSet, ImageWorkload, teacher_set
from kdsearch.tasks.terms import LossWeights, SlotWeights, Teacher, WeightedTerms, teacher_outputs
from kdsearch.training.files import file_hash


class ClassificationTerms(WeightedTerms):
    """Cross entropy with the labels, and either term of a teacher's soft labels."""

    names = ("hard", *MODES)

    @override
    def sum(self, outputs: ClassifierOutput, samples: Tensor, labels: Tensor, own: SlotWeights) -> Tensor:
        logits = outputs.logits
        total = logits.new_zeros(len(samples))
        if own.weighs("hard"):
            total = total + own["hard"] * cross_entropy_batchmean(logits, labels)
        if own.weighs("cse", "mse"):
            taught = teacher_outputs(own.teachers, samples, logits)
            if own.weighs("cse"):
                total = total + own["cse"] * soft_targets_cross_entropy_batchmean(logits, taught, own.temperature)
            if own.weighs("mse"):
                total = total + own["mse"] * probabilities_mse_half_mean(logits, taught, own.temperature)
        return total


@dataclass(frozen=True)
class ImageClassificationWorkload(ImageWorkload):
    """A student and its soft labels, or the teacher that gives them."""

    task: ImageClassification

    @cached_property
    @override
    def data(self) -> ImageSet:
        if self.role == "student":
            return super().data
        nested = self.task.recipe == "nested"
        return teacher_set(self.task.data, self.task.size, self.device, self.fold, nested)

    @override
    def build(self) -> nn.Module:
        return self.task.network(self.role).build(self.data.classes)

    @override
    def terms(self, members: int, dtype: torch.dtype) -> ClassificationTerms:
        return ClassificationTerms(self, members, dtype)

    @override
    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> LossWeights:
        """``alpha`` divides the loss into hard and soft, ``mode`` names the soft term; a teacher only if it weighs."""
        alpha, mode = float(params["alpha"]), str(params["mode"])
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, got {mode!r}")
        weights = {"hard": 1 - alpha, "cse": 0.0, "mse": 0.0} | {mode: alpha}
        return LossWeights(weights, float(params["temperature"]), self._teacher(request) if alpha else None)

    def _teacher(self, request: RunRequest) -> Teacher:
        path, task = teacher_file(request, "alpha is not 0"), self.task
        return self.teacher_logits(
            lambda: load_state(task.build_teacher(), path).to(self.device),
            self.feed(torch.float32),
            self.data.classes,
            file_hash(path),
            str(task.teacher),
        )
