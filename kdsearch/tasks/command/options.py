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

_LIMIT_SECONDS = 120.0
_MARK = "kdsearch-options:"

_ASK = """
import argparse, json, runpy, sys
def tell(parser, *given, **named):
    rows = []
    for action in parser._actions:
        if action.option_strings and action.dest != "help":
            kind = "flag" if action.nargs == 0 else getattr(action.type, "__name__", "str")
            choices = None if action.choices is None else [str(choice) for choice in action.choices]
            rows.append([action.option_strings, kind, action.default, choices, action.help])
    print("\\n" + MARK + json.dumps(rows, default=str), flush=True)
    import os
    os._exit(0)
argparse.ArgumentParser.parse_args = argparse.ArgumentParser.parse_known_args = tell
start, sys.argv = sys.argv[1], sys.argv[2:]
if start == "-m":
    sys.path.insert(0, "")
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    import os
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Option:
    """One option: ``flag`` as it is written, such as ``--alpha``; ``kind`` float, int, str or flag."""

    flag: str
    kind: str
    default: Scalar | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    @property
    def name(self) -> str:
        """The name of a parameter for it."""
        return self.flag.lstrip("-").replace("-", "_")


def options_of(arguments: Sequence[str], folder: Path) -> list[Option]:
    """The options of a command line's program, which is started for that and ends before it trains.

    Raises ``KdsearchError`` with its last lines where it tells nothing.
    """
    program = _program(arguments)
    asked = _ask(program, folder) if Path(program[0]).name.startswith("python") and len(program) > 1 else None
    return asked if asked is not None else _read_help(program, folder)


def _program(arguments: Sequence[str]) -> list[str]:
    """The command line up to its first option of its own: ``python -m trainer``, ``python train.py``, ``./train``."""
    kept = [arguments[0]]
    for argument in arguments[1:]:
        if argument.startswith("-") and argument != "-m":
            break
        kept.append(argument)
        if argument != "-m" and Path(arguments[0]).name.startswith("python"):
            break
    return kept


def _ask(program: Sequence[str], folder: Path) -> list[Option] | None:
    """What the script's parser says of itself; ``None`` for a script that has none of argparse."""
    script = f"MARK = {_MARK!r}\n{_ASK}"
    start = ["-m", program[2]] if program[1] == "-m" and len(program) > 2 else ["run", program[1]]
    said = _run([program[0], "-c", script, *start], folder)
    line = next((line for line in said.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        return None
    rows = json.loads(line.removeprefix(_MARK))
    return [_option(*row) for row in rows]


def _option(flags: list[str], kind: str, default: Scalar | None, choices: list[str] | None, text: str | None) -> Option:
    longest = max(flags, key=len)
    return Option(longest, kind, default, tuple(choices or ()), " ".join((text or "").split()))


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
