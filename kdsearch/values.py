"""Values that a user writes, as plain Python: numbers of numpy, torch, ``fractions`` and ``decimal`` are welcome."""

from __future__ import annotations

import inspect
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any

from kdsearch.errors import StudyFileError, suggestion

LARGEST_WHOLE = 2**63 - 1
"""The largest whole number that numpy, Optuna and Postgres all hold."""

LARGEST_INTEGER = 2**1023
"""The largest whole number of a study file: a float can hold it, as the model of the search needs it."""

LARGEST = 1e50
"""The largest number that a metric may take, up or down: statistics take fourth powers of it, sums and differences."""

SMALLEST = 1 / LARGEST
"""What is nearer to 0 than this is 0 as a metric: the fourth power of a difference of two others is no 0."""

_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")

LONGEST_NAME = 200
"""Characters of a name: of a study, a preset, a parameter or a baseline. Optuna's tables take 512 of all together."""


def plain(value: Any) -> Any:
    """A number, word, True or False as Python's own; a value of any other kind as it is.

    Arrays and tensors of no dimension are the number that they hold. Neither numpy nor torch is imported for that.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()
    return value if isinstance(value, bool) else _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        try:
            return float(value)
        except (OverflowError, ValueError):  # beyond a float; a Decimal that signals
            return value
    return value


def whole(value: Any) -> Any:
    """The plain value; a float that is a whole number, such as ``1e3`` or ``4.0``, as an int."""
    value = plain(value)
    fits = isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_INTEGER
    return int(value) if fits else value


def plain_values(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The same names, in the same order, with plain values."""
    return {plain(name): plain(value) for name, value in values.items()}


def measured(value: float) -> float:
    """A value of a metric as statistics can take it: infinite beyond ``LARGEST``, 0 below ``SMALLEST``."""
    if not abs(value) <= LARGEST:
        return value if value != value else math.inf if value > 0 else -math.inf
    return value if abs(value) >= SMALLEST else 0.0


def is_number(value: Any) -> bool:
    """Whether it is a Python number, which True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any, least: int = -LARGEST_INTEGER, most: int = LARGEST_INTEGER) -> bool:
    """Whether it is a whole Python number between these."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def wrong_text(text: str) -> str:
    """Why a text cannot be stored; empty where it can. Postgres takes neither NUL nor half of a surrogate pair."""
    if "\x00" in text:
        return "expected a text without NUL characters"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "expected a text that UTF-8 can write, without half surrogate pairs"
    return ""


def wrong_json(value: Any) -> str:
    """Why a value cannot be stored as JSON; empty where it can."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"expected a value that JSON can hold ({error})"
    return wrong_text("\x00") if _NUL.search(text) else ""


def wrong_name(name: Any) -> str:
    """Why this is no name of a parameter, a baseline or a preset; empty where it is one."""
    if not isinstance(name, str) or not name.strip():
        return "expected a name, which is a text that is not empty"
    if len(name) > LONGEST_NAME:
        return f"expected a name of at most {LONGEST_NAME} characters, got {len(name)}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "expected a name without control characters"
    return ""


def shown(value: Any, most: int = 120) -> str:
    """A value in a message: as Python writes it, the first part of a long one."""
    try:
        text = repr(value)
    except Exception:  # a whole number of thousands of digits, or an object whose own text fails
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


class Declared:
    """A class whose keywords a study file gives: an unknown one is refused with the nearest one that there is."""

    def __new__(cls, *args: Any, **given: Any) -> Any:
        """A new object, unless a keyword is unknown: ``StudyFileError`` then."""
        known = list(inspect.signature(cls.__init__).parameters)[1:] if given else []
        for name in given:
            if name not in known:
                raise StudyFileError(f"{cls.__name__} has no argument {name!r}; {suggestion(name, known)}")
        return super().__new__(cls)
