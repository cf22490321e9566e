"""``kdsearch init``: a study file for a training script, to edit."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from kdsearch.cli.output import complain, say
from kdsearch.errors import KdsearchError


def init(
    command: Annotated[str, typer.Argument(metavar="COMMAND", help='How it is started, such as "python train.py".')],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; no file is overwritten.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="Pattern of the line that holds the metric, the number in (...).")
    ] = None,
    search: Annotated[
        list[str] | None, typer.Option("--search", help="An option to search; repeat it. Otherwise they are guessed.")
    ] = None,
) -> None:
    """Write a study file for a training script.

    It searches the options of the script.
    The script is started once to ask its argparse parser for its options, or with --help; it does not train. Options
    that the command gives stay as they are, or become the baseline where they are searched.
    """
    from kdsearch.study.for_script import study_text
    from kdsearch.study.given import unknown_flags
    from kdsearch.tasks.command.options import options_of, script_of

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise KdsearchError(f"{command!r} cannot be split into arguments: {error}") from error
    environment, words = _variables(words)
    if not words:
        raise KdsearchError("expected a command, such as kdsearch init 'python train.py'")
    options = options_of(words, Path(), environment)
    target = output or Path(f"{_stem(words)}_study.py")
    folder = os.path.relpath(Path(), target.parent)
    text = study_text(
        words,
        options,
        name=_stem(words),
        folder=folder,
        objective=objective,
        search=search or [],
        environment=environment,
    )
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise KdsearchError(f"{target} exists and is not overwritten; name another file by --output") from None
    for line in unknown_flags(words, options, script_of(words)[2]):
        complain(f"note: {line}")
    say(f"{target}: edit what is marked, then kdsearch launch {quote(str(target))}")


def _variables(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that a command sets before its program, as a shell or ``env`` reads them, and the rest of it."""
    rest = words[1:] if words[:1] == ["env"] and "=" in "".join(words[1:2]) else words
    environment = dict[str, str]()
    while rest and re.match(r"[A-Za-z_]\w*=", rest[0]):
        name, _, value = rest[0].partition("=")
        environment[name] = value
        rest = rest[1:]
    return environment, rest


def _stem(words: list[str]) -> str:
    """A name after the script: of ``python train.py`` and of ``python -m train`` it is ``train``."""
    named = next((word for word in words if word.endswith(".py")), None)
    if named is None and "-m" in words[:-1]:
        named = words[words.index("-m") + 1].rpartition(".")[2]
    return Path(named or words[0]).stem
