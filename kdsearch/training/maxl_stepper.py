"""The stepper of MAXL: a pass of the network on generated labels, then a pass of the generator behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.meta_auxiliary import collapse_entropy, masked_softmax, primary_after_step
from kdsearch.models.classifiers.pretrained import trainable
from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork, MultiTaskOutput
from kdsearch.training.feeds import Feed
from kdsearch.training.steppers import SingleStepper, Views


class MetaParameters(NamedTuple):
    """What one run searches: weights of the two added terms, rates and decays of both networks."""

    auxiliary_weight: float
    entropy_weight: float
    learning_rate: float
    weight_decay: float
    generator_learning_rate: float
    generator_weight_decay: float


class Pair(nn.Module):
    """The network and its label generator; called, it is the network."""

    def __init__(self, network: MultiTaskNetwork, generator: LabelGenerator) -> None:
        super().__init__()
        self.network = network
        self.generator = generator

    def forward(self, images: Tensor) -> MultiTaskOutput:
        """Logits of classes and sub-classes."""
        output: MultiTaskOutput = self.network(images)
        return output


class MetaAuxiliaryStepper(SingleStepper):
    """One run of MAXL: ``step`` moves the network, ``end`` the generator on the same batches.

    ``labels`` ``[N]`` are of the feed's clips, ``subclasses`` a number a class. Nothing but the weights is remembered
    from step to step: both optimizers are plain gradient descent with weight decay. Without ``auxiliary_weight`` the
    generator is not run.
    """

    def __init__(
        self, pair: Pair, feed: Feed, labels: Tensor, subclasses: tuple[int, ...], searched: MetaParameters
    ) -> None:
        super().__init__(pair, feed)
        self.pair = pair
        self.labels = labels
        self.subclasses = subclasses
        self.searched = searched
        self.rate = 0.0
        self.seen: list[Tensor] = []

    @override
    def begin(self, learning_rates: Sequence[float], views: Views | None = None) -> None:
        """The network's learning rate in this epoch; the generator's stands in the same proportion to its own."""
        self.rate, self.views, self.seen = learning_rates[0], views, []

    @override
    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """One step of the network with generated labels; the batch waits for the generator."""
        samples = self.draw(clips, sizes)
        images, classes = self._batch(samples)
        loss = self._loss(self.pair.network(images), classes, self._fixed(images, classes))
        _descend(trainable(self.pair.network).values(), loss, self.rate, self.searched.weight_decay)
        if self.searched.auxiliary_weight:
            self.seen.append(samples)
        return loss.detach().unsqueeze(0)

    @override
    def end(self) -> None:
        """One step of the generator for each batch of the epoch."""
        searched = self.searched
        fallen = self.rate / searched.learning_rate if searched.learning_rate else 1.0
        rate = searched.generator_learning_rate * fallen
        for samples in self.seen:
            loss = self.generator_loss(*self._batch(samples))
            _descend(trainable(self.pair.generator).values(), loss, rate, searched.generator_weight_decay)
        self.seen = []

    def generator_loss(self, images: Tensor, classes: Tensor) -> Tensor:
        """``L_2`` of the module :mod:`kdsearch.tasks.meta_auxiliary.task`, with its graph to the generator alone."""
        network = self.pair.network
        made = masked_softmax(self.pair.generator(images).logits, classes, self.subclasses)
        parameters = {name: value.detach() for name, value in trainable(network).items()}

        def run(weights: dict[str, Tensor]) -> MultiTaskOutput:
            # Copies: a step that never happens must not move what batch norm has seen.
            buffers = {name: value.clone() for name, value in network.named_buffers()}
            output: MultiTaskOutput = functional_call(network, (weights, buffers), (images,))
            return output

        primary = primary_after_step(
            lambda weights: focal_batchmean(run(weights).logits, classes),
            lambda weights: self._loss(run(weights), classes, made),
            parameters,
            self.rate,
        )
        return primary + self.searched.entropy_weight * collapse_entropy(made)

    def _batch(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        return self.feed.take(samples, self.device), self.labels[self.feed.clips(samples)]

    def _fixed(self, images: Tensor, classes: Tensor) -> Tensor | None:
        if not self.searched.auxiliary_weight:
            return None
        with torch.no_grad():
            return masked_softmax(self.pair.generator(images).logits, classes, self.subclasses)

    def _loss(self, output: MultiTaskOutput, classes: Tensor, made: Tensor | None) -> Tensor:
        loss = focal_batchmean(output.logits, classes)
        if made is not None:
            loss = loss + self.searched.auxiliary_weight * focal_batchmean(output.auxiliary, made)
        return loss


def _descend(moved: Iterable[nn.Parameter], loss: Tensor, rate: float, decay: float) -> None:
    """``w <- w - rate * (dloss/dw + decay * w)``; a weight that the loss does not reach stays."""
    parameters = list(moved)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                parameter.sub_(rate * (gradient + decay * parameter))
