"""Transfer at work: data, networks, sources, terms and metric on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch.data.folds import FIRST, Fold
from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.soft_targets import binary_cross_entropy_mean, cross_entropy_batchmean
from kdsearch.distillation.transfer import transfer_loss
from kdsearch.errors import DataError
from kdsearch.models.heads.transfer import TransferNetwork, TransferOutput, columns
from kdsearch.tasks.base import Role, RunRequest, Scalar
from kdsearch.tasks.frozen import FROZEN, FrozenKey, listen, live, load_state, teacher_file
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.image_classification.workload import ImageClassificationWorkload
from kdsearch.tasks.image_classification.workload import Numbers as PlainNumbers
from kdsearch.tasks.images.workload import ImageSet, ImageWorkload, image_set, image_views
from kdsearch.tasks.term_weights import Frozen, MemberWeights, ask_each
from kdsearch.tasks.transfer.task import AUXILIARY_LOSSES
from kdsearch.training.feeds import ImageFeed
from kdsearch.training.files import file_hash
from kdsearch.training.population.stepper import Slots
from kdsearch.training.teacher_cache import LRUCache, concatenated

if TYPE_CHECKING:
    from kdsearch.tasks.transfer.task import Source, Transfer


class EnlargedFeed(ImageFeed):
    """Images, or the centre frames of clips, in the same views, scaled to ``enlarge`` pixels as a source reads them."""

    enlarge: int | None = None

    @property
    def values(self) -> int:
        """See ``Feed``: of the enlarged image."""
        return super().values if self.enlarge is None else 3 * self.enlarge**2

    def take(self, samples: Tensor, device: torch.device) -> Tensor:
        """See ``Feed``."""
        shown = super().take(samples, device)
        if self.enlarge is None:
            return shown
        return F.interpolate(shown, size=(self.enlarge, self.enlarge), mode="bilinear", align_corners=False)


def source_feed(
    task: Transfer, source: Source, images: Tensor, padding: int, dtype: torch.dtype = torch.float32
) -> EnlargedFeed:
    """Images, or the centre frames of clips, as a source sees them; ``padding`` is that of their data."""
    if images.dim() == 5:
        images = images[:, :, images.shape[2] // 2]
    feed = EnlargedFeed(images, *source.statistics, seen=image_views(task.augment, padding), dtype=dtype)
    feed.enlarge = source.enlarge
    return feed


@dataclass(frozen=True)
class Numbers:
    """What the terms of one run need: weights by term, temperature, and what the sources say, side by side."""

    weights: Mapping[str, float]
    temperature: float
    sources: Frozen | None


class TransferTerms:
    """Weighted sums ``[M]`` of target and auxiliary terms; see ``MemberTerms``. Weights are applied here alone."""

    def __init__(self, workload: TransferWorkload, members: int, dtype: torch.dtype) -> None:
        self.labels = workload.data.labels
        self.clips = workload.feed(dtype).clips
        self.target = cross_entropy_batchmean if workload.task.target_loss == "ce" else focal_batchmean
        self.columns = columns(workload.heads).values()
        self.own = MemberWeights[Frozen](("target", *AUXILIARY_LOSSES), members, dtype, self.labels.device)

    def put(self, slot: int, terms: Numbers) -> None:
        """Take the numbers of a new run."""
        self.own.put(slot, terms.weights, terms.temperature, terms.sources)

    def reads(self, terms: Numbers) -> frozenset[str]:
        """The auxiliary heads where sources have a weight."""
        return frozenset({"logits", "auxiliary"} if terms.sources is not None else {"logits"})

    def __call__(self, outputs: TransferOutput, samples: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses of all members or of those in ``slots``, see ``MemberTerms``."""
        own, labels = self.own.of(slots), self.labels[self.clips(samples)]
        several = self.labels.dim() == 2
        target = binary_cross_entropy_mean(outputs.logits, labels) if several else self.target(outputs.logits, labels)
        total = own["target"] * target
        if any(own.weighs(name) for name in AUXILIARY_LOSSES):
            said = ask_each(own.frozen, samples, outputs.auxiliary)
            for name in AUXILIARY_LOSSES:
                if own.weighs(name):
                    losses = [
                        transfer_loss(name, outputs.auxiliary[..., part], said[..., part], own.temperature)
                        for part in self.columns
                    ]
                    total = total + own[name] * torch.stack(losses).sum(0)
        return total


