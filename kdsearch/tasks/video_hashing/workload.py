"""Video hashing at work: data, networks, terms and metric of one role on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from kdsearch.data.folds import FIRST, Fold
from kdsearch.metrics.retrieval import average_precision_of_codes, mean_over_queries
from kdsearch.tasks.base import Role, RunRequest, Scalar
from kdsearch.tasks.video_hashing.data import Dataset, dataset
from kdsearch.tasks.video_hashing.teacher import build_network, encoder_blocks, find_teacher
from kdsearch.tasks.video_hashing.terms import Numbers, VideoHashingTerms
from kdsearch.training.feeds import Feed, TensorFeed
from kdsearch.training.members import Evaluate, Evaluation, alike
from kdsearch.training.steppers import Stepper

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing.task import VideoHashing


@dataclass(frozen=True)
class VideoHashingWorkload:
    """See ``Workload``."""

    task: VideoHashing
    role: Role
    device: str
    fold: Fold = FIRST

    @cached_property
    def data(self) -> Dataset:
        """The clips of the role, which this process keeps."""
        nested = self.role == "teacher" and self.task.recipe == "nested"
        return dataset(self.task, self.role, self.device, self.fold, nested)

    @property
    def train(self) -> Tensor:
        """See ``Workload``."""
        return self.data.train

    @cached_property
    def validation(self) -> Ranked:
        """See ``Workload``."""
        return Ranked.of(self.data, self.data.validation, self.data.train)

    def feed(self, dtype: torch.dtype) -> Feed:
        """See ``Workload``: there is no augmentation."""
        inputs = self.data.inputs
        return TensorFeed(inputs.to(dtype) if inputs.is_floating_point() else inputs)

    def build(self) -> nn.Module:
        """See ``Workload``."""
        return build_network(self.task, self.role, self.data.classes)

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """See ``Workload``."""
        return encoder_blocks(model)

    def terms(self, members: int, dtype: torch.dtype) -> VideoHashingTerms:
        """See ``Workload``."""
        return VideoHashingTerms(self.task, self.data.labels, members, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Numbers:
        """See ``Workload``."""
        return Numbers.of(params, find_teacher(self.task, request, params, self.device))

    def evaluate(self) -> Evaluate:
        """See ``Workload``."""
        return make_evaluate(self.task, self.data)

    def describe(self) -> str:
        """See ``Workload``."""
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
        for part, places in alike(validation):
            own = codes if len(places) == len(slots) else codes[places]
            table[places, 0] = mean_over_queries(precision(own, part))
        # NaN becomes a sign like any other: what is not finite must be told from codes that are bad.
        broken = ~codes.isfinite().flatten(1).all(1)
        table.masked_fill_(broken.unsqueeze(1), torch.nan)
        return [Evaluation(row[0], row[1], own) for row, own in zip(table.tolist(), score, strict=True)]

    return evaluate
