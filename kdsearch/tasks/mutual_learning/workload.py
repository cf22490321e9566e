"""Deep mutual learning at work: data, peers, terms and metric on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.distillation.mutual import mutual_kl_batchmean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean
from kdsearch.models.heads.peers import Peers, PeersOutput
from kdsearch.tasks.base import RunRequest, Scalar
from kdsearch.tasks.images.workload import ImageWorkload
from kdsearch.tasks.mutual_learning.task import MutualLearning
from kdsearch.tasks.terms import LossWeights, SlotWeights, WeightedTerms


class MutualTerms(WeightedTerms):
    """Sums of the peers' losses. Each peer's gradient is that of its own loss."""

    names = ("hard", "mutual")

    def __init__(self, workload: MutualLearningWorkload, members: int, dtype: torch.dtype) -> None:
        super().__init__(workload, members, dtype)
        self.summed = "summed_over_peers" in workload.task.quirks

    @override
    def sum(self, outputs: PeersOutput, samples: Tensor, labels: Tensor, own: SlotWeights) -> Tensor:
        logits = outputs.logits.transpose(-3, -2)
        labels = labels.unsqueeze(-2).expand(logits.shape[:-1])
        total = own["hard"] * cross_entropy_batchmean(logits, labels).sum(-1)
        if own.weighs("mutual"):
            mutual = mutual_kl_batchmean(logits, own.temperature, summed_over_peers=self.summed)
            total = total + own["mutual"] * mutual.sum(-1)
        return total


@dataclass(frozen=True)
class MutualLearningWorkload(ImageWorkload):
    """Peers on the same batches."""

    task: MutualLearning

    @override
    def build(self) -> nn.Module:
        return Peers(lambda: self.task.network("student").build(self.data.classes), self.task.peers)

    @override
    def terms(self, members: int, dtype: torch.dtype) -> MutualTerms:
        return MutualTerms(self, members, dtype)

    @override
    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> LossWeights:
        weights = {"hard": 1.0, "mutual": float(params["mutual_weight"])}
        return LossWeights(weights, float(params["temperature"]))
