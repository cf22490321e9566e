"""A stepper is what trains: it holds the weights and knows forward, terms, backward and optimizer, and no schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol

import torch
from torch import Tensor
from torch import nn

from kdsearch.models.hashing import HashingOutput

_CHUNK_VALUES = 1 << 22
"""Input values in one forward of an evaluation: all pose clips at once, RGB clips a few at a time."""


class Stepper(Protocol):
    """What the loop needs of a way to train."""

    def step(self, clips: Tensor, learning_rate: float) -> Tensor:
        """One optimizer step on the clips of these indices ``[B]``; the batch's loss, detached, still on the device."""

    def outputs(self, clips: Tensor) -> HashingOutput:
        """Outputs of the clips of these indices in evaluation mode, without a graph."""

    def weights(self) -> dict[str, Tensor]:
        """Copies of parameters and buffers by name."""

    def state(self) -> dict[str, Any]:
        """All that continuing needs, as ``torch.load(weights_only=True)`` reads it."""

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""


class PlainStepper:
    """One module and one torch optimizer: the ordinary way.

    ``inputs`` ``[N, ...]`` is the whole prepared dataset on the module's device. ``loss(outputs, clips)`` gives the
    weighted sum of terms of a batch as a scalar with a graph.

    ``skip_zero_loss``: make no optimizer step where the batch's loss is exactly 0, so that neither momentum nor weight
    decay moves the weights there (the forward has moved batch norm's statistics). The decision is Python's, hence the
    host waits for the device in every step; off, no step looks at the loss.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        inputs: Tensor,
        loss: Callable[[HashingOutput, Tensor], Tensor],
        *,
        skip_zero_loss: bool = False,
    ) -> None:
        self.model = model.train()
        self.optimizer = optimizer
        self.inputs = inputs
        self.loss = loss
        self.skip_zero_loss = skip_zero_loss

    def step(self, clips: Tensor, learning_rate: float) -> Tensor:
        """One optimizer step, see :class:`Stepper`."""
        loss = self.loss(self.model(self.inputs.index_select(0, clips)), clips)
        if self.skip_zero_loss and not loss.detach():
            return loss.detach()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return loss.detach()

    def outputs(self, clips: Tensor) -> HashingOutput:
        """Outputs in evaluation mode, see :class:`Stepper`."""
        return forward_all(self.model, self.inputs, clips)

    def weights(self) -> dict[str, Tensor]:
        """Copies of parameters and buffers, see :class:`Stepper`."""
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Weights and optimizer, see :class:`Stepper`."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Continue, see :class:`Stepper`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


@torch.inference_mode()
def forward_all(model: nn.Module, inputs: Tensor, clips: Tensor) -> HashingOutput:
    """Outputs of ``model`` in evaluation mode for many clips, in as few forwards as memory allows.

    The module's mode is put back afterwards.
    """
    was_training = model.training
    model.eval()
    try:
        size = max(1, _CHUNK_VALUES // max(1, inputs[0].numel()))
        parts = [model(inputs.index_select(0, part)) for part in torch.split(clips, size)]
    finally:
        model.train(was_training)
    if len(parts) == 1:
        return HashingOutput(*parts[0])
    return HashingOutput(*(torch.cat(column) for column in zip(*parts, strict=True)))
