"""Data whose test part is a fold of the train list: what is chosen by it has not seen the official test part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kdsearch.data.folds import FIRST, Fold

APART = 2_000_000
"""Partitions of outer folds, which nothing else cuts."""


@dataclass(frozen=True)
class Outer:
    """A declaration less an outer fold of its train list, which tests in place of the official part.

    ``outer``: counted from 0, as many to a partition as the data have folds. What is left is cut by the partitions of
    the data: an inner fold is one of theirs without the clips of the outer one. Both keep source groups whole.
    """

    data: Any
    outer: int

    @property
    def label(self) -> str:
        return f"{self.data.label}-outer{self.outer}"

    @property
    def description(self) -> str:
        return f"outer fold {self.outer} of {self.data.description}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.data, name)

    def identity(self) -> dict[str, Any]:
        return {**self.data.identity(), "outer": self.outer}

    def parts(self, fold: Fold = FIRST) -> Any:
        outer = self.data.parts(Fold(APART + self.outer // self.data.folds, self.outer % self.data.folds))
        inner = self.data.parts(fold)
        validation = np.setdiff1d(inner.validation, outer.validation)
        own = {"train": np.setdiff1d(outer.train, validation), "validation": validation}
        if hasattr(inner, "query"):
            return replace(inner, **own, database=outer.train, query=outer.validation)
        return replace(inner, **own, test=outer.validation)

    def load(self, *args: Any) -> Any:
        loaded, parts = self.data.load(*args), self.parts()
        if hasattr(loaded, "parts"):
            return replace(loaded, parts=parts).check()
        own = {name: getattr(parts, name) for name in ("train", "validation", "database", "query")}
        return replace(loaded, **own).check()
