"""The options that a training script takes: asked of its own argparse parser, or read from its help text."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.tasks.command import ask_parser
from kdsearch.tasks.command.help_text import is_help, options_in, plain_text, subcommands_in, subcommands_of
from kdsearch.tasks.command.option import Option, option_of
from kdsearch.tasks.command.process import CommandProcess
from kdsearch.tasks.command.sources import source_files

_LIMIT_SECONDS = 120.0

_READERS = ("argparse", "click", "typer", "fire", "hydra", "absl", "docopt", "optparse", "simple_parsing", "tyro")
"""Packages that read a command line: a script that imports none of them would train at once."""

_NO_VALUE = ("-u", "-O", "-OO", "-B", "-s", "-S", "-E", "-I", "-P", "-q")
_WITH_VALUE = ("-W", "-X")
"""Options of Python itself."""


def options_of(arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> list[Option]:
    """The options of a command line's program, which is started for that and ends before it trains.

    It is given the words of the command, for a script may choose its options by them. Raises ``KdsearchError`` with
    its last lines where it tells nothing, and for a Python script that reads no options.
    """
    asking = _Asking(folder, dict(environment or {}))
    python, script, first = script_of(arguments)
    if script is None:
        return asking.help_of([arguments[0]])
    if not _reads_options(script, folder):
        raise KdsearchError(
            f"{' '.join(script)} reads no options: it imports none of {', '.join(_READERS)}. Write the study file by "
            "hand, and pass values on by environment={...}"
        )
    words = [word for word in arguments[first:] if word not in ("-h", "--help")]
    asked = asking.parser_of(python, script, words, first)
    return asked if asked is not None else asking.help_of([python, *script], words, first)


def script_of(arguments: Sequence[str]) -> tuple[str, list[str] | None, int]:
    """The interpreter, ``train.py`` or ``-m trainer``, and where its words begin; also behind such as torchrun."""
    if not Path(arguments[0]).name.startswith("python"):
        place = next((index for index, word in enumerate(arguments) if index and word.endswith(".py")), 0)
        return "python", [arguments[place]] if place else None, place + 1
    place = 1
    while place < len(arguments) and arguments[place] in (*_NO_VALUE, *_WITH_VALUE):
        place += 2 if arguments[place] in _WITH_VALUE else 1
    rest = list(arguments[place:])
    if len(rest) > 1 and rest[0] == "-m":
        return arguments[0], rest[:2], place + 2
    return arguments[0], rest[:1] if rest and not rest[0].startswith("-") else None, place + 1


def _reads_options(script: Sequence[str], folder: Path) -> bool:
    """Whether a script, or a module of its folder that it imports, mentions a package that reads a command line."""
    files = source_files(script, folder)
    texts = [file.read_text("utf-8", "replace") for file in files if file.suffix == ".py"]
    return not texts or any(name in text for text in texts for name in _READERS)


def _check_subcommands(script: Sequence[str], unnamed: Sequence[str], found: Sequence[Option]) -> None:
    """Refuse a command that names no subcommand where what is found without one leaves nothing to search."""
    if unnamed and not any(option.takes_value and not option.is_seed for option in found):
        raise KdsearchError(f"{' '.join(script)} has subcommands: name one in the command, out of {', '.join(unnamed)}")


@dataclass(frozen=True)
class _Asking:
    """Starts of a program in its folder, with the variables that its command sets."""

    folder: Path
    environment: Mapping[str, str]

    def parser_of(self, python: str, script: Sequence[str], words: Sequence[str], first: int) -> list[Option] | None:
        """What the script's parser says of itself; ``None`` for a script that has none of argparse."""
        start = list(script) if script[0] == "-m" else ["run", script[0]]
        said = self._run([python, "-c", Path(ask_parser.__file__).read_text("utf-8"), *start, *words])
        line = next((line for line in said.splitlines() if line.startswith(ask_parser.MARK)), None)
        if line is None:
            return None
        answer = json.loads(line.removeprefix(ask_parser.MARK))
        places = [first + place for place in answer["places"]] + [None]
        levels = [row.pop("level") for row in answer["options"]]
        found = [option_of(**row, before=places[level]) for level, row in zip(levels, answer["options"], strict=True)]
        _check_subcommands(script, answer["subcommands"], [] if answer["subcommand_required"] else found)
        if answer["lacking"]:
            raise KdsearchError(
                f"{' '.join(script)} requires {', '.join(answer['lacking'])}: give a value for each in the command"
            )
        return found

    def help_of(self, program: Sequence[str], words: Sequence[str] = (), first: int = 1) -> list[Option]:
        """Options out of what the program prints with ``--help``, of its subcommands too where the words name some."""
        said = self._run([*program, *words, "--help"])
        places, found = subcommands_in(said, words) if is_help(said) else [], options_in(said)
        for place in reversed(places):
            found = [*options_in(self._run([*program, *words[:place], "--help"]), first + place), *found]
        if not found and words:
            alone = self._run([*program, "--help"])
            if not set(subcommands_of(alone)) & set(words):  # else it refuses the words, and says why
                said, found = alone, options_in(alone)
        _check_subcommands(program, subcommands_of(said), found)
        if not found:
            raise KdsearchError(
                f"{' '.join(program)} tells no options: its output with --help ends with\n{plain_text(said)[-2000:]}"
            )
        return found

    def _run(self, arguments: Sequence[str]) -> str:
        """What a program prints, in a terminal of its own, for some ask one for its size before anything else."""
        with tempfile.TemporaryDirectory(prefix="kdsearch-options-") as place:
            output = Path(place, "output")
            variables = {**os.environ, **self.environment, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}
            with CommandProcess(arguments, self.folder, variables, output, terminal=True, grace=0.0) as process:
                if not process.ended(_LIMIT_SECONDS):
                    raise KdsearchError(f"{arguments[0]} took longer than {_LIMIT_SECONDS:.0f} s to tell its options")
            return output.read_text("utf-8", "replace")
