"""Transfer at work: data, networks, sources, terms and metric on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from kdsearch.data.folds import FIRST, Fold
from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.soft_targets import binary_cross_entropy_mean, cross_entropy_batchmean
from kdsearch.distillation.transfer import transfer_loss
from kdsearch.errors import DataError
from kdsearch.models.heads.transfer import TransferNetwork, TransferOutput, columns
from kdsearch.tasks.base import Role, RunRequest, Scalar
from kdsearch.tasks.frozen import load_state, teacher_file
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.image_classification.workload import ImageClassificationWorkload
from kdsearch.tasks.images.workload import ImageSet, ImageWorkload, image_set, image_views
from kdsearch.tasks.terms import LossWeights, SlotWeights, Teacher, WeightedTerms, teacher_outputs
from kdsearch.tasks.transfer.task import AUXILIARY_LOSSES, SourceNetwork, Transfer
from kdsearch.training.feeds import ImageFeed
from kdsearch.training.files import file_hash
from kdsearch.training.teacher_cache import LRUCache, concatenated


class EnlargedFeed(ImageFeed):
    """Images, or the centre frames of clips, in the same views, scaled to ``enlarge`` pixels as a source reads them."""

    enlarge: int | None = None

    @override
    def take(self, samples: Tensor, device: torch.device) -> Tensor:
        shown = super().take(samples, device)
        if self.enlarge is None:
            return shown
        return F.interpolate(shown, size=(self.enlarge, self.enlarge), mode="bilinear", align_corners=False)


def source_feed(
    task: Transfer, source: SourceNetwork, images: Tensor, padding: int, dtype: torch.dtype = torch.float32
) -> EnlargedFeed:
    """Images, or the centre frames of clips, as a source sees them; ``padding`` is that of their data."""
    if images.dim() == 5:
        images = images[:, :, images.shape[2] // 2]
    feed = EnlargedFeed(images, *source.statistics, seen=image_views(task.augment, padding), dtype=dtype)
    if source.enlarge is not None:
        feed.enlarge, feed.values = source.enlarge, 3 * source.enlarge**2
    return feed


class TransferTerms(WeightedTerms):
    """The target's loss, and an auxiliary loss summed over the sources, whose logits lie in ``columns``."""

    names = ("target", *AUXILIARY_LOSSES)

    def __init__(self, workload: TransferWorkload, members: int, dtype: torch.dtype) -> None:
        super().__init__(workload, members, dtype)
        self.target = cross_entropy_batchmean if workload.task.target_loss == "ce" else focal_batchmean
        self.columns = columns(workload.heads).values()

    @override
    def reads(self, terms: LossWeights) -> frozenset[str]:
        """The auxiliary heads where sources have a weight."""
        return frozenset({"logits", "auxiliary"} if terms.teacher is not None else {"logits"})

    @override
    def sum(self, outputs: TransferOutput, samples: Tensor, labels: Tensor, own: SlotWeights) -> Tensor:
        several = self.labels.dim() == 2
        target = binary_cross_entropy_mean(outputs.logits, labels) if several else self.target(outputs.logits, labels)
        total = own["target"] * target
        if own.weighs(*AUXILIARY_LOSSES):
            taught = teacher_outputs(own.teachers, samples, outputs.auxiliary)
            for name in AUXILIARY_LOSSES:
                if own.weighs(name):
                    losses = [
                        transfer_loss(name, outputs.auxiliary[..., part], taught[..., part], own.temperature)
                        for part in self.columns
                    ]
                    total = total + own[name] * torch.stack(losses).sum(0)
        return total


@dataclass(frozen=True)
class TransferWorkload(ImageWorkload):
    """The student and its sources."""

    task: Transfer

    @property
    def heads(self) -> dict[str, int]:
        """Classes of each source."""
        return {source.name: source.count for source in self.task.transfer_from}

    @override
    def build(self) -> nn.Module:
        task = self.task
        body = task.network("student").build(self.data.classes)
        return TransferNetwork(body, self.heads, task.transfer_module, task.hidden)

    @override
    def terms(self, members: int, dtype: torch.dtype) -> TransferTerms:
        return TransferTerms(self, members, dtype)

    @override
    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> LossWeights:
        """``alpha`` weighs the term that ``auxiliary`` names; sources run only where it is not 0."""
        alpha, name = float(params["alpha"]), str(params["auxiliary"])
        if name not in AUXILIARY_LOSSES:
            raise ValueError(f"auxiliary is one of {', '.join(AUXILIARY_LOSSES)}, got {name!r}")
        weights = {"target": 1.0, **dict.fromkeys(AUXILIARY_LOSSES, 0.0)} | {name: alpha}
        return LossWeights(weights, float(params["temperature"]), self._sources(request) if alpha else None)

    def _sources(self, request: RunRequest) -> Teacher:
        """The logits of all sources, side by side."""
        sources = [self._source(source, request) for source in self.task.transfer_from]
        if len(sources) == 1:
            return sources[0]
        return CONCATENATED.get(tuple(map(id, sources)), lambda: concatenated(sources))

    def _source(self, source: SourceNetwork, request: RunRequest) -> Teacher:
        task, options = self.task, source.options
        path = None if source.data is None else teacher_file(request, "alpha is not 0")

        def network() -> nn.Module:
            if path is not None:
                return load_state(task.build_teacher(), path).to(self.device)
            built = options.build(source.count)
            if not getattr(built, "head_from_weights", False):
                raise DataError(
                    f"source {source.name!r}: its weights {options.weights} know another number of classes than "
                    f"{source.count}, so its soft labels would be random; correct classes={source.count}"
                )
            return built.to(self.device)

        return self.teacher_logits(
            network,
            source_feed(task, source, self.data.images, task.data.padding),
            source.count,
            task.fingerprint() if path is None else file_hash(path),
            f"{source.name} {options} {source.statistics}",
            f", enlarged {source.enlarge}",
        )


CONCATENATED = LRUCache[tuple[int, ...], Teacher]()
"""One object for the same sources, so that they run once for all members of a population.

A cached object holds its sources, so that no other has their ids.
"""


@dataclass(frozen=True)
class SourceWorkload(ImageClassificationWorkload):
    """The source that the study trains: a classifier on the source's own data."""

    _: KW_ONLY
    target: Transfer

    @cached_property
    @override
    def data(self) -> ImageSet:
        return image_set(self.task.data, self.target.size, self.device)

    @override
    def feed(self, dtype: torch.dtype) -> EnlargedFeed:
        """Enlarged as the target's images will be."""
        source = self.target.trained_source
        assert source is not None
        return source_feed(self.target, source, self.data.images, self.task.data.padding, dtype)

    @override
    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> LossWeights:
        """Labels alone."""
        return LossWeights({"hard": 1.0, "cse": 0.0, "mse": 0.0})


def make(task: Transfer, role: Role, device: str, fold: Fold = FIRST) -> TransferWorkload | SourceWorkload:
    """The workload of a role: the student's, or that of the source that the study trains as its teacher."""
    if role == "student":
        return TransferWorkload(task, role, device, fold)
    source = task.trained_source
    assert source is not None
    assert source.data is not None
    inner = ImageClassification(source.data, teacher=source.options, augment=task.augment, batch=task.batch)
    return SourceWorkload(inner, role, device, target=task)
