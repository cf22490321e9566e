"""Ranges for the options of a script around their values, and those values."""

from __future__ import annotations

import json
import math
import re

from kdsearch.errors import KdsearchError
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.command.option import Option

TEMPERATURE = r"t|temp|temperature|tau|kd_?t(emp\w*)?|\w*_temperature"
_MIDDLE_TEMPERATURE = 4.0


def dimension(option: Option, given: str | None = None) -> str:
    """A range for an option around its value, as a line of a study file; ``given``: what the command gives it.

    Raises ``KdsearchError`` for an option that has none, such as a text.
    """
    if option.kind == "flag":
        return f'kd.categorical("", {quoted(option.flag)})'
    if option.kind == "switch":
        return f"kd.categorical({quoted(option.flag)}, {quoted(option.off[0])})"
    _check_searchable(option)
    if len(option.choices) > 1:
        return f"kd.categorical({', '.join(map(quoted, option.choices))})"
    value = float(_number(option, given) or 0.0)
    if re.fullmatch(TEMPERATURE, option.name.lower()):
        return f"kd.log({min(1.0, value) if value > 0 else 1.0}, {max(20.0, value)})"
    if option.kind == "int":
        return f"kd.integer({max(1, int(value) // 4)}, {max(4, 4 * int(value))}, log=True)"
    if value > 1 or "lr" in option.name or "rate" in option.name:
        around = value if value > 0 else 0.01
        return f"kd.log({around / 10:g}, {around * 10:g})"
    return f"kd.uniform({min(0.0, value)}, 1.0)"


def value_of(option: Option, given: str | None) -> tuple[Scalar, bool]:
    """The value that the command gives, or the script's default, or one out of the range, which is made up.

    The second tells whether it is known.
    """
    text = option.default if given is None else given
    if option.kind == "flag":
        return (option.flag if given else ""), True
    if option.kind == "switch":
        return (
            given or (option.off[0] if option.default is False else option.flag)
        ), given is not None or text is not None
    if option.choices:
        found = [choice for choice in option.choices if str(choice) == str(text)]
        return (found[0] if found else option.choices[0]), bool(found)
    number = _number(option, given)
    if number is not None:
        return number, True
    if option.kind == "int":
        return 1, False
    if re.fullmatch(TEMPERATURE, option.name.lower()):
        return _MIDDLE_TEMPERATURE, False
    return (0.01 if "lr" in option.name or "rate" in option.name else 0.5), False


def quoted(value: Scalar) -> str:
    """A value as Python source, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _number(option: Option, given: str | None) -> int | float | None:
    """The value as a finite number, where it is one."""
    text = str(option.default if given is None else given)
    try:
        value = int(text) if option.kind == "int" else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_searchable(option: Option) -> None:
    """Refuse what no range can be made up for, and say how it is searched."""
    flag, name = option.flag, option.name
    by_hand = f"Leave it out of --search, and write it into the study file by hand: {{{name}}} in the command and"
    if option.kind == "idle":
        raise KdsearchError(f"{flag} sets what the script does without it, so there is nothing to search")
    if option.kind == "count":
        raise KdsearchError(
            f'{flag} counts how often it is written. {by_hand} kd.categorical("", "{flag}") in the space'
        )
    if option.many:
        raise KdsearchError(
            f"{flag} takes several values, and a parameter has one. Leave it out of --search, and write it into the "
            f"study file by hand, each value a parameter of its own: {flag} {{{name}_1}} {{{name}_2}}"
        )
    if option.kind == "str" and len(option.choices) < 2:
        raise KdsearchError(
            f"{flag} takes a text, and the script does not tell which ones. Leave it out of --search, and write it "
            f'into the study file by hand: {flag}={{{name}}} in the command and "{name}": kd.categorical('
            f'{quoted(str(option.default or "this"))}, "that") in the space'
        )
