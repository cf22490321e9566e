"""Image classification at work: data, networks, terms and metric of one role on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.distillation.soft_targets import (
    cross_entropy_batchmean,
    probabilities_mse_half_mean,
    soft_targets_cross_entropy_batchmean,
)
from kdsearch.models.classifiers.cifar import ClassifierOutput
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.frozen import FROZEN, FrozenKey, listen, live, load_state, teacher_file
from kdsearch.tasks.image_classification.task import MODES
from kdsearch.tasks.images.workload import ImageSet, ImageWorkload, teacher_set
from kdsearch.tasks.term_weights import Frozen, MemberWeights, ask_each
from kdsearch.training.files import file_hash
from kdsearch.training.population.stepper import Slots

if TYPE_CHECKING:
    from kdsearch.tasks.image_classification.task import ImageClassification


@dataclass(frozen=True)
class Numbers:
    """What the terms of one run need: weights by term, temperature, and the teacher."""

    weights: Mapping[str, float]
    temperature: float
    teacher: Frozen | None


class ClassificationTerms:
    """Weighted sums ``[M]`` of hard and soft terms; see ``MemberTerms``. Weights are applied here alone."""

    def __init__(self, workload: ImageClassificationWorkload, members: int, dtype: torch.dtype) -> None:
        self.labels = workload.data.labels
        self.clips = workload.feed(dtype).clips
        self.own = MemberWeights[Frozen](("hard", "cse", "mse"), members, dtype, self.labels.device)

    def put(self, slot: int, terms: Numbers) -> None:
        """Take the numbers of a new run."""
        self.own.put(slot, terms.weights, terms.temperature, terms.teacher)

    def reads(self, terms: Numbers) -> frozenset[str]:
        """Logits, where any term has a weight."""
        return frozenset({"logits"} if any(terms.weights.values()) else ())

    def __call__(self, outputs: ClassifierOutput, samples: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses of all members or of those in ``slots``, see ``MemberTerms``."""
        own, logits = self.own.of(slots), outputs.logits
        total = logits.new_zeros(len(samples))
        if own.weighs("hard"):
            total = total + own["hard"] * cross_entropy_batchmean(logits, self.labels[self.clips(samples)])
        if own.weighs("cse") or own.weighs("mse"):
            said = ask_each(own.frozen, samples, logits)
            if own.weighs("cse"):
                total = total + own["cse"] * soft_targets_cross_entropy_batchmean(logits, said, own.temperature)
            if own.weighs("mse"):
                total = total + own["mse"] * probabilities_mse_half_mean(logits, said, own.temperature)
        return total


@dataclass(frozen=True)
class ImageClassificationWorkload(ImageWorkload):
    """See ``Workload``."""

    task: ImageClassification

    @cached_property
    def data(self) -> ImageSet:
        """The images of the role, which this process keeps."""
        if self.role == "student":
            return super().data
        nested = self.task.recipe == "nested"
        return teacher_set(self.task.data, self.task.size, self.device, self.fold, nested)

    def build(self) -> nn.Module:
        """See ``Workload``."""
        return self.task.network(self.role).build(self.data.classes)

    def terms(self, members: int, dtype: torch.dtype) -> ClassificationTerms:
        """See ``Workload``."""
        return ClassificationTerms(self, members, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Numbers:
        """``alpha`` divides the loss into hard and soft, ``mode`` names the soft term; a teacher only if it weighs."""
        alpha, mode = float(params["alpha"]), str(params["mode"])
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, got {mode!r}")
        weights = {"hard": 1 - alpha, "cse": 0.0, "mse": 0.0} | {mode: alpha}
        return Numbers(weights, float(params["temperature"]), self._teacher(request) if alpha else None)

    def _teacher(self, request: RunRequest) -> Frozen:
        path, task, feed = teacher_file(request, "alpha is not 0"), self.task, self.feed(torch.float32)

        def network() -> nn.Module:
            teacher = task.network("teacher").build(self.data.classes, pretrained=False)
            return load_state(teacher, path).to(self.device)

        if "teacher_train_mode" in task.quirks:
            return live(network(), feed, torch.device(self.device))
        views = f"{task.augment}, size {task.size}, {feed.views} views"
        key = FrozenKey.of(file_hash(path), str(task.teacher), task.data, self.data.train, views, self.device)
        return FROZEN.get(key, lambda: listen(network(), feed, self.data.train, self.data.classes))
