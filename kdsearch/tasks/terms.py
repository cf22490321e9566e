"""Loss terms over the members of a population: weights, temperatures and teachers by slot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from typing_extensions import override

from kdsearch.tasks.workload import Workload
from kdsearch.training.members import alike
from kdsearch.training.population.stepper import MemberTerms, Slots
from kdsearch.training.steppers import Outputs

Teacher = Callable[[Tensor], Any]
"""The outputs of a frozen network, a tensor or a named tuple, for samples ``[...]``.

It runs once for all members that hold the same object.
"""
Output = TypeVar("Output")


@dataclass(frozen=True)
class LossWeights:
    """What the terms of one run are multiplied with, by the terms' names, their temperature, and its teacher."""

    weights: Mapping[str, float]
    temperature: float = 1.0
    teacher: Teacher | None = None


@dataclass(frozen=True)
class SlotWeights:
    """Those of some members, in order: weights by term ``[S]``, ``temperature`` ``[S]``, their teachers.

    ``nonzero``: the terms that any of them weighs.
    """

    weights: Mapping[str, Tensor]
    nonzero: frozenset[str]
    temperature: Tensor
    teachers: Sequence[Teacher | None]

    def __getitem__(self, name: str) -> Tensor:
        return self.weights[name]

    def weighs(self, *names: str) -> bool:
        """Whether any of these terms has a weight that is not 0 in any of the members."""
        return not self.nonzero.isdisjoint(names)


class WeightedTerms(MemberTerms):
    """Weighted sums ``[M]`` of the terms ``names``, with room for ``members`` runs. Weights are applied here alone.

    A term is computed where any member weighs it.
    """

    names: ClassVar[tuple[str, ...]]

    def __init__(self, workload: Workload, members: int, dtype: torch.dtype) -> None:
        self.labels: Tensor = workload.data.labels
        self.clips = workload.feed(dtype).clips
        device = self.labels.device
        self.weights = {name: torch.zeros(members, dtype=dtype, device=device) for name in self.names}
        self.temperature = torch.ones(members, dtype=dtype, device=device)
        self.nonzero: list[frozenset[str]] = [frozenset()] * members
        self.teachers: list[Teacher | None] = [None] * members

    @override
    def put(self, slot: int, terms: LossWeights) -> None:
        for name, tensor in self.weights.items():
            tensor[slot] = terms.weights[name]
        self.nonzero[slot] = frozenset(name for name, weight in terms.weights.items() if weight != 0)
        self.temperature[slot] = terms.temperature
        self.teachers[slot] = terms.teacher

    @override
    def reads(self, terms: LossWeights) -> frozenset[str]:
        """Logits, where any term has a weight."""
        return frozenset({"logits"} if any(terms.weights.values()) else ())

    @override
    def __call__(self, outputs: Outputs, samples: Tensor, slots: Slots | None = None) -> Tensor:
        return self.sum(outputs, samples, self.labels[self.clips(samples)], self.of(slots))

    @abstractmethod
    def sum(self, outputs: Any, samples: Tensor, labels: Tensor, own: SlotWeights) -> Tensor:
        """Losses ``[S]`` of the members whose weights ``own`` are; ``labels`` are those of the samples ``[S, B]``."""

    def of(self, slots: Slots | None) -> SlotWeights:
        """The weights of these slots; of all where ``None``."""
        if slots is None:
            return SlotWeights(self.weights, frozenset().union(*self.nonzero), self.temperature, self.teachers)
        weights = {name: tensor[slots.rows] for name, tensor in self.weights.items()}
        nonzero = frozenset[str]().union(*(self.nonzero[slot] for slot in slots.numbers))
        teachers = [self.teachers[slot] for slot in slots.numbers]
        return SlotWeights(weights, nonzero, self.temperature[slots.rows], teachers)


def teacher_outputs(teachers: Sequence[Teacher | None], samples: Tensor, like: Output) -> Output:
    """The outputs of each member's teacher for its samples ``[M, B]``, as ``like``; zeros where there is none.

    A teacher runs once for all of its members, and for their samples alone: it may know the clips of their fold and no
    others.
    """
    groups = [(teacher, members) for teacher, members in alike(teachers) if teacher is not None]
    if len(groups) == 1 and len(groups[0][1]) == len(samples):
        same: Output = pytree.tree_map(lambda value, own: value.to(own.dtype), groups[0][0](samples), like)
        return same
    outputs: Output = pytree.tree_map(torch.zeros_like, like)
    for teacher, members in groups:
        computed = pytree.tree_leaves(teacher(samples[members]))
        for own, value in zip(pytree.tree_leaves(outputs), computed, strict=True):
            own[members] = value.to(own.dtype)
    return outputs
