"""Video hashing at work: data, networks, terms and metric of one role on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.distillation.representation import representation_mse_mean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean, soft_targets_kl_batchmean
from kdsearch.distillation.triplet import triplet_mean
from kdsearch.metrics.retrieval import average_precision_of_codes, mean_over_queries
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.terms import LossWeights, SlotWeights, Teacher, WeightedTerms, teacher_outputs
from kdsearch.tasks.video_hashing.data import Dataset, dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.tasks.video_hashing.teacher import find_teacher
from kdsearch.tasks.workload import Workload
from kdsearch.training.feeds import Feed, TensorFeed
from kdsearch.training.members import Evaluate, Evaluation, alike
from kdsearch.training.steppers import Stepper

_OUTPUT = {"triplet": "codes", "representation": "codes", "hard": "logits", "soft": "logits"}
"""Terms by name, and the output that each is made of."""


def loss_weights(params: Mapping[str, Scalar], teacher: Teacher | None) -> LossWeights:
    """Weights as a run's parameters say: ``alpha`` divides the classification weight into soft and hard.

    Raises ``ValueError`` where a teacher's term has a weight and there is no teacher.
    """
    classification, alpha = float(params["classification_weight"]), float(params["alpha"])
    weights = {
        "triplet": float(params["triplet_weight"]),
        "representation": float(params["representation_weight"]),
        "hard": classification * (1 - alpha),
        "soft": classification * alpha,
    }
    if teacher is None and (weights["representation"] or weights["soft"]):
        raise ValueError("representation_weight or alpha is not 0, but this run was given no teacher")
    return LossWeights(weights, float(params["temperature"]), teacher)


class VideoHashingTerms(WeightedTerms):
    """Triplets and the labels' cross entropy, and a teacher's codes and soft labels."""

    names = tuple(_OUTPUT)

    def __init__(self, workload: VideoHashingWorkload, members: int, dtype: torch.dtype) -> None:
        super().__init__(workload, members, dtype)
        self.margin = workload.task.margin
        self.repeat = "triplet_per_sample_repeat" in workload.task.quirks

    @override
    def reads(self, terms: LossWeights) -> frozenset[str]:
        """``codes``, ``logits`` or both: what terms of a weight that is not 0 are made of."""
        return frozenset(_OUTPUT[name] for name, weight in terms.weights.items() if weight != 0)

    @override
    def sum(self, outputs: HashingOutput, samples: Tensor, labels: Tensor, own: SlotWeights) -> Tensor:
        total = outputs.codes.new_zeros(len(samples))
        if own.weighs("triplet"):
            triplet = triplet_mean(outputs.codes, labels, self.margin, per_sample_repeat=self.repeat)
            total = total + own["triplet"] * triplet
        if own.weighs("hard"):
            total = total + own["hard"] * cross_entropy_batchmean(outputs.logits, labels)
        if own.weighs("representation", "soft"):
            taught = teacher_outputs(own.teachers, samples, outputs)
            if own.weighs("representation"):
                total = total + own["representation"] * representation_mse_mean(outputs.codes, taught.codes)
            if own.weighs("soft"):
                soft = soft_targets_kl_batchmean(outputs.logits, taught.logits, own.temperature)
                total = total + own["soft"] * soft
        return total


@dataclass(frozen=True)
class VideoHashingWorkload(Workload):
    """The clips as the role's encoder reads them, and codes of them."""

    task: VideoHashing

    @cached_property
    @override
    def data(self) -> Dataset:
        nested = self.role == "teacher" and self.task.recipe == "nested"
        return dataset(self.task, self.role, self.device, self.fold, nested)

    @cached_property
    @override
    def validation(self) -> Ranked:
        return Ranked.of(self.data, self.data.validation, self.data.train)

    @override
    def feed(self, dtype: torch.dtype) -> Feed:
        """There is no augmentation."""
        inputs = self.data.inputs
        return TensorFeed(inputs.to(dtype) if inputs.is_floating_point() else inputs)

    @override
    def build(self) -> nn.Module:
        return self.task.build(self.role, self.data.classes)

    @override
    def terms(self, members: int, dtype: torch.dtype) -> VideoHashingTerms:
        return VideoHashingTerms(self, members, dtype)

    @override
    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> LossWeights:
        return loss_weights(params, find_teacher(self.task, request, params, self.device))

    @override
    def evaluate(self) -> Evaluate:
        return make_evaluate(self.task, self.data)

    @override
    def describe(self) -> str:
        task, inputs = self.task, self.data.inputs
        return (
            f"{task.encoder_name(self.role)} width {task.network(self.role).width} bits {task.bits} of "
            f"{tuple(inputs.shape[1:])} {inputs.dtype}"
        )


class Ranked(NamedTuple):
    """Queries ``[Q]`` that are ranked against a base ``[N]``, as rows of the codes; ``relevant`` ``[Q, N]``."""

    queries: Tensor
    base: Tensor
    relevant: Tensor

    @staticmethod
    def of(data: Dataset, queries: Tensor, base: Tensor) -> Ranked:
        """Of clips of a dataset: what shares a query's label is relevant to it."""
        needed = _needed(data)
        row = torch.zeros(len(data.labels), dtype=torch.int64, device=needed.device)
        row[needed] = torch.arange(len(needed), device=needed.device)
        return Ranked(row[queries], row[base], data.labels[queries].unsqueeze(1) == data.labels[base])


def _needed(data: Dataset) -> Tensor:
    """All clips that are evaluated, the same in every fold: each trains or validates."""
    needed: Tensor = torch.unique(torch.cat((data.train, data.validation, data.database, data.query)))
    return needed


def make_evaluate(task: VideoHashing, data: Dataset) -> Evaluate:
    """Objective (validation queries in the train part) and score (test queries in the database) from one forward."""
    needed, test = _needed(data), Ranked.of(data, data.query, data.database)
    stable = "stable_ties" in task.quirks

    def precision(codes: Tensor, part: Ranked) -> Tensor:
        queries, base = codes[:, part.queries], codes[:, part.base]
        reached: Tensor = average_precision_of_codes(queries, base, part.relevant, stable_ties=stable)
        return reached

    def evaluate(stepper: Stepper, slots: list[int], validation: list[Ranked]) -> list[Evaluation]:
        codes = stepper.outputs(slots, needed).codes
        score = precision(codes, test)
        mean = mean_over_queries(score)
        table = torch.stack([torch.zeros_like(mean), mean], 1)
        for part, rows in alike(validation):
            own = codes if len(rows) == len(slots) else codes[rows]
            table[rows, 0] = mean_over_queries(precision(own, part))
        # NaN becomes a sign like any other: what is not finite must be told from codes that are bad.
        broken = ~codes.isfinite().flatten(1).all(1)
        table.masked_fill_(broken.unsqueeze(1), torch.nan)
        return [Evaluation(row[0], row[1], own) for row, own in zip(table.tolist(), score, strict=True)]

    return evaluate
