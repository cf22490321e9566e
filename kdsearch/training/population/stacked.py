"""The weights of all members: one row of numbers each, and their buffers stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from kdsearch.models.classifiers.pretrained import trainable


@dataclass(frozen=True)
class RowLayout:
    """Where the parameters of one network that learn lie in its row of P numbers, in the order of its own."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(module: nn.Module) -> RowLayout:
        """The layout of ``module``'s parameters, without those that are frozen."""
        named = list(trainable(module).items())
        return RowLayout(tuple(name for name, _ in named), tuple(tuple(value.shape) for _, value in named))

    @property
    def sizes(self) -> list[int]:
        """How many numbers each parameter has."""
        return [prod(shape) for shape in self.shapes]

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Parameters ``[M, *shape]`` by name, as views of ``rows`` ``[M, P]``.

        By one split: its backward is one concatenation, where each slice's would write a gradient of all P numbers.
        """
        parts = torch.split(rows, self.sizes, 1)
        return {name: part.view(-1, *shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}


class StackedParameters:
    """Parameters and buffers of ``members`` networks of one architecture.

    ``weights`` ``[M, P]`` is one leaf with a gradient that is kept; ``buffers`` are ``[M, *shape]`` by name. A member
    is replaced in place, so whatever holds these tensors (an optimizer, a captured graph) stays valid.
    """

    def __init__(self, module: nn.Module, members: int) -> None:
        """Room for ``members`` networks like ``module``, with its dtype, on its device; every row begins as it."""
        self.members = members
        self.layout = RowLayout.of(module)
        parameters = trainable(module)
        row = torch.cat([parameters[name].detach().flatten() for name in self.layout.names])
        self.weights = row.repeat(members, 1).requires_grad_()
        self.weights.grad = torch.zeros_like(self.weights)
        # What is frozen is the module's own, one for all members.
        self.frozen = {name: value.detach() for name, value in module.named_parameters() if name not in parameters}
        # What a state_dict leaves out (a network's constants) is the same for all and stays.
        self.stored = tuple(name for name, _ in module.named_buffers() if name in module.state_dict())
        self.buffers = {
            name: value.detach().expand(members, *value.shape).clone() for name, value in module.named_buffers()
        }

    def views(self) -> dict[str, Tensor]:
        """Parameters ``[M, *shape]`` by name, with a graph to ``weights``."""
        return self.layout.views(self.weights)

    @torch.no_grad()
    def put(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Copy parameters and buffers (see :meth:`take`) into a slot; raises ``KeyError`` where one is missing.

        ``ValueError`` where what is frozen differs: there is one copy of it for all members.
        """
        for name, value in self.frozen.items():
            if not torch.equal(state[name].to(value), value):
                raise ValueError(
                    f"{name} is frozen, so that all members share it; expected the same values in each, got others: "
                    "give all the same pretrained weights, or train one at a time (--population 1)"
                )
        row = [state[name].to(self.weights).flatten() for name in self.layout.names]
        self.weights[slot].copy_(torch.cat(row))
        for name in self.stored:
            self.buffers[name][slot].copy_(state[name])

    @torch.no_grad()
    def take(self, slot: int) -> dict[str, Tensor]:
        """Copies of a member's parameters and buffers on the CPU: what its module's ``state_dict`` would be."""
        views = self.layout.views(self.weights.detach()[slot : slot + 1])
        state = {name: value[0].cpu().clone() for name, value in views.items()}
        state |= {name: self.buffers[name][slot].cpu().clone() for name in self.stored}
        return state | {name: value.cpu().clone() for name, value in self.frozen.items()}

    def of(self, slots: list[int]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Parameters and buffers of some members ``[S, ...]``, without a graph; copies unless all are asked for."""
        if slots == list(range(self.members)):
            return self.layout.views(self.weights.detach()), self.buffers
        index = torch.tensor(slots, device=self.weights.device)
        views = self.layout.views(self.weights.detach().index_select(0, index))
        return views, self.buffers_of(index)

    def buffers_of(self, slots: Tensor) -> dict[str, Tensor]:
        """Copies of the buffers of some members ``[S, ...]``."""
        return {name: buffer.index_select(0, slots) for name, buffer in self.buffers.items()}
