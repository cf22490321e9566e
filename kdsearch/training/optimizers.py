"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

OPTIMIZERS = ("adam", "adamw", "sgd")


def make_optimizer(name: str, parameters: Iterable[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """torch's ``adam`` (weight decay as L2), ``adamw`` (decoupled) or ``sgd`` (momentum 0.9).

    Fused: one call over all tensors, the fastest of torch's forms on one CPU thread. The learning rate is 0 until the
    stepper sets it, before every step: the schedule alone knows it, and one that is not a number shall make a run that
    diverges, not one that fails. Raises ``ValueError`` for another name.
    """
    parameters = list(parameters)
    if name == "adam":
        return torch.optim.Adam(parameters, lr=0.0, weight_decay=weight_decay, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=0.0, weight_decay=weight_decay, fused=True)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=0.0, momentum=0.9, weight_decay=weight_decay, fused=True)
    raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")
