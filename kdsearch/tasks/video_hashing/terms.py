"""The loss of video hashing runs, one or many at once: terms over members, weights and teachers by slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kdsearch.distillation.representation import representation_mse_mean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean, soft_targets_kl_batchmean
from kdsearch.distillation.triplet import triplet_mean
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.term_weights import MemberWeights, by_teacher
from kdsearch.training.population.stepper import Slots
from kdsearch.training.teacher_cache import TeacherOutputs

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing.task import VideoHashing

_OUTPUT = {"triplet": "codes", "representation": "codes", "hard": "logits", "soft": "logits"}
"""Terms by name, and the output that each is made of."""


Teacher = Callable[[Tensor], TeacherOutputs]
"""Codes and logits ``[..., C]`` of clips ``[...]``. Members that hold the same object ask it together."""


@dataclass(frozen=True)
class Numbers:
    """What the terms of one run need: weights by term, temperature, and the teacher."""

    weights: Mapping[str, float]
    temperature: float
    teacher: Teacher | None

    @staticmethod
    def of(params: Mapping[str, Scalar], teacher: Teacher | None) -> Numbers:
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
        return Numbers(weights, float(params["temperature"]), teacher)


class VideoHashingTerms:
    """Weighted sums ``[M]`` of the terms of ``members`` runs. Weights are applied here alone.

    A term is computed where any member weighs it. Members of one teacher ask it once; only where their teachers differ
    is each asked for its own batch.
    """

    def __init__(self, task: VideoHashing, labels: Tensor, members: int, dtype: torch.dtype) -> None:
        self.labels = labels
        self.margin = task.margin
        self.repeat = "triplet_per_sample_repeat" in task.quirks
        self.own = MemberWeights[Teacher](tuple(_OUTPUT), members, dtype, labels.device)

    def put(self, slot: int, terms: Numbers) -> None:
        """Take the numbers of a new run."""
        self.own.put(slot, terms.weights, terms.temperature, terms.teacher)

    def reads(self, terms: Numbers) -> frozenset[str]:
        """``codes``, ``logits`` or both: what terms of a weight that is not 0 are made of."""
        return frozenset(_OUTPUT[name] for name, weight in terms.weights.items() if weight != 0)

    def __call__(self, outputs: HashingOutput, samples: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses of all members or of those in ``slots``, see ``MemberTerms``."""
        own = self.own.of(slots)
        labels = self.labels[samples]  # a clip has one view here
        total = outputs.codes.new_zeros(len(samples))
        if own.weighs("triplet"):
            triplet = triplet_mean(outputs.codes, labels, self.margin, per_sample_repeat=self.repeat)
            total = total + own["triplet"] * triplet
        if own.weighs("hard"):
            total = total + own["hard"] * cross_entropy_batchmean(outputs.logits, labels)
        if own.weighs("representation") or own.weighs("soft"):
            taught = _taught(outputs, samples, own.frozen)
            if own.weighs("representation"):
                total = total + own["representation"] * representation_mse_mean(outputs.codes, taught.codes)
            if own.weighs("soft"):
                soft = soft_targets_kl_batchmean(outputs.logits, taught.logits, own.temperature)
                total = total + own["soft"] * soft
        return total


def _taught(outputs: HashingOutput, clips: Tensor, teachers: Sequence[Teacher | None]) -> TeacherOutputs:
    """What each member's teacher says about its clips ``[M, B, ...]``; zeros for a member that has none."""
    asked = by_teacher(teachers)
    if len(asked) == 1 and len(asked[0][1]) == len(clips):
        said = asked[0][0](clips)
    else:
        said = TeacherOutputs(*(torch.zeros_like(value) for value in outputs))
        for teacher, places in asked:
            for own, value in zip(said, teacher(clips[places]), strict=True):
                own[places] = value.to(own.dtype)
    return TeacherOutputs(*(value.to(own.dtype) for value, own in zip(said, outputs, strict=True)))
