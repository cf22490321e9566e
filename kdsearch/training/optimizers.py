"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

OPTIMIZERS = ("adam", "adamw", "sgd", "sgd-nesterov")
_ADAM_MEMORY = {"exp_avg": "first_moment", "exp_avg_sq": "second_moment"}
_SGD_MEMORY = {"momentum_buffer": "velocity"}


def make_optimizer(name: str, parameters: Iterable[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """torch's ``adam`` (weight decay as L2), ``adamw`` (decoupled), ``sgd`` (momentum 0.9) or ``sgd-nesterov``.

    Fused: one call over all tensors, the fastest of torch's forms on one CPU thread. The learning rate is 0 until the
    stepper sets it, before every step: the schedule alone knows it, and one that is not a number shall make a run that
    diverges, not one that fails. Frozen parameters are left out. Raises
    ``ValueError`` for another name.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if name == "adam":
        return torch.optim.Adam(parameters, lr=0.0, weight_decay=weight_decay, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=0.0, weight_decay=weight_decay, fused=True)
    if name in ("sgd", "sgd-nesterov"):
        ahead = name == "sgd-nesterov"
        return torch.optim.SGD(parameters, lr=0.0, momentum=0.9, weight_decay=weight_decay, nesterov=ahead, fused=True)
    raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")


def state_row(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer of :func:`make_optimizer` remembers, as one member of a population remembers it.

    Names and forms of :class:`~kdsearch.training.population.optimizers.RowOptimizer`, memory as ``[P]`` in the order of
    the parameters: so a run goes on from its checkpoint whether it trains alone or among others.
    """
    group = optimizer.param_groups[0]
    parameters = group["params"]

    def row(name: str) -> Tensor:
        values = [optimizer.state[p].get(name) for p in parameters]
        parts = [torch.zeros_like(p) if v is None else v for p, v in zip(parameters, values, strict=True)]
        return torch.cat([part.detach().flatten() for part in parts]).cpu()

    def number(value: float) -> Tensor:
        return torch.tensor(value, dtype=torch.float64)

    decay = {"weight_decay": number(group["weight_decay"])}
    if isinstance(optimizer, torch.optim.SGD):
        momentum, nesterov = number(group["momentum"]), torch.tensor(bool(group["nesterov"]))
        return decay | {"momentum": momentum, "nesterov": nesterov, "velocity": row("momentum_buffer")}
    steps = max((int(optimizer.state[p]["step"]) for p in parameters if "step" in optimizer.state[p]), default=0)
    beta1, beta2 = group["betas"]
    numbers = {"beta1": number(beta1), "beta2": number(beta2), "eps": number(group["eps"])}
    moments = {"first_moment": row("exp_avg"), "second_moment": row("exp_avg_sq")}
    return decay | numbers | moments | {"steps": torch.tensor(steps)}


def load_row(optimizer: torch.optim.Optimizer, row: Mapping[str, Tensor]) -> None:
    """Continue from :func:`state_row` or a member's state; its memory only: the numbers are the run's own.

    Raises ``KeyError`` where a part is lacking: it would be missed only at the next step, or never.
    """
    if missing := set(state_row(optimizer)) - set(row):
        raise KeyError(f"optimizer: {', '.join(sorted(missing))}")
    names = _SGD_MEMORY if isinstance(optimizer, torch.optim.SGD) else _ADAM_MEMORY
    parameters = optimizer.param_groups[0]["params"]
    columns = {name: torch.split(row[own], [p.numel() for p in parameters]) for name, own in names.items()}
    for i, parameter in enumerate(parameters):
        state = {name: parts[i].view_as(parameter).to(parameter, copy=True) for name, parts in columns.items()}
        if not isinstance(optimizer, torch.optim.SGD):
            state["step"] = torch.tensor(float(row["steps"]), dtype=torch.float32, device=parameter.device)
        optimizer.state[parameter] = state