@dataclass(frozen=True)
class TransferWorkload(ImageWorkload):
    """See ``Workload``: the student's."""

    task: Transfer

    @property
    def heads(self) -> dict[str, int]:
        """Classes of each source."""
        return {source.name: source.count for source in self.task.transfer_from}

    def build(self) -> nn.Module:
        """See ``Workload``."""
        task = self.task
        body = task.network.build(self.data.classes)
        return TransferNetwork(body, self.heads, task.transfer_module, task.hidden)

    def terms(self, members: int, dtype: torch.dtype) -> TransferTerms:
        """See ``Workload``."""
        return TransferTerms(self, members, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Numbers:
        """``alpha`` weighs the term that ``auxiliary`` names; sources are asked only where it is not 0."""
        alpha, name = float(params["alpha"]), str(params["auxiliary"])
        if name not in AUXILIARY_LOSSES:
            raise ValueError(f"auxiliary is one of {', '.join(AUXILIARY_LOSSES)}, got {name!r}")
        weights = {"target": 1.0, **dict.fromkeys(AUXILIARY_LOSSES, 0.0)} | {name: alpha}
        sources = self._sources(request) if alpha else None
        return Numbers(weights, float(params["temperature"]), sources)

    def _sources(self, request: RunRequest) -> Frozen:
        kept = [self._source(source, request) for source in self.task.transfer_from]
        if len(kept) == 1:
            return kept[0]
        return TOGETHER.get(tuple(map(id, kept)), lambda: concatenated(kept))

    def _source(self, source: Source, request: RunRequest) -> Frozen:
        task = self.task
        feed = source_feed(task, source, self.data.images, task.data.padding)
        path = None if source.data is None else teacher_file(request, "alpha is not 0")

        def network() -> nn.Module:
            options = source.options
            built = options.build(source.count, pretrained=path is None)
            if path is not None:
                return load_state(built, path).to(self.device)
            if not getattr(built, "head_from_weights", False):
                raise DataError(
                    f"source {source.name!r}: its weights {options.weights} know another number of classes than "
                    f"{source.count}, so its soft labels would be random; correct classes={source.count}"
                )
            return built.to(self.device)

        if "teacher_train_mode" in task.quirks:
            return live(network(), feed, torch.device(self.device))
        weights = task.fingerprint() if path is None else file_hash(path)
        views = f"{task.augment}, size {task.size}, {feed.views} views, enlarged {source.enlarge}"
        network_words = f"{source.name} {source.options} {source.statistics}"
        key = FrozenKey.of(weights, network_words, task.data, self.data.train, views, self.device)
        return FROZEN.get(key, lambda: listen(network(), feed, self.data.train, source.count))


TOGETHER = LRUCache[tuple[int, ...], Frozen]()
"""One object for the same sources, so that the members of a population ask them together: what is kept holds them, so
that their ids are theirs alone.
"""


@dataclass(frozen=True)
class SourceWorkload(ImageClassificationWorkload):
    """The source that the study trains: a classifier on the source's own data."""

    _: KW_ONLY
    target: Transfer

    @cached_property
    def data(self) -> ImageSet:
        """The source's images, enlarged or cut as the target's."""
        return image_set(self.task.data, self.target.size, self.device)

    def feed(self, dtype: torch.dtype) -> EnlargedFeed:
        """Enlarged as the target's images will be."""
        source = self.target.trained_source
        assert source is not None
        return source_feed(self.target, source, self.data.images, self.task.data.padding, dtype)

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> PlainNumbers:
        """Labels alone."""
        return PlainNumbers({"hard": 1.0, "cse": 0.0, "mse": 0.0}, 1.0, None)


def make(task: Transfer, role: Role, device: str, fold: Fold = FIRST) -> TransferWorkload | SourceWorkload:
    """The workload of a role: the student's, or that of the source that the study trains as its teacher."""
    if role == "student":
        return TransferWorkload(task, role, device, fold)
    source = task.trained_source
    assert source is not None
    assert source.data is not None
    inner = ImageClassification(source.data, teacher=source.options, augment=task.augment, batch=task.batch)
    return SourceWorkload(inner, role, device, target=task)
