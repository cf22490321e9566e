"""What a task's runs are trained with: the data of one role on one device, its networks, loss terms and metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Role, RunRequest, Scalar, Task
from kdsearch.training.feeds import Feed
from kdsearch.training.members import Evaluate
from kdsearch.training.population.stepper import MemberTerms


@dataclass(frozen=True)
class Workload(ABC):
    """One role of a task on one device: the data of one fold, and how its runs are made."""

    task: Task
    role: Role
    device: str
    fold: Fold = FIRST

    @property
    @abstractmethod
    def data(self) -> Any:
        """The dataset of the role, which this process keeps; ``train`` and ``validation`` are indices into it."""

    @property
    def train(self) -> Tensor:
        """Indices of the clips that give gradients."""
        train: Tensor = self.data.train
        return train

    @property
    def validation(self) -> Any:
        """What :meth:`evaluate` knows the fold by; always the same object."""
        return self.data.validation

    @abstractmethod
    def evaluate(self) -> Evaluate:
        """Objective and score of the weights in some slots, of runs of any folds."""

    @abstractmethod
    def feed(self, dtype: torch.dtype) -> Feed:
        """The dataset, as the role's network reads it."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, drawn from torch's default generator."""

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """The parts of the network that may be computed again; ``StudyFileError`` where it names none."""
        inner = getattr(model, "encoder", getattr(model, "body", model))
        blocks = getattr(inner, "blocks", None)
        if blocks is None:
            raise StudyFileError(
                f"activation_checkpointing: {type(inner).__name__} names no blocks to compute again; leave it out, or "
                "choose a network that does"
            )
        return list(blocks())

    def terms(self, members: int, dtype: torch.dtype) -> MemberTerms:
        """Room for the terms of so many runs."""
        raise NotImplementedError(f"{type(self).__name__} has a stepper of its own")

    def loss_weights(self, request: RunRequest, params: Mapping[str, Scalar]) -> Any:
        """What :meth:`terms` need of a run; its teacher is among it."""
        raise NotImplementedError(f"{type(self).__name__} has a stepper of its own")

    @abstractmethod
    def describe(self) -> str:
        """Network, data shapes and terms in one line: what the time of a step depends on."""
