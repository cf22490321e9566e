"""The loss of many video hashing runs at once: terms over members, weights and teachers by slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kdsearch.distillation.representation import representation_mse_mean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean
from kdsearch.distillation.soft_targets import soft_targets_kl_batchmean
from kdsearch.distillation.triplet import triplet_mean
from kdsearch.models.hashing import HashingOutput
from kdsearch.tasks.base import Scalar
from kdsearch.training.teacher_cache import TeacherOutputs

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing import VideoHashing

_OUTPUT = {"triplet": "codes", "representation": "codes", "hard": "logits", "soft": "logits"}
"""Terms by name, and the output that each is made of."""


@dataclass(frozen=True)
class Numbers:
    """What the terms of one run need: weights by term, temperature, and the teacher's outputs of all clips."""

    weights: Mapping[str, float]
    temperature: float
    teacher: TeacherOutputs | None

    @staticmethod
    def of(params: Mapping[str, Scalar], teacher: TeacherOutputs | None) -> Numbers:
        """Weights as a run's parameters say: ``alpha`` divides the classification weight into soft and hard."""
        classification, alpha = float(params["classification_weight"]), float(params["alpha"])
        weights = {
            "triplet": float(params["triplet_weight"]),
            "representation": float(params["representation_weight"]),
            "hard": classification * (1 - alpha),
            "soft": classification * alpha,
        }
        return Numbers(weights, float(params["temperature"]), teacher)


class VideoHashingTerms:
    """Weighted sums ``[M]`` of the terms of ``members`` runs.

    A term is computed where any member weighs it. Teachers are kept by slot, as references: members of one teacher
    share its outputs, and only where they differ are a batch's gathered one by one.
    """

    def __init__(self, task: VideoHashing, labels: Tensor, members: int, dtype: torch.dtype) -> None:
        self.labels = labels
        self.margin = task.margin
        self.repeat = "triplet_per_sample_repeat" in task.quirks
        self.weights = {name: torch.zeros(members, dtype=dtype, device=labels.device) for name in _OUTPUT}
        self.temperature = torch.ones(members, dtype=dtype, device=labels.device)
        self.numbers: list[Numbers | None] = [None] * members

    def put(self, slot: int, terms: Numbers) -> None:
        """Take the numbers of a new run."""
        self.numbers[slot] = terms
        for name, tensor in self.weights.items():
            tensor[slot] = terms.weights[name]
        self.temperature[slot] = terms.temperature

    def reads(self, terms: Numbers) -> frozenset[str]:
        """``codes``, ``logits`` or both: what terms of a weight that is not 0 are made of."""
        return frozenset(_OUTPUT[name] for name, weight in terms.weights.items() if weight != 0)

    def __call__(self, outputs: HashingOutput, clips: Tensor) -> Tensor:
        """Losses ``[M]``, see ``MemberTerms``."""
        labels = self.labels[clips]
        total = outputs.codes.new_zeros(len(clips))
        if self._any("triplet"):
            triplet = triplet_mean(outputs.codes, labels, self.margin, per_sample_repeat=self.repeat)
            total = total + self.weights["triplet"] * triplet
        if self._any("hard"):
            total = total + self.weights["hard"] * cross_entropy_batchmean(outputs.logits, labels)
        if self._any("representation"):
            codes = self._taught(outputs.codes, clips, "codes")
            total = total + self.weights["representation"] * representation_mse_mean(outputs.codes, codes)
        if self._any("soft"):
            logits = self._taught(outputs.logits, clips, "logits").to(outputs.logits.dtype)
            total = total + self.weights["soft"] * soft_targets_kl_batchmean(outputs.logits, logits, self.temperature)
        return total

    def _any(self, name: str) -> bool:
        return any(row is not None and row.weights[name] != 0 for row in self.numbers)

    def _taught(self, like: Tensor, clips: Tensor, name: str) -> Tensor:
        """What each member's teacher says about its clips ``[M, B, ...]``; zeros for a member that has none."""
        teachers = [None if row is None else row.teacher for row in self.numbers]
        known = {id(teacher): teacher for teacher in teachers if teacher is not None}
        if len(known) == 1:
            table: Tensor = getattr(next(iter(known.values())), name)
            return table[clips]
        rows = [
            like.new_zeros(like.shape[1:]) if teacher is None else getattr(teacher, name)[clips[slot]]
            for slot, teacher in enumerate(teachers)
        ]
        return torch.stack(rows)
