"""One option of a training script, as its parser or its help text describes it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdsearch.tasks.base import Scalar
from kdsearch.tasks.command.template import PLACES

_SEED = r"seed|random_seed|manual_seed|rand_seed|rng_seed"


@dataclass(frozen=True)
class Option:
    """One option: ``flag`` as it is written, such as ``--alpha``.

    ``kind``: float, int or str; flag, which takes no value; switch, a flag with others, ``off``, for no; count,
    a flag that is written several times; idle, a flag that sets what is the default anyway. ``also``: other ways to
    write it. ``many``: it takes several values. ``before``: the index of the word of the command line that it has to
    stand before, such as the name of a subcommand; ``None``: it belongs at the end.
    """

    flag: str
    kind: str
    default: Scalar | None = None
    choices: tuple[Scalar, ...] = ()
    help: str = ""
    also: tuple[str, ...] = ()
    required: bool = False
    many: bool = False
    off: tuple[str, ...] = ()
    before: int | None = None

    @property
    def name(self) -> str:
        """The name of a parameter for it, which is none of kdsearch's own."""
        return parameter_name(self.flag)

    @property
    def is_seed(self) -> bool:
        """Whether it is named as one for the seed."""
        return re.fullmatch(_SEED, self.flag.lstrip("-").replace("-", "_").lower()) is not None

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it."""
        return self.kind not in ("flag", "switch", "count", "idle")


def parameter_name(flag: str) -> str:
    """The name of a parameter for an option that is written as ``flag``."""
    name = re.sub(r"[^\w.]", "_", flag.lstrip("-+/"))
    return f"{name}_" if name in PLACES else name


def option_of(
    flags: Sequence[str],
    kind: str,
    default: Scalar | None = None,
    choices: Sequence[Scalar] = (),
    text: str = "",
    *,
    required: bool = False,
    many: bool = False,
    before: int | None = None,
) -> Option:
    """An option that may be written in each of ``flags``; its kind is that of its default where it names another."""
    no = [flag for flag in flags if flag.startswith("--no-")] if kind == "switch" else []
    yes = [flag for flag in flags if flag not in no] or list(flags)
    longest = max(yes, key=len)
    return Option(
        longest,
        _kind(kind, default),
        default,
        tuple(choices),
        " ".join(text.split()),
        tuple(flag for flag in flags if flag != longest),
        required,
        many,
        tuple(no),
        before,
    )


def _kind(kind: str, default: Scalar | None) -> str:
    """``float`` for a function such as ``eval`` whose default is a number, for it is written as one."""
    if kind in ("float", "int", "flag", "switch", "count", "idle") or isinstance(default, bool):
        return kind if kind in ("float", "int", "flag", "switch", "count", "idle") else "str"
    if isinstance(default, int | float):
        return "int" if isinstance(default, int) else "float"
    if kind == "str" or not isinstance(default, str):
        return "str"
    try:
        return "float" if math.isfinite(float(default)) else "str"
    except ValueError:
        return "str"
