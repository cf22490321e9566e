"""Weights, temperatures and teachers of a population's runs by slot: what terms over members are multiplied with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from kdsearch.training.members import alike
from kdsearch.training.population.stepper import Slots

Frozen = Callable[[Tensor], Tensor]
"""A frozen network: logits ``[..., C]`` of samples ``[...]``. Runs that hold the same object ask it together."""
Asked = TypeVar("Asked")
"""What a run has for a teacher."""


@dataclass(frozen=True)
class Chosen(Generic[Asked]):
    """The numbers of some members, in order: weights by term ``[S]``, ``temperature`` ``[S]``, their teachers."""

    weights: Mapping[str, Tensor]
    weighed: frozenset[str]
    temperature: Tensor
    frozen: Sequence[Asked | None]

    def __getitem__(self, name: str) -> Tensor:
        return self.weights[name]

    def weighs(self, name: str) -> bool:
        """Whether the term has a weight that is not 0 in any of them."""
        return name in self.weighed


class MemberWeights(Generic[Asked]):
    """Room for the numbers of ``members`` runs, each slot written when a new run enters it."""

    def __init__(self, names: Sequence[str], members: int, dtype: torch.dtype, device: torch.device) -> None:
        self.weights = {name: torch.zeros(members, dtype=dtype, device=device) for name in names}
        self.temperature = torch.ones(members, dtype=dtype, device=device)
        self.weighed: list[frozenset[str]] = [frozenset()] * members
        self.frozen: list[Asked | None] = [None] * members

    def put(self, slot: int, weights: Mapping[str, float], temperature: float, frozen: Asked | None) -> None:
        """Take the numbers of a new run."""
        for name, tensor in self.weights.items():
            tensor[slot] = weights[name]
        self.weighed[slot] = frozenset(name for name, weight in weights.items() if weight != 0)
        self.temperature[slot] = temperature
        self.frozen[slot] = frozen

    def of(self, slots: Slots | None) -> Chosen[Asked]:
        """The numbers of these slots; of all where ``None``."""
        if slots is None:
            return Chosen(self.weights, frozenset().union(*self.weighed), self.temperature, self.frozen)
        weights = {name: tensor[slots.places] for name, tensor in self.weights.items()}
        weighed = frozenset[str]().union(*(self.weighed[slot] for slot in slots.numbers))
        return Chosen(weights, weighed, self.temperature[slots.places], [self.frozen[slot] for slot in slots.numbers])


def ask_each(frozen: Sequence[Frozen | None], samples: Tensor, like: Tensor) -> Tensor:
    """What each member's teacher says of its samples ``[M, B]``, as ``like`` ``[M, B, C]``; zeros where there is none.

    Members of one teacher ask it once. A teacher is asked by its own members alone: it may know the clips of their fold
    and no others.
    """
    asked = by_teacher(frozen)
    if len(asked) == 1 and len(asked[0][1]) == len(samples):
        return asked[0][0](samples).to(like.dtype)
    said = torch.zeros_like(like)
    for teacher, places in asked:
        said[places] = teacher(samples[places]).to(like.dtype)
    return said


def by_teacher(frozen: Sequence[Asked | None]) -> list[tuple[Asked, list[int]]]:
    """Each teacher once, with the places of the members that listen to it."""
    return [(teacher, places) for teacher, places in alike(frozen) if teacher is not None]
