"""How the program prints: texts of users literally, in any encoding, to a terminal, a pipe or nothing."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from kdsearch.texts import LONGEST, PLAIN_ERRORS, literal, shortened

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class _Output:
    """Where the program prints: ``own`` is standard output once nothing else may write to it."""

    is_program: bool = False
    own: TextIO | None = None


_output = _Output()


@contextlib.contextmanager
def program_streams() -> Iterator[None]:
    """Standard output and error of a process that is this program and nothing else; what waits is written at the end.

    What cannot be written is said here, not as the interpreter ends.
    """
    prepare_streams()
    _output.is_program = True
    try:
        yield
    finally:
        _output.is_program = False
        _stdout().flush()


def reserve_output() -> None:
    """From now on standard output takes what this program says alone; what others write there goes to standard error.

    A thread that a study file starts may print long after the file was read, between the rows of an export.
    """
    if not _output.is_program or _output.own is not None or not isinstance(sys.stdout, io.TextIOWrapper):
        return
    stream = sys.stdout
    stream.flush()
    try:
        if stream.fileno() != 1:
            return
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        return
    written = io.BufferedWriter(io.FileIO(kept, "w"))
    _output.own = io.TextIOWrapper(written, encoding=stream.encoding, errors=stream.errors)


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
    print(literal(text), end=end, flush=flush, file=_stdout())


def complain(text: str) -> None:
    """Print a text literally on standard error; of a very long one the first and the last part."""
    print(literal(shortened(text, 5 * LONGEST)), file=sys.stderr)


def encoding() -> str:
    """Encoding of standard output."""
    return getattr(_stdout(), "encoding", None) or "utf-8"


def columns(default: int) -> int:
    """Columns of the terminal that standard output is; the default where it is none."""
    if "COLUMNS" not in os.environ and _output.own is not None:
        with contextlib.suppress(OSError):
            return os.get_terminal_size(_output.own.fileno()).columns or default
        return default
    return shutil.get_terminal_size((default, 40)).columns


def _stdout() -> TextIO:
    return _output.own or sys.stdout


def console() -> Console:
    """A console of rich that takes every text literally and wraps lines in a terminal alone."""
    from rich.console import Console

    made = Console(file=_output.own, highlight=False, markup=False, emoji=False)
    made.soft_wrap = not made.is_terminal
    return made


def discard_output() -> None:
    """Point standard output to nothing: whoever read it has gone, and flushing it at the end would fail."""
    try:
        descriptor = _stdout().fileno()
    except (OSError, ValueError):
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
