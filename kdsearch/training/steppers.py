"""A stepper is what trains: it holds the weights and knows forward, terms, backward and optimizer, and no schedule."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import Protocol

import torch
from torch import Tensor
from torch import nn

from kdsearch.training.micro_batches import backward_by_parts
from kdsearch.training.micro_batches import parts_of
from kdsearch.training.optimizers import load_row
from kdsearch.training.optimizers import state_row

Precision = Literal["float32", "bfloat16"]
Outputs = Any
"""What a network gives: a named tuple of tensors ``[B, ...]``, such as codes and logits."""

_CHUNK_VALUES = 1 << 22
"""Input values in one forward of an evaluation: all pose clips at once, RGB clips a few at a time."""


class Stepper(Protocol):
    """What the loop needs of a way to train: ``width`` slots, each with one run or free."""

    @property
    def width(self) -> int:
        """How many runs train at once."""

    def enter(self, slot: int, entrant: Any) -> None:
        """Make a slot that of a new run, at its very beginning; ``entrant`` is what the run's task made for it."""

    def begin(self, learning_rates: Sequence[float], live: Sequence[bool]) -> None:
        """An epoch begins: the slots' learning rates, and which of them hold a run. The others must not move."""

    def step(self, clips: Tensor) -> Tensor:
        """One optimizer step of all slots on the clips of these indices ``[W, B]``.

        Returns the slots' losses ``[W]``, detached, still on the device; those of free slots may be NaN.
        """

    def outputs(self, slots: list[int], clips: Tensor) -> Outputs:
        """Outputs ``[S, n, ...]`` of some slots for the clips of these indices ``[n]``: evaluation mode, no graph."""

    def weights(self, slot: int) -> dict[str, Tensor]:
        """Copies of a run's parameters and buffers by name."""

    def state(self, slot: int) -> dict[str, Any]:
        """All that continuing a run needs, as ``torch.load(weights_only=True)`` reads it."""

    def load(self, slot: int, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""


class PlainStepper:
    """One module and one torch optimizer: the ordinary way.

    ``inputs`` ``[N, ...]`` is the whole prepared dataset: on the module's device, or in the host's memory, from where
    each batch is copied. ``loss(outputs, clips)`` gives the weighted sum of terms of a batch as a scalar with a graph.

    ``precision``: ``bfloat16`` runs the network under autocast; outputs, loss, weights and optimizer stay float32.
    ``micro_batch``: so many clips run at a time, with the exact gradient of the whole batch's loss
    (:mod:`~kdsearch.training.micro_batches`); batch norm then takes its statistics from as many.

    ``skip_zero_loss``: make no optimizer step where the batch's loss is exactly 0, so that neither momentum nor weight
    decay moves the weights there (the forward has moved batch norm's statistics). The decision is Python's, hence the
    host waits for the device in every step; off, no step looks at the loss.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        inputs: Tensor,
        loss: Callable[[Outputs, Tensor], Tensor],
        *,
        skip_zero_loss: bool = False,
        precision: Precision = "float32",
        micro_batch: int | None = None,
    ) -> None:
        self.model = model.train()
        self.optimizer = optimizer
        self.inputs = inputs
        self.loss = loss
        self.skip_zero_loss = skip_zero_loss
        self.precision: Precision = precision
        self.micro_batch = micro_batch
        self.device = next(model.parameters()).device

    width = 1

    def enter(self, slot: int, entrant: Any) -> None:
        """Nothing: it was made for its one run."""

    def begin(self, learning_rates: Sequence[float], live: Sequence[bool]) -> None:
        """The learning rate of an epoch, see :class:`Stepper`."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rates[0]

    def step(self, clips: Tensor) -> Tensor:
        """One optimizer step, see :class:`Stepper`."""
        batch = clips[0]
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
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach().unsqueeze(0)

    def _forward(self, clips: Tensor) -> Outputs:
        return forward(self.model, take(self.inputs, clips, self.device), self.precision)

    def outputs(self, slots: list[int], clips: Tensor) -> Outputs:
        """Outputs in evaluation mode, see :class:`Stepper`."""
        every = forward_all(self.model, self.inputs, clips, self.precision)
        return type(every)(*(part.unsqueeze(0) for part in every))

    def weights(self, slot: int) -> dict[str, Tensor]:
        """Copies of parameters and buffers, see :class:`Stepper`."""
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def state(self, slot: int) -> dict[str, Any]:
        """Weights and optimizer, see :class:`Stepper`."""
        return {"model": self.weights(slot), "optimizer": state_row(self.optimizer)}

    def load(self, slot: int, state: dict[str, Any]) -> None:
        """Continue, see :class:`Stepper`."""
        self.model.load_state_dict(state["model"])
        load_row(self.optimizer, state["optimizer"])


def take(inputs: Tensor, clips: Tensor, device: torch.device) -> Tensor:
    """The clips of these indices ``[n]`` on ``device``; where the dataset lies in the host's memory, copied there."""
    if inputs.device == device:
        return inputs.index_select(0, clips)
    batch = inputs.index_select(0, clips.to(inputs.device))
    return (batch.pin_memory() if device.type == "cuda" else batch).to(device, non_blocking=True)


def forward(model: nn.Module, inputs: Tensor, precision: Precision) -> Outputs:
    """Outputs of ``model``; with ``bfloat16`` under autocast, as float32."""
    if precision == "float32":
        return model(inputs)
    with torch.autocast(inputs.device.type, torch.bfloat16):
        outputs = model(inputs)
    return type(outputs)(*(part.float() for part in outputs))


@torch.inference_mode()
def forward_all(model: nn.Module, inputs: Tensor, clips: Tensor, precision: Precision = "float32") -> Outputs:
    """Outputs of ``model`` in evaluation mode for many clips, in as few forwards as memory allows.

    The module's mode is put back afterwards.
    """
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        size = max(1, _CHUNK_VALUES // max(1, inputs[0].numel()))
        parts = [forward(model, take(inputs, part, device), precision) for part in torch.split(clips, size)]
    finally:
        model.train(was_training)
    if len(parts) == 1:
        return parts[0]
    return type(parts[0])(*(torch.cat(column) for column in zip(*parts, strict=True)))
