"""Values of parameters as ``--set NAME=VALUE`` has them: what is written is read again as the same value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.space import Categorical, Dimension, Integer, describe, unconditional
from kdsearch.values import LARGEST_WHOLE, whole

_WORDS: Mapping[str, bool] = {"true": True, "false": False}


def read(text: str, dimension: Dimension | None = None, default: Any = None) -> Any:
    """The value that a text names, in the type of its dimension, or of the ``default`` where there is none.

    Of several choices with one text, such as ``18`` and ``"18"``, it is the one that is no word; a text in double
    quotes is a word, with the escapes of JSON. Raises ``KdsearchError`` for what is no choice, and for a number that
    nothing can hold.
    """
    inner = None if dimension is None else unconditional(dimension)
    if isinstance(inner, Categorical):
        return _choice(text, inner)
    if (word := _quoted(text)) is not None:
        return word
    if inner is None and isinstance(default, str):
        return text
    value = _scalar(text)
    return whole(value) if isinstance(inner, Integer) else value


def write(value: Any, dimension: Dimension | None = None) -> str:
    """A value as ``read`` takes it; a word in double quotes where it would be read as another value without them."""
    text = _plain(value)
    if not isinstance(value, str):
        return text
    try:
        same = bool(text) and read(text, dimension, value) == value and text.isprintable()
    except KdsearchError:
        same = False
    return text if same else json.dumps(value, ensure_ascii=not value.isprintable())


def shown(value: Any) -> str:
    """A value in a sentence or a table: a word that looks like a number, a switch or None in double quotes."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, str):
        return str(value)
    try:
        word = isinstance(_scalar(value), str) and value not in ("", "None")
    except KdsearchError:
        word = False
    return value if word else json.dumps(value, ensure_ascii=False)


def split(pair: str, names: Mapping[str, Any]) -> tuple[str, str]:
    """Name and text of ``NAME=VALUE``; the longest known name that fits, for a name may hold ``=`` too."""
    fitting = {written: name for name in names for written in (name, _escaped(name)) if pair.startswith(f"{written}=")}
    written = max(fitting, key=len) if fitting else pair.partition("=")[0]
    name, text = fitting.get(written, written), pair[len(written) + 1 :]
    if not text or len(written) == len(pair):
        raise KdsearchError(f"expected --set NAME=VALUE, got {pair!r}; an empty word is NAME='\"\"'")
    return name, text


def _choice(text: str, dimension: Categorical) -> Any:
    named = [choice for choice in dimension.choices if _plain(choice) == text]
    named = named or [choice for choice in dimension.choices if _escaped(_plain(choice)) == text]
    others = [choice for choice in named if not isinstance(choice, str)]
    if named:
        return (others or named)[0]
    word = _quoted(text)
    value = _scalar(text) if word is None else word
    for choice in dimension.choices:
        # True equals 1 in Python.
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return choice
    raise KdsearchError(f"{value!r} cannot be used: expected {describe(dimension)}")


def _escaped(text: str) -> str:
    """As a terminal shows it that has ASCII alone: what is printed there can be pasted."""
    return text.encode("ascii", "backslashreplace").decode()


def _quoted(text: str) -> str | None:
    """The word in double quotes; ``None`` of a text without them."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return None
    try:
        word = json.loads(text)
    except ValueError:
        return None
    return word if isinstance(word, str) else None


def _scalar(text: str) -> Any:
    for convert in (int, float):
        try:
            value = convert(text)
        except ValueError:
            continue
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > LARGEST_WHOLE):
            raise KdsearchError(f"{text} cannot be used: expected a finite number, a whole one up to 2**63 - 1")
        return value
    return _WORDS.get(text.lower(), text)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
