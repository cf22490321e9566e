"""Which part of the train list validates a run: one fold of one of the list's partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from kdsearch.errors import DataError


@dataclass(frozen=True, order=True)
class Fold:
    """Fold ``number`` of the train list's ``partition``, both counted from 0.

    Data whose split is fixed know the first fold of the first partition alone.
    """

    partition: int = 0
    number: int = 0

    def check(self, folds: int | None) -> None:
        """Raise ``DataError`` unless data of so many folds (None: their split is fixed) have this one."""
        if folds is None:
            if self != FIRST:
                raise DataError(f"{self}: these data have one fixed split (validation=); declare them with folds=.")
        elif self.partition < 0 or not 0 <= self.number < folds:
            raise DataError(f"{self}: expected a partition from 0 and a number from 0 to {folds - 1}.")


FIRST = Fold()


def describe_folds(sizes: Sequence[int], items: str, split_seed: int, by: str = "") -> str:
    """How the train list is cut, for descriptions; ``sizes`` are those of the folds of the first partition."""
    fewest, most = min(sizes), max(sizes)
    if len(sizes) == 1:
        return f"one part of {fewest} {items} held out of train{by} (split seed {split_seed})"
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    cut = f"{len(sizes)} folds cut from train{by} (split seed {split_seed})"
    return f"{cut}, each validates in turn ({count} {items})"


def checked_recipe(folds: Any, validation: Any) -> tuple[int | None, float | None]:
    """``folds`` and ``validation`` as a declaration holds them: one of them is None, and nothing replaces the other.

    ``DataError`` for both, for neither, and for what is no number of folds or no fraction.
    """
    if folds is not None and validation is not None:
        raise DataError(
            f"folds={folds}, validation={validation}: expected one of them. Drop validation=, or give folds=None with "
            "it: that is the older recipe of one fixed split, for studies that were begun so."
        )
    if folds is None and validation is None:
        raise DataError(
            "folds=None is the older recipe of one fixed split, which needs validation=, a fraction of the train list "
            "such as 0.2; came none. Give it, or a number of folds."
        )
    if folds is None:
        if not isinstance(validation, float) or not 0 < validation < 1:
            raise DataError(f"validation={validation}: expected a fraction between 0 and 1, such as 0.2.")
        return None, validation
    if isinstance(folds, bool) or not isinstance(folds, Integral) or folds < 1:
        raise DataError(f"folds={folds!r}: expected a whole number of folds, 1 or more.")
    return int(folds), None


def checked_split_seed(split_seed: Any) -> int:
    """A whole number from 0 on; ``DataError`` for what is none."""
    if isinstance(split_seed, bool) or not isinstance(split_seed, Integral) or split_seed < 0:
        raise DataError(f"split_seed={split_seed!r}: expected 0 or more, a whole number.")
    return int(split_seed)
