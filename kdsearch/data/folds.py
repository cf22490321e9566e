"""Which part of the train list validates a run: one fold of one of the list's partitions."""

from __future__ import annotations

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


def checked_recipe(folds: Any, validation: Any) -> tuple[int | None, float | None]:
    """``folds`` and ``validation`` as a declaration holds them: one is None, and nothing stands in for what is missing.

    ``DataError`` for both, for neither, and for what is no number of folds or no fraction.
    """
    if folds is not None and validation is not None:
        raise DataError(
            f"folds={folds}, validation={validation}: expected one of them, and folds=None with validation=, the older "
            "recipe of one fixed split. Drop validation=, or give folds=None."
        )
    if folds is None and validation is None:
        raise DataError(
            "folds=None is the older recipe of one fixed split, which needs validation=, a fraction of the train list "
            "such as 0.2; came none. Give it, or a number of folds."
        )
    return checked_folds(folds, validation, 1)


def checked_split_seed(split_seed: Any) -> int:
    """A whole number from 0 on; ``DataError`` for what is none."""
    if isinstance(split_seed, bool) or not isinstance(split_seed, Integral) or split_seed < 0:
        raise DataError(f"split_seed={split_seed!r}: expected 0 or more, a whole number.")
    return int(split_seed)


def checked_folds(folds: Any, validation: Any, default: int) -> tuple[int | None, float | None]:
    """``folds`` and ``validation`` of a declaration, one of them None; ``default`` folds where neither is given.

    ``DataError`` where both are given, or one is not what it should be.
    """
    if folds is not None and validation is not None:
        raise DataError(
            f"folds={folds}, validation={validation}: expected one of them. Drop validation=, the older recipe of one "
            "fixed split; to go on with a study that was begun with it, drop folds=."
        )
    if validation is not None:
        if not isinstance(validation, float) or not 0 < validation < 1:
            raise DataError(f"validation={validation}: expected a fraction between 0 and 1, such as 0.2.")
        return None, validation
    wanted = default if folds is None else folds
    if isinstance(wanted, bool) or not isinstance(wanted, Integral) or wanted < 1:
        raise DataError(f"folds={folds!r}: expected a whole number of folds, 1 or more.")
    return int(wanted), None
