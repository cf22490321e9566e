"""Optimizers over rows: one step moves all members of a population, each with hyperparameters of its own.

The weights of ``M`` members of ``P`` parameters are one tensor ``[M, P]``, a row a member, and so is their gradient.
torch's own optimizers take one learning rate for all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from kdsearch.training.optimizers import OPTIMIZERS


def make_row_optimizer(
    name: str, members: int, parameters: int, dtype: torch.dtype, device: torch.device | str
) -> RowOptimizer:
    """``adam`` (weight decay as L2), ``adamw`` (decoupled), ``sgd`` or ``sgd-nesterov`` over rows ``[M, P]``.

    The same names and defaults as :func:`kdsearch.training.optimizers.make_optimizer`; weight decay is 0 until it is
    put. Raises ``ValueError`` for another name.
    """
    kinds: dict[str, type[RowOptimizer]] = {
        "adam": RowAdam,
        "adamw": RowAdamW,
        "sgd": RowSGD,
        "sgd-nesterov": RowNesterov,
    }
    if name not in kinds:
        raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")
    return kinds[name](members, parameters, dtype, device)


class _Rest:
    """Keeps the rows that are not ``active`` ``[M]`` (none: all are) as they are, without leaving them out.

    They take part in the arithmetic, so that shapes and launches are the same for any set of them. They stay to the
    last bit because all that multiplies them is 1 and all that is added is -0.0: ``x + 0.0`` would turn -0.0 into 0.0.
    """

    def __init__(self, active: Tensor | None, dtype: torch.dtype) -> None:
        self.active = active
        self.dtype = dtype
        if active is not None:
            # -0.0 is the sign bit alone, the least of integers, hence one minimum clears a row, NaN included: a fifth
            # of masked_fill_'s time on a CPU.
            self.integer = torch.int64 if dtype == torch.float64 else torch.int32
            limits = torch.iinfo(self.integer)
            limit = torch.full_like(active, limits.max, dtype=self.integer)
            self.limit = limit.masked_fill_(~active, limits.min).unsqueeze(1)

    def columns(self, *numbers: Tensor) -> tuple[Tensor, ...]:
        """Each ``[M]`` as ``[M, 1]`` in the memory's dtype, with 1 where nothing shall move."""
        columns = torch.stack(numbers)
        if self.active is not None:
            columns.masked_fill_(~self.active, 1.0)
        return columns.to(self.dtype).unsqueeze(-1).unbind(0)

    def clear(self, update: Tensor) -> None:
        """Make the summand ``update`` ``[M, P]`` -0.0 where nothing shall move."""
        if self.active is not None:
            bits = update.view(self.integer)
            torch.minimum(bits, self.limit, out=bits)


