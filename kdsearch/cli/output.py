"""How the program prints: texts of users literally, in any encoding, to a terminal, a pipe or nothing."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from kdsearch.texts import LONGEST, PLAIN_ERRORS, literal, shortened

if TYPE_CHECKING:
    from rich.console import Console


def prepare_streams() -> None:
    """Let standard output and error take every text: plain characters where the encoding has no others.

    A stream that is closed takes everything and shows nothing.
    """
    sys.stdout, sys.stderr = _prepared(sys.stdout), _prepared(sys.stderr)


def _prepared(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=PLAIN_ERRORS)
    return stream


def say(text: str = "", *, end: str = "\n", flush: bool = False) -> None:
    """Print a text literally: no character of it commands the terminal."""
    print(literal(text), end=end, flush=flush)


def complain(text: str) -> None:
    """Print a text literally on standard error; of a very long one the first and the last part."""
    print(literal(shortened(text, 5 * LONGEST)), file=sys.stderr)


def encoding() -> str:
    """Encoding of standard output."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def console() -> Console:
    """A console of rich that takes every text literally and wraps lines in a terminal alone."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, emoji=False)
    made.soft_wrap = not made.is_terminal
    return made


def discard_output() -> None:
    """Point standard output to nothing: whoever read it has gone, and flushing it at the end would fail."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
