"""A stepper is what trains: it holds the weights and knows forward, terms, backward and optimizer, and no schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.training.feeds import Feed, as_feed
from kdsearch.training.gradient_cache import backward_by_parts, parts_of
from kdsearch.training.optimizers import load_row, state_row

Precision = Literal["float32", "bfloat16"]
Outputs = Any
"""What a network gives: a named tuple of tensors ``[B, ...]``, such as codes and logits."""

_CHUNK_VALUES = 1 << 22
"""Input values in one forward of an evaluation: all pose clips at once, RGB clips a few at a time."""


class Views(NamedTuple):
    """What draws the views of clips in one epoch: each run's key, see ``counter_rng``, and its epoch, ``[W]``."""

    keys: Tensor
    epochs: Tensor

    @staticmethod
    def of(keys: Sequence[int], epochs: Sequence[int], device: torch.device) -> Views:
        """As tensors on ``device``."""
        return Views(*(torch.tensor(column, dtype=torch.int64, device=device) for column in (keys, epochs)))

    def of_rows(self, rows: Tensor) -> Views:
        """Those of some runs, by their slots ``[S]``."""
        return Views(*(column.index_select(0, rows) for column in self))


class Stepper(ABC):
    """What the loop needs of a way to train: ``width`` slots, each with one run or free."""

    width: int

    @abstractmethod
    def enter(self, slot: int, initial_state: Any) -> None:
        """Make a slot that of a new run, at its beginning; ``initial_state`` is what the run's task made for it."""

    @abstractmethod
    def restart(self, slot: int, weights: dict[str, Tensor]) -> None:
        """A run goes on from these of its :meth:`weights`; its optimizer forgets what it remembers."""

    @abstractmethod
    def begin(self, learning_rates: Sequence[float], views: Views | None = None) -> None:
        """An epoch begins: the slots' learning rates.

        ``views``: what the slots' views of clips are drawn by, where the feed has more than one.
        """

    @abstractmethod
    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """One optimizer step of the slots on the clips of these indices ``[W, B]``.

        ``sizes``: how many of its row a slot's batch holds, from the first on, where batches differ; a slot of 0 rests:
        nothing of it moves. Returns the slots' losses ``[W]``, detached, still on the device; 0 for those that rest.
        """

    def end(self) -> None:  # noqa: B027
        """The epoch's steps are over; what is evaluated next are the weights as they are after this."""

    @abstractmethod
    def outputs(self, slots: list[int], clips: Tensor) -> Outputs:
        """Outputs ``[S, n, ...]`` of some slots for the clips of these indices ``[n]``: evaluation mode, no graph."""

    @abstractmethod
    def weights(self, slot: int) -> dict[str, Tensor]:
        """Copies of a run's parameters and buffers by name."""

    @abstractmethod
    def state(self, slot: int) -> dict[str, Any]:
        """All that continuing a run needs, as ``torch.load(weights_only=True)`` reads it."""

    @abstractmethod
    def load(self, slot: int, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""


class SingleStepper(Stepper):
    """One slot for the one run that the stepper is made for: ``model`` on the whole dataset.

    ``inputs`` is the dataset as a feed, or as prepared inputs ``[N, ...]``. It lies on the module's device, or in the
    host's memory, from where each batch is copied.
    """

    width = 1

    def __init__(self, model: nn.Module, inputs: Tensor | Feed, precision: Precision = "float32") -> None:
        self.model = model.train()
        self.feed = as_feed(inputs)
        self.precision: Precision = precision
        self.views: Views | None = None
        self.device = next(model.parameters()).device

    @override
    def enter(self, slot: int, initial_state: Any) -> None:
        """Nothing: the model is the run's."""

    @override
    def restart(self, slot: int, weights: dict[str, Tensor]) -> None:
        self.model.load_state_dict(weights)

    def draw(self, clips: Tensor, sizes: Sequence[int] | None) -> Tensor:
        """The samples ``[B]`` of a step, see :meth:`step`."""
        return draw(self.feed, clips if sizes is None else clips[:, : sizes[0]], self.views)[0]

    @override
    def outputs(self, slots: list[int], clips: Tensor) -> Outputs:
        every = forward_all(self.model, self.feed, clips, self.precision)
        return type(every)(*(part.unsqueeze(0) for part in every))

    @override
    def weights(self, slot: int) -> dict[str, Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    @override
    def state(self, slot: int) -> dict[str, Any]:
        return {"model": self.weights(slot)}

    @override
    def load(self, slot: int, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])


class PlainStepper(SingleStepper):
    """One module and one torch optimizer: the ordinary way.

    ``loss(outputs, samples)`` gives a batch's weighted sum of terms as a scalar with a graph.

    ``precision``: ``bfloat16`` runs the network under autocast; outputs, loss, weights and optimizer stay float32.
    ``micro_batch``: so many clips run at a time, with the exact gradient of the whole batch's loss
    (:mod:`~kdsearch.training.gradient_cache`); batch norm then takes its statistics from as many.

    ``skip_zero_loss``: make no optimizer step where the batch's loss is exactly 0, so that neither momentum nor weight
    decay moves the weights there (the forward has moved batch norm's statistics). The decision is Python's, hence the
    host waits for the device in every step; off, no step looks at the loss.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        inputs: Tensor | Feed,
        loss: Callable[[Outputs, Tensor], Tensor],
        *,
        skip_zero_loss: bool = False,
        precision: Precision = "float32",
        micro_batch: int | None = None,
    ) -> None:
        super().__init__(model, inputs, precision)
        self.optimizer = optimizer
        self.loss = loss
        self.skip_zero_loss = skip_zero_loss
        self.micro_batch = micro_batch

    @override
    def restart(self, slot: int, weights: dict[str, Tensor]) -> None:
        super().restart(slot, weights)
        self.optimizer.state.clear()

    @override
    def begin(self, learning_rates: Sequence[float], views: Views | None = None) -> None:
        self.views = views
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rates[0]

    @override
    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        batch = self.draw(clips, sizes)
        if self.micro_batch is not None and len(batch) > self.micro_batch:
            self.optimizer.zero_grad()
            loss = backward_by_parts(
                self.model, self._forward, parts_of(batch, self.micro_batch), lambda outputs: self.loss(outputs, batch)
            )
            if not (self.skip_zero_loss and not loss):
                self.optimizer.step()
            return loss.unsqueeze(0)
        loss = self.loss(self._forward(batch), batch)
        if self.skip_zero_loss and not loss.detach():
            return loss.detach().unsqueeze(0)
        self.optimizer.zero_grad()
        if loss.requires_grad:  # not where no term has a weight: nothing moves then, as in a population
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach().unsqueeze(0)

    def _forward(self, samples: Tensor) -> Outputs:
        return forward(self.model, self.feed.take(samples, self.device), self.precision)

    @override
    def state(self, slot: int) -> dict[str, Any]:
        return {**super().state(slot), "optimizer": state_row(self.optimizer)}

    @override
    def load(self, slot: int, state: dict[str, Any]) -> None:
        super().load(slot, state)
        load_row(self.optimizer, state["optimizer"])


def draw(feed: Feed, clips: Tensor, views: Views | None) -> Tensor:
    """Samples of a step's clips ``[W, B]``; raises ``ValueError`` where a feed of many views is given no key."""
    if feed.views == 1:
        return clips
    if views is None:
        raise ValueError("this feed shows clips in views of their own: begin the epoch with the runs' keys and epochs")
    return feed.draw(clips, views.keys, views.epochs)


def forward(model: nn.Module, inputs: Tensor, precision: Precision) -> Outputs:
    """Outputs of ``model``; with ``bfloat16`` under autocast, as float32."""
    if precision == "float32":
        return model(inputs)
    with torch.autocast(inputs.device.type, torch.bfloat16):
        outputs = model(inputs)
    return type(outputs)(*(part.float() for part in outputs))


@torch.inference_mode()
def forward_all(model: nn.Module, inputs: Tensor | Feed, clips: Tensor, precision: Precision = "float32") -> Outputs:
    """Outputs of ``model`` in evaluation mode for many clips as they are, in as few forwards as memory allows.

    The module's mode is put back afterwards.
    """
    feed = as_feed(inputs)
    return forward_samples(model, feed, feed.clean(clips), precision)


@torch.inference_mode()
def forward_samples(model: nn.Module, feed: Feed, samples: Tensor, precision: Precision = "float32") -> Outputs:
    """As :func:`forward_all`, of samples of the feed."""
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        size = max(1, _CHUNK_VALUES // max(1, feed.values))
        parts = [forward(model, feed.take(part, device), precision) for part in torch.split(samples, size)]
    finally:
        model.train(was_training)
    if len(parts) == 1:
        return parts[0]
    return type(parts[0])(*(torch.cat(column) for column in zip(*parts, strict=True)))
