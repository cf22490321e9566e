"""Video hashing at work: data, networks, terms and metric of one role on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch import nn

from kdsearch.data.folds import FIRST
from kdsearch.data.folds import Fold
from kdsearch.metrics.retrieval import average_precision_of_codes
from kdsearch.metrics.retrieval import mean_over_queries
from kdsearch.tasks.base import Role
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.video_hashing_data import Dataset
from kdsearch.tasks.video_hashing_data import dataset
from kdsearch.tasks.video_hashing_members import Numbers
from kdsearch.tasks.video_hashing_members import VideoHashingTerms
from kdsearch.tasks.video_hashing_teacher import build_network
from kdsearch.tasks.video_hashing_teacher import encoder_blocks
from kdsearch.tasks.video_hashing_teacher import find_teacher
from kdsearch.training.feeds import Clean
from kdsearch.training.feeds import Feed
from kdsearch.training.loop import Evaluate
from kdsearch.training.members import Evaluation
from kdsearch.training.steppers import Stepper

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing import VideoHashing


@dataclass(frozen=True)
class VideoHashingBench:
    """See ``Bench``."""

    task: VideoHashing
    role: Role
    device: str
    data: Dataset

    @staticmethod
    def of(task: VideoHashing, role: Role, device: str, fold: Fold = FIRST) -> VideoHashingBench:
        """The bench with the task's data, which this process keeps."""
        nested = role == "teacher" and task.recipe == "nested"
        return VideoHashingBench(task, role, device, dataset(task, role, device, fold, nested))

    @property
    def train(self) -> Tensor:
        """See ``Bench``."""
        return self.data.train

    def feed(self, dtype: torch.dtype) -> Feed:
        """See ``Bench``: there is no augmentation."""
        inputs = self.data.inputs
        return Clean(inputs.to(dtype) if inputs.is_floating_point() else inputs)

    def build(self) -> nn.Module:
        """See ``Bench``."""
        return build_network(self.task, self.role, self.data.classes)

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """See ``Bench``."""
        return encoder_blocks(model)

    def terms(self, members: int, dtype: torch.dtype) -> VideoHashingTerms:
        """See ``Bench``."""
        return VideoHashingTerms(self.task, self.data.labels, members, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Numbers:
        """See ``Bench``."""
        return Numbers.of(params, find_teacher(self.task, request, params, self.device))

    def evaluate(self) -> Evaluate:
        """See ``Bench``."""
        return make_evaluate(self.task, self.data)

    def describe(self) -> str:
        """See ``Bench``."""
        task, inputs = self.task, self.data.inputs
        return (
            f"{task.encoder_name(self.role)} width {task.network(self.role).width} bits {task.bits} of "
            f"{tuple(inputs.shape[1:])} {inputs.dtype}"
        )


def make_evaluate(task: VideoHashing, data: Dataset) -> Evaluate:
    """Objective (validation queries in the train part) and score (test queries in the database) from one forward."""
    needed = torch.unique(torch.cat((data.train, data.validation, data.database, data.query)))
    row = torch.zeros(len(data.labels), dtype=torch.int64, device=needed.device)
    row[needed] = torch.arange(len(needed), device=needed.device)
    parts = [
        (row[queries], row[base], data.labels[queries].unsqueeze(1) == data.labels[base])
        for queries, base in ((data.validation, data.train), (data.query, data.database))
    ]
    stable = "stable_ties" in task.quirks

    def evaluate(stepper: Stepper, slots: list[int]) -> list[Evaluation]:
        codes = stepper.outputs(slots, needed).codes
        columns = [
            average_precision_of_codes(codes[:, queries], codes[:, base], relevant, stable_ties=stable)
            for queries, base, relevant in parts
        ]
        # NaN becomes a sign like any other: what is not finite must be told from codes that are bad.
        broken = ~codes.isfinite().flatten(1).all(1)
        table = torch.stack([mean_over_queries(column) for column in columns], 1)
        table.masked_fill_(broken.unsqueeze(1), torch.nan)
        return [Evaluation(row[0], row[1], own) for row, own in zip(table.tolist(), columns[1], strict=True)]

    return evaluate