class RowOptimizer(ABC):
    """State and hyperparameters of ``M`` members, a slot each.

    ``hyperparameters``: by name ``[M]`` on the device, float64 (``nesterov``: bool). ``memory``: what the rule keeps
    from step to step, ``[M, P]`` in ``dtype`` or, where that has fewer bits, in float32; and counts ``[M]``. The
    learning rate is no part of it: the schedule alone knows it. All tensors are filled in place and stay the same for
    good, and a step neither waits for the device nor has shapes that depend on values: it may be captured in a CUDA
    graph.
    """

    defaults: ClassVar[Mapping[str, float]]
    rows: ClassVar[tuple[str, ...]]

    def __init__(self, members: int, parameters: int, dtype: torch.dtype, device: torch.device | str) -> None:
        self.dtype = torch.promote_types(dtype, torch.float32)
        self.hyperparameters: dict[str, Tensor] = {}
        for name, value in self.defaults.items():
            kind = torch.bool if isinstance(value, bool) else torch.float64
            self.hyperparameters[name] = torch.full((members,), value, dtype=kind, device=device)
        self.memory = {name: torch.zeros(members, parameters, dtype=self.dtype, device=device) for name in self.rows}
        # The only temporary of this size, made once: on a CPU the kernel hands out a fresh one page by page.
        self._scratch = torch.empty(members, parameters, dtype=self.dtype, device=device)

    @torch.no_grad()
    def step(self, weights: Tensor, gradient: Tensor, rates: Tensor, active: Tensor | None = None) -> None:
        """Move the rows of ``weights`` ``[M, P]`` against ``gradient`` ``[M, P]`` at learning rates ``rates`` ``[M]``.

        Only the weights change. ``active`` ``[M]``, bool: the other rows keep weights and memory to the last bit,
        whatever their gradients, rates and hyperparameters are.
        """
        self._step(weights, gradient, rates.double(), _Rest(active, self.dtype))

    def put(self, slot: int, values: Mapping[str, float]) -> None:
        """Set hyperparameters of one member; those not named stay. Raises ``ValueError`` for a name that is none."""
        unknown = sorted(values.keys() - self.hyperparameters.keys())
        if unknown:
            known = ", ".join(self.hyperparameters)
            raise ValueError(f"{type(self).__name__} has no {', '.join(unknown)}; its hyperparameters are {known}")
        for name, value in values.items():
            self.hyperparameters[name][slot].fill_(value)

    def reset(self, slot: int) -> None:
        """Make room for a new member: nothing remembered, the default hyperparameters. Then :meth:`put` its own."""
        self.forget(slot)
        self.put(slot, self.defaults)

    def forget(self, slot: int) -> None:
        """A member goes on as if it had made no step; its hyperparameters stay."""
        for memory in self.memory.values():
            memory[slot].zero_()

    def state(self, slot: int) -> dict[str, Tensor]:
        """Copies of one member's hyperparameters and memory on the CPU, as a checkpoint holds them."""
        return {name: value.to("cpu", copy=True) for name, value in self._row(slot).items()}

    def load(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Continue a member from :meth:`state`, in any slot. Raises ``ValueError`` where names or shapes differ."""
        row = self._row(slot)
        expected = {name: tuple(value.shape) for name, value in row.items()}
        found = {name: tuple(value.shape) for name, value in state.items()}
        if expected != found:
            raise ValueError(f"{type(self).__name__} continues a state of shapes {expected}, not of {found}")
        for name, value in row.items():
            value.copy_(state[name])

    def _row(self, slot: int) -> dict[str, Tensor]:
        """Views of what one member owns."""
        return {name: tensor[slot] for name, tensor in (self.hyperparameters | self.memory).items()}

    @abstractmethod
    def _step(self, weights: Tensor, gradient: Tensor, rates: Tensor, rest: _Rest) -> None:
        """The rule; rows that ``rest`` do not move."""


class RowSGD(RowOptimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), as ``torch.optim.SGD`` without dampening.

    ``g = gradient + weight_decay * w``; ``velocity = momentum * velocity + g``; ``w -= rate * velocity``, and with
    ``nesterov``: ``w -= rate * (g + momentum * velocity)``.
    """

    defaults: ClassVar[Mapping[str, float]] = {"weight_decay": 0.0, "momentum": 0.9, "nesterov": False}
    rows = ("velocity",)

    def _step(self, weights: Tensor, gradient: Tensor, rates: Tensor, rest: _Rest) -> None:
        velocity, update = self.memory["velocity"], self._scratch
        momentum, nesterov = self.hyperparameters["momentum"], self.hyperparameters["nesterov"]
        ahead = momentum.masked_fill(~nesterov, 1.0)
        decay, keep, own, ahead, rate = rest.columns(
            self.hyperparameters["weight_decay"], momentum, nesterov.double(), ahead, -rates
        )
        torch.addcmul(gradient, weights, decay, out=update)
        rest.clear(update)
        torch.addcmul(update, velocity, keep, out=velocity)
        update.mul_(own).addcmul_(velocity, ahead)
        rest.clear(update)
        weights.addcmul_(update, rate)


class RowNesterov(RowSGD):
    """:class:`RowSGD` with Nesterov's momentum unless a member has it off."""

    defaults: ClassVar[Mapping[str, float]] = {**RowSGD.defaults, "nesterov": True}


class RowAdam(RowOptimizer):
    """Adam (Kingma & Ba 2015), as ``torch.optim.Adam``: weight decay is added to the gradient (L2).

    ``g = gradient + weight_decay * w``; ``m = beta1 * m + (1 - beta1) * g``; ``v = beta2 * v + (1 - beta2) * g^2``;
    ``w -= rate * (m / c1) / (sqrt(v / c2) + eps)`` with ``c = 1 - beta^t``, ``t`` the member's own steps, in float64.
    In the order of the paper's section 2, a pass cheaper: ``rate * sqrt(c2) / c1 * m / (sqrt(v) + eps * sqrt(c2))``.
    """

    defaults: ClassVar[Mapping[str, float]] = {"weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    rows = ("first_moment", "second_moment")

    def __init__(self, members: int, parameters: int, dtype: torch.dtype, device: torch.device | str) -> None:
        super().__init__(members, parameters, dtype, device)
        self.memory["steps"] = torch.zeros(members, dtype=torch.int64, device=device)

    def _step(self, weights: Tensor, gradient: Tensor, rates: Tensor, rest: _Rest) -> None:
        first, second, steps = self.memory["first_moment"], self.memory["second_moment"], self.memory["steps"]
        beta1, beta2, update = self.hyperparameters["beta1"], self.hyperparameters["beta2"], self._scratch
        steps.add_(1 if rest.active is None else rest.active)
        root = (1 - beta2**steps).sqrt_()
        rate = -rates * root / (1 - beta1**steps)
        decay, keep1, take1, keep2, take2, eps, rate = rest.columns(
            self._decay(rates), beta1, 1 - beta1, beta2, 1 - beta2, self.hyperparameters["eps"] * root, rate
        )
        self._decayed(weights, gradient, decay)
        rest.clear(update)
        first.mul_(keep1).addcmul_(update, take1)
        # Squares are never -0.0, nor are sums of them: adding 0.0 moves no bit there.
        second.mul_(keep2).addcmul_(update.square_(), take2)
        torch.sqrt(second, out=update)
        torch.div(first, update.add_(eps), out=update)
        rest.clear(update)
        weights.addcmul_(update, rate)

    def _decay(self, rates: Tensor) -> Tensor:
        """The values ``[M]`` by which weight decay acts."""
        return self.hyperparameters["weight_decay"]

    def _decayed(self, weights: Tensor, gradient: Tensor, decay: Tensor) -> None:
        """Apply weight decay, and write the gradient that the moments see into the scratch."""
        torch.addcmul(gradient, weights, decay, out=self._scratch)


class RowAdamW(RowAdam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), as ``torch.optim.AdamW``.

    As :class:`RowAdam` with ``g = gradient``, and ``w *= 1 - rate * weight_decay`` before the step.
    """

    def _decay(self, rates: Tensor) -> Tensor:
        return 1 - rates * self.hyperparameters["weight_decay"]

    def _decayed(self, weights: Tensor, gradient: Tensor, decay: Tensor) -> None:
        weights.mul_(decay)
        self._scratch.copy_(gradient)
