"""LSTM and GRU that train under ``torch.func.vmap``, which has no rule for torch's own.

Outside vmap torch's kernel runs; within, the recurrence is a scan in plain tensor operations on the same weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

States = tuple[Tensor, ...]


class _Recurrent(nn.RNNBase):
    """Layers and directions of a scan; torch's base gives names, shapes and initialisation of the weights."""

    def _start(self, x: Tensor) -> Tensor:
        """Zero states ``[layers D, B, hidden]``, made from ``x`` so that vmap stacks them."""
        return x.new_zeros(self.num_layers * (1 + self.bidirectional), x.shape[0], self.hidden_size)

    def _kernel_serves(self, x: Tensor) -> bool:
        """Whether neither the input nor a weight is stacked by vmap."""
        if x.dim() != 3 or x.shape[2] != self.input_size:
            raise ValueError(f"{self.mode}: expected input [B, T, {self.input_size}], got {list(x.shape)}")
        stacked = torch._C._functorch.is_batchedtensor
        return not stacked(x) and not any(stacked(weight) for weight in self._weights())

    def _weights(self) -> list[Tensor]:
        # Not torch's list of flat weights: it is renewed late under functional_call, and on CUDA moves the weights.
        return [weight for weights in self.all_weights for weight in weights]

    def _scan(self, x: Tensor, start: States) -> tuple[Tensor, States]:
        """Output ``[B, T, D hidden]`` of the last layer and each state's end ``[layers D, B, hidden]``."""
        directions = 1 + self.bidirectional
        ends: list[States] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                output, end = self._one(x, tuple(state[index] for state in start), index, backwards=direction == 1)
                outputs.append(output)
                ends.append(end)
            x = torch.cat(outputs, -1)
        return x, tuple(torch.stack(column) for column in zip(*ends, strict=True))

    def _one(self, x: Tensor, state: States, index: int, *, backwards: bool) -> tuple[Tensor, States]:
        """One layer in one direction: output ``[B, T, hidden]`` and the states after its last step."""
        weights: list[Tensor] = list(self.all_weights[index])
        inputs, recurrent = weights[:2]
        bias, recurrent_bias = (weights[2], weights[3]) if self.bias else (None, None)
        steps = F.linear(x, inputs, bias).unbind(1)
        outputs = []
        for step in reversed(steps) if backwards else steps:
            state = self._step(step, F.linear(state[0], recurrent, recurrent_bias), state)
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if backwards else outputs, 1), state

    def _step(self, x: Tensor, h: Tensor, state: States) -> States:
        """States after one step, from the gates' parts of input and of state, each ``[B, gates hidden]``."""
        raise NotImplementedError


class LSTM(_Recurrent):
    """``torch.nn.LSTM(batch_first=True)``, same weights by name, same results, also under vmap.

    Input ``[B, T, input_size]`` and, if wanted, ``(h, c)`` of ``[num_layers D, B, hidden_size]`` each (zeros without);
    returns output ``[B, T, D hidden_size]`` and ``(h, c)`` after the last step; D is 2 if ``bidirectional``, else 1.
    ``i, f, o = sigmoid(W x + b + U h + d)``, ``g = tanh(W x + b + U h + d)``, ``c = f c + i g``, ``h = o tanh(c)``.
    Source: Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, with forget gates.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, bias: bool = True, bidirectional: bool = False
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first=True, bidirectional=bidirectional
        )

    def forward(self, x: Tensor, start: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The recurrence, see above for shapes."""
        h, c = (self._start(x), self._start(x)) if start is None else start
        if self._kernel_serves(x):
            layers, sides = self.num_layers, self.bidirectional
            output, h, c = torch.lstm(x, (h, c), self._weights(), self.bias, layers, 0.0, self.training, sides, True)
        else:
            output, (h, c) = self._scan(x, (h, c))
        return output, (h, c)

    def _step(self, x: Tensor, h: Tensor, state: States) -> States:
        i, f, g, o = (x + h).chunk(4, -1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class GRU(_Recurrent):
    """``torch.nn.GRU(batch_first=True)``, same weights by name, same results, also under vmap.

    Input ``[B, T, input_size]`` and, if wanted, ``h`` ``[num_layers D, B, hidden_size]`` (zeros without); returns
    output ``[B, T, D hidden_size]`` and ``h`` after the last step; D is 2 if ``bidirectional``, else 1.
    ``r, z = sigmoid(W x + b + U h + d)``, ``n = tanh(W x + b + r (U h + d))``, ``h = (1 - z) n + z h``.
    Source: Cho et al., arXiv 1406.1078, with the reset gate after the product as cuDNN has it.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, bias: bool = True, bidirectional: bool = False
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first=True, bidirectional=bidirectional
        )

    def forward(self, x: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The recurrence, see above for shapes."""
        h = self._start(x) if start is None else start
        if self._kernel_serves(x):
            layers, sides = self.num_layers, self.bidirectional
            output, h = torch.gru(x, h, self._weights(), self.bias, layers, 0.0, self.training, sides, True)
        else:
            output, (h,) = self._scan(x, (h,))
        return output, h

    def _step(self, x: Tensor, h: Tensor, state: States) -> States:
        xr, xz, xn = x.chunk(3, -1)
        hr, hz, hn = h.chunk(3, -1)
        n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        z = torch.sigmoid(xz + hz)
        return ((1 - z) * n + z * state[0],)
