"""The options that a training script takes: asked of its own argparse parser, or read from its help text."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.command.process import CommandProcess
from kdsearch.tasks.command.sources import source_files
from kdsearch.tasks.command.template import PLACES

_LIMIT_SECONDS = 120.0
_MARK = "kdsearch-options:"

_ASK = """
import argparse, json, os, runpy, sys
rows = {}
def note(parser):
    for action in parser._actions:
        if action.option_strings and not isinstance(action, argparse._HelpAction):
            kind = "flag" if action.nargs == 0 else getattr(action.type, "__name__", "str")
            many = action.nargs in ("+", "*", "...", "A...") or (isinstance(action.nargs, int) and action.nargs > 1)
            choices = None if action.choices is None else list(action.choices)
            row = [action.option_strings, kind, action.default, choices, action.help, bool(action.required), many]
            rows[action.dest] = row
def tell(parser, *given, **named):
    note(parser)
    print("\\n" + MARK + json.dumps(list(rows.values()), default=str), flush=True)
    os._exit(0)
known = argparse.ArgumentParser.parse_known_args
def tell_or_go_on(parser, *given, **named):
    # A first parser that has no help of its own, as for a file of settings, goes before the one that is meant.
    if parser.add_help:
        tell(parser)
    note(parser)
    return known(parser, [])
argparse.ArgumentParser.parse_args = tell
argparse.ArgumentParser.parse_known_args = tell_or_go_on
start, sys.argv = sys.argv[1], [*sys.argv[2:], "--help"]
if start == "-m":
    sys.path.insert(0, "")
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
_READERS = ("argparse", "click", "typer", "fire", "hydra", "absl", "docopt", "optparse", "simple_parsing", "tyro")
"""Packages that read a command line: a script that imports none of them would train at once."""

_NO_VALUE = ("-u", "-O", "-OO", "-B", "-s", "-S", "-E", "-I", "-P", "-q")
_WITH_VALUE = ("-W", "-X")
"""Options of Python itself."""


@dataclass(frozen=True)
class Option:
    """One option: ``flag`` as it is written, such as ``--alpha``; ``kind`` float, int, str or flag.

    ``also``: other ways to write it. ``many``: it takes several values.
    """

    flag: str
    kind: str
    default: Scalar | None = None
    choices: tuple[Scalar, ...] = ()
    help: str = ""
    also: tuple[str, ...] = ()
    required: bool = False
    many: bool = False

    @property
    def name(self) -> str:
        """The name of a parameter for it, which is none of kdsearch's own."""
        name = self.flag.lstrip("-").replace("-", "_")
        return f"{name}_" if name in PLACES else name


def options_of(arguments: Sequence[str], folder: Path) -> list[Option]:
    """The options of a command line's program, which is started for that and ends before it trains.

    Raises ``KdsearchError`` with its last lines where it tells nothing, and for a Python script that reads no options.
    """
    python, script = _python_script(arguments)
    if script is None:
        return _read_help([arguments[0]], folder)
    if not _reads_options(script, folder):
        raise KdsearchError(
            f"{' '.join(script)} reads no options: it imports none of {', '.join(_READERS)}. Write the study file by "
            "hand, and pass values on by environment={...}"
        )
    asked = _ask(python, script, folder)
    return asked if asked is not None else _read_help([python, *script], folder)


def _python_script(arguments: Sequence[str]) -> tuple[str, list[str] | None]:
    """The interpreter, and ``train.py`` or ``-m trainer``; also behind a launcher of processes such as torchrun."""
    rest = list(arguments[1:])
    if not Path(arguments[0]).name.startswith("python"):
        named = next((argument for argument in rest if argument.endswith(".py")), None)
        return "python", None if named is None else [named]
    while rest and rest[0] in (*_NO_VALUE, *_WITH_VALUE):
        rest = rest[2 if rest[0] in _WITH_VALUE else 1 :]
    if len(rest) > 1 and rest[0] == "-m":
        return arguments[0], rest[:2]
    return arguments[0], rest[:1] if rest and not rest[0].startswith("-") else None


def _reads_options(script: Sequence[str], folder: Path) -> bool:
    """Whether a script, or a module of its folder that it imports, mentions a package that reads a command line."""
    files = source_files(script, folder)
    texts = [file.read_text("utf-8", "replace") for file in files if file.suffix == ".py"]
    return not texts or any(name in text for text in texts for name in _READERS)


def _ask(python: str, script: Sequence[str], folder: Path) -> list[Option] | None:
    """What the script's parser says of itself; ``None`` for a script that has none of argparse."""
    code = f"MARK = {_MARK!r}\n{_ASK}"
    start = list(script) if script[0] == "-m" else ["run", script[0]]
    said = _run([python, "-c", code, *start], folder)
    line = next((line for line in said.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        return None
    return [_option(*row) for row in json.loads(line.removeprefix(_MARK))]


def _option(
    flags: list[str],
    kind: str,
    default: Scalar | None,
    choices: list[Scalar] | None,
    text: str | None,
    required: bool,
    many: bool,
) -> Option:
    longest = max(flags, key=len)
    also = tuple(flag for flag in flags if flag != longest)
    return Option(longest, kind, default, tuple(choices or ()), " ".join((text or "").split()), also, required, many)


def _read_help(program: Sequence[str], folder: Path) -> list[Option]:
    """Options with a value out of what the program prints with ``--help``."""
    said = _run([*program, "--help"], folder)
    found: dict[str, Option] = {}
    for match in re.finditer(r"(?m)^\s+(?:-\w(?: \S+)?, )?(--[\w.-]+)(?:[= ](\{[^}]*\}|<?[\w.]+>?))?(.*)$", said):
        flag, value, rest = match[1], match[2], match[3]
        default = re.search(r"default[:=]? *([^\s\])]+)", rest)
        choices = tuple(value.strip("{}").split(",")) if value and value.startswith("{") else ()
        kind, parsed = _kind(default[1] if default else "", value)
        if flag != "--help":
            found.setdefault(flag, Option(flag, kind, parsed, choices, " ".join(rest.split())))
    if not found:
        raise KdsearchError(f"{' '.join(program)} tells no options: its output with --help ends with\n{said[-2000:]}")
    return list(found.values())


def _kind(default: str, value: str | None) -> tuple[str, Scalar | None]:
    if value is None:
        return "flag", None
    for kind, make in (("int", int), ("float", float)):
        try:
            return kind, make(default)
        except ValueError:
            continue
    return "str", default or None


def _run(arguments: Sequence[str], folder: Path) -> str:
    """What a program prints, in a terminal of its own, for some ask one for its size before anything else."""
    with tempfile.TemporaryDirectory(prefix="kdsearch-options-") as place:
        output = Path(place, "output")
        variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}
        with CommandProcess(arguments, folder, variables, output, terminal=True, grace=0.0) as process:
            if not process.ended(_LIMIT_SECONDS):
                raise KdsearchError(f"{arguments[0]} took longer than {_LIMIT_SECONDS:.0f} s to tell its options")
        return output.read_text("utf-8", "replace")
