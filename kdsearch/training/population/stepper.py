"""Many runs in one step: stacked weights, one backward, one optimizer, and slots that are filled anew in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.models.classifiers.pretrained import trainable
from kdsearch.training.feeds import Feed, as_feed
from kdsearch.training.population.forward import Forward
from kdsearch.training.population.optimizers import RowOptimizer
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.steppers import Outputs, Stepper, Views, draw
from kdsearch.training.teacher_cache import LRUCache

_CHUNK_VALUES = 1 << 22
"""Values of inputs times members in one forward of an evaluation."""


@dataclass(frozen=True)
class InitialState:
    """A new run: the ``state`` that its network begins with, its ``optimizer`` numbers, and what its ``terms`` need."""

    state: Mapping[str, Tensor]
    optimizer: Mapping[str, float]
    terms: Any


class Slots(NamedTuple):
    """Some of the slots, ascending: on the host, and as an index ``[S]`` on the device."""

    numbers: list[int]
    rows: Tensor


class MemberTerms(ABC):
    """The weighted sums of all members' terms; weights and all else that differs between members are kept by slot."""

    @abstractmethod
    def put(self, slot: int, terms: Any) -> None:
        """Take the weights of a new run's terms."""

    @abstractmethod
    def reads(self, terms: Any) -> frozenset[str]:
        """Which outputs of the network a run's terms depend on, by the field's name."""

    @abstractmethod
    def __call__(self, outputs: Outputs, samples: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses ``[M]`` with a graph, of outputs ``[M, B, ...]`` for samples ``[M, B]``, see ``feeds``.

        ``slots``: outputs, samples and losses are of these members ``[S]`` alone.
        """


class PopulationStepper(Stepper):
    """``rows.members`` runs of one architecture, each with numbers of its own.

    ``forward`` is one of the two forms that :mod:`~kdsearch.training.population.forward` makes of ``skeleton``.
    ``inputs`` is the whole dataset as ``PlainStepper`` takes it. ``skip_zero_loss``: as
    ``PlainStepper``'s, for each member by itself, and without looking at the device.

    One backward of the sum of losses gives each member the gradient that it would have alone: members share nothing.
    A parameter that no term of its run depends on does not move, as torch's optimizers leave alone what has no
    gradient: here it has one of zeros, by which weight decay and Adam would move it.
    """

    def __init__(
        self,
        skeleton: nn.Module,
        forward: Forward,
        rows: StackedParameters,
        optimizer: RowOptimizer,
        inputs: Tensor | Feed,
        terms: MemberTerms,
        *,
        skip_zero_loss: bool = False,
    ) -> None:
        self.skeleton = skeleton
        self.forward = forward
        self.rows = rows
        self.width = rows.members
        self.optimizer = optimizer
        self.feed = as_feed(inputs)
        self.views: Views | None = None
        self.terms = terms
        self.skip_zero_loss = skip_zero_loss
        self.rates = torch.zeros(rows.members, dtype=torch.float64, device=rows.weights.device)
        self.known, self.masks = LRUCache[tuple[int, ...], Slots](64), LRUCache[tuple[bool, ...], Tensor](64)
        self.reach = _reach(skeleton, self._inputs(torch.zeros(2, dtype=torch.int64)))
        self.still: dict[int, Tensor] = {}

    @override
    def enter(self, slot: int, initial_state: Any) -> None:
        """Weights, optimizer and terms of a slot become those of a new run, in place."""
        self.rows.put(slot, initial_state.state)
        self.optimizer.reset(slot)
        self.optimizer.put(slot, initial_state.optimizer)
        self.terms.put(slot, initial_state.terms)
        read = sorted(self.terms.reads(initial_state.terms))
        moved = torch.stack([self.reach[name] for name in read] or [self._nothing()])
        self.still.pop(slot, None)
        if not bool(moved.any(0).all()):
            self.still[slot] = (~moved.any(0)).nonzero().squeeze(1)

    @override
    def restart(self, slot: int, weights: dict[str, Tensor]) -> None:
        self.rows.put(slot, weights)
        self.optimizer.forget(slot)

    @override
    def begin(self, learning_rates: Sequence[float], views: Views | None = None) -> None:
        self.views = views
        self.rates.copy_(torch.tensor(learning_rates, dtype=torch.float64))

    @override
    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """One step of all members. Batches of one size are computed together, slots of 0 not at all.

        Each size has a forward and a backward of its own, which leave gradients in its rows; one optimizer step moves
        all of them.
        """
        self.skeleton.train()
        weights = self.rows.weights
        assert weights.grad is not None
        weights.grad.zero_()
        if sizes is None or min(sizes) == max(sizes):
            losses = self._backward(clips, None)
        else:
            losses = torch.zeros(self.width, dtype=weights.dtype, device=weights.device)
            for size in sorted(set(sizes) - {0}, reverse=True):
                some = self._slots(tuple(slot for slot, own in enumerate(sizes) if own == size))
                losses.index_copy_(0, some.rows, self._backward(clips[:, :size], some))
        active = losses != 0 if self.skip_zero_loss else self._moving(sizes)
        kept = {slot: weights.detach()[slot, columns] for slot, columns in self.still.items()}
        self.optimizer.step(weights, weights.grad, self.rates, active)
        for slot, values in kept.items():
            weights.detach()[slot, self.still[slot]] = values
        return losses

    def _backward(self, clips: Tensor, some: Slots | None) -> Tensor:
        """Losses of these slots, detached; their gradients and buffers are written."""
        rows = self.rows
        if some is None:
            leaf, buffers, views = rows.weights, rows.buffers, self.views
        else:
            clips = clips.index_select(0, some.rows)
            leaf = rows.weights.detach().index_select(0, some.rows).requires_grad_()
            buffers, views = rows.buffers_of(some.rows), self.views and self.views.of_rows(some.rows)
        samples = draw(self.feed, clips, views)
        losses = self.terms(self.forward(rows.layout.views(leaf), buffers, self._inputs(samples)), samples, some)
        if losses.requires_grad:  # not where no run here weighs any term
            counted = torch.where(losses.detach() != 0, losses, 0) if self.skip_zero_loss else losses
            counted.sum().backward()  # type: ignore[no-untyped-call]
        if some is not None:
            for name, buffer in buffers.items():
                rows.buffers[name].index_copy_(0, some.rows, buffer)
            if leaf.grad is not None:
                assert rows.weights.grad is not None
                rows.weights.grad.index_copy_(0, some.rows, leaf.grad)
        return losses.detach()

    def _slots(self, numbers: tuple[int, ...]) -> Slots:
        """Kept on the device: a copy a step would make the host wait."""
        device = self.rows.weights.device
        return self.known.get(numbers, lambda: Slots(list(numbers), torch.tensor(numbers, device=device)))

    def _moving(self, sizes: Sequence[int] | None) -> Tensor | None:
        """Which rows the optimizer moves ``[M]``; ``None`` for all."""
        if sizes is None or min(sizes) > 0:
            return None
        moving, device = tuple(size > 0 for size in sizes), self.rows.weights.device
        return self.masks.get(moving, lambda: torch.tensor(moving, device=device))

    @override
    @torch.no_grad()
    def outputs(self, slots: list[int], clips: Tensor) -> Outputs:
        self.skeleton.eval()
        views, buffers = self.rows.of(slots)
        size = max(1, _CHUNK_VALUES // max(1, len(slots) * self.feed.values))
        split = torch.split(self.feed.clean(clips), size)
        parts = [self.forward(views, buffers, self._inputs(part), shared=True) for part in split]
        return type(parts[0])(*(torch.cat(column, 1) for column in zip(*parts, strict=True)))

    def _inputs(self, samples: Tensor) -> Tensor:
        """Samples ``[..., *shape]`` of the feed."""
        device = self.rows.weights.device
        gathered = self.feed.take(samples.flatten().to(device), device)
        return gathered.view(*samples.shape, *gathered.shape[1:])

    def _nothing(self) -> Tensor:
        return torch.zeros(self.rows.weights.shape[1], dtype=torch.bool, device=self.rows.weights.device)

    @override
    def weights(self, slot: int) -> dict[str, Tensor]:
        return self.rows.take(slot)

    @override
    def state(self, slot: int) -> dict[str, Any]:
        return {"model": self.rows.take(slot), "optimizer": self.optimizer.state(slot)}

    @override
    def load(self, slot: int, state: dict[str, Any]) -> None:
        self.rows.put(slot, state["model"])
        self.optimizer.load(slot, state["optimizer"])


def _reach(skeleton: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """By output: which of a row's numbers ``[P]`` it depends on, bool. The skeleton's buffers stay as they were."""
    parameters = list(trainable(skeleton).values())
    skeleton.eval()
    found = {}
    for name, output in skeleton(inputs)._asdict().items():
        gradients = torch.autograd.grad(output.sum(), parameters, allow_unused=True, retain_graph=True)
        reached = [
            torch.full((parameter.numel(),), gradient is not None, device=parameter.device)
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
        found[name] = torch.cat(reached)
    return found
