"""Deep mutual learning at work: data, peers, terms and metric on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.distillation.mutual import mutual_kl_batchmean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean
from kdsearch.models.heads.peers import Peers, PeersOutput
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.images.workload import ImageWorkload
from kdsearch.tasks.term_weights import MemberWeights
from kdsearch.training.population.stepper import Slots

if TYPE_CHECKING:
    from kdsearch.tasks.mutual_learning.task import MutualLearning


@dataclass(frozen=True)
class Numbers:
    """Weights by term and temperature."""

    weights: Mapping[str, float]
    temperature: float


class MutualTerms:
    """Sums ``[M]`` of the peers' losses; see ``MemberTerms``. Each peer's gradient is that of its own loss."""

    def __init__(self, workload: MutualLearningWorkload, members: int, dtype: torch.dtype) -> None:
        self.labels = workload.data.labels
        self.clips = workload.feed(dtype).clips
        self.summed = "summed_over_peers" in workload.task.quirks
        self.own = MemberWeights[None](("hard", "mutual"), members, dtype, self.labels.device)

    def put(self, slot: int, terms: Numbers) -> None:
        """Take the numbers of a new run."""
        self.own.put(slot, terms.weights, terms.temperature, None)

    def reads(self, terms: Numbers) -> frozenset[str]:
        """Logits always: the hard term has weight 1."""
        return frozenset({"logits"})

    def __call__(self, outputs: PeersOutput, samples: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses of all members or of those in ``slots``, see ``MemberTerms``."""
        own, logits = self.own.of(slots), outputs.logits.transpose(-3, -2)
        labels = self.labels[self.clips(samples)].unsqueeze(-2).expand(logits.shape[:-1])
        total = own["hard"] * cross_entropy_batchmean(logits, labels).sum(-1)
        if own.weighs("mutual"):
            mutual = mutual_kl_batchmean(logits, own.temperature, summed_over_peers=self.summed)
            total = total + own["mutual"] * mutual.sum(-1)
        return total


@dataclass(frozen=True)
class MutualLearningWorkload(ImageWorkload):
    """See ``Workload``."""

    task: MutualLearning

    def build(self) -> nn.Module:
        """See ``Workload``."""
        return Peers(lambda: self.task.network.build(self.data.classes), self.task.peers)

    def terms(self, members: int, dtype: torch.dtype) -> MutualTerms:
        """See ``Workload``."""
        return MutualTerms(self, members, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Numbers:
        """``mutual_weight`` and temperature."""
        weights = {"hard": 1.0, "mutual": float(params["mutual_weight"])}
        return Numbers(weights, float(params["temperature"]))
