"""The answer of a finished study as data: what the first and the last lines of its report say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Edge:
    """A searched number that stands at an end of its range. ``whose``: the winner, or the best without distillation."""

    whose: str
    parameter: str
    value: Scalar
    side: str
    bound: float

    @property
    def words(self) -> str:
        """``patience at its upper edge 10``, or ``near`` it where it does not lie on it."""
        place = "at" if self.value == self.bound else f"{self.value:.4g}, near"
        return f"{self.parameter} {place} its {self.side} edge {self.bound:.4g}"


@dataclass(frozen=True)
class Answer:
    """What a study found, in plain sentences.

    ``verdict``: one word, as in the comparison's table. ``comparison``: the numbers behind ``sentence``. ``remarks``:
    what is to be read with it. ``parameters``: the winner's searched numbers that are read by it. ``train`` and
    ``export``: commands, ``None`` where there is none that could run. ``alarmed``: whether the report begins on alarms.
    """

    sentence: str
    verdict: str
    winner: str
    parameters: Mapping[str, Scalar]
    average: str
    train: str | None = None
    export: str | None = None
    remarks: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    comparison: Mapping[str, Any] = field(default_factory=dict)
    alarmed: bool = False

    @property
    def numbers(self) -> str:
        """The winner's searched numbers in one line."""
        values = ", ".join(f"{name}={_short(value)}" for name, value in self.parameters.items())
        return f"Winner {self.winner}: {values}." if values else f"Winner {self.winner}: nothing is searched."

    @property
    def edge(self) -> str:
        """The numbers at an edge of the space, or nothing."""
        groups: dict[str, list[str]] = {}
        for edge in self.edges:
            groups.setdefault(edge.whose, []).append(edge.words)
        each = "; ".join(f"{whose}: {', '.join(words)}" for whose, words in groups.items())
        return f"At an edge of the space, {each}: widen the space if there is room beyond." if each else ""

    @property
    def commands(self) -> list[str]:
        """How to train the winner, and how to get weights that are kept."""
        train = [f"To train it: {self.train}"] if self.train else []
        return [*train, *([f"Its trained weights: {self.export}"] if self.export else [])]

    @property
    def lines(self) -> list[str]:
        """All of it, for the head of a report."""
        return [line for line in (self.sentence, *self.remarks, self.numbers, self.edge) if line] + [
            *self.commands,
            self.average,
        ]

    @property
    def short(self) -> list[str]:
        """The end of a terminal's report: verdict, what is to be read with it, parameters, the command to train."""
        alarms = ["Alarms stand at the head."] if self.alarmed else []
        return [self.sentence, *self.remarks, *alarms, self.numbers, *self.commands[:1]]


def _short(value: Scalar) -> str:
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
