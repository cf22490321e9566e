"""``kdsearch studies``: the example studies that come with kdsearch, to read, copy and change."""

from __future__ import annotations

import ast
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from kdsearch import environment
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError, suggestion

app = typer.Typer(no_args_is_help=True, help="Example studies: list them, copy one to start from.")


@app.command("examples")
def list_examples() -> None:
    """List the example studies, each with its question."""
    for name, path in examples().items():
        say(f"{name}\n    {_first_line(path)}")
    say("\nTo start from one: kdsearch studies copy NAME")


@app.command("copy")
def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the example.")],
    directory: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the copy.")] = Path(),
) -> None:
    """Copy an example study, without overwriting a file."""
    known = examples()
    source = known.get(name.removesuffix(".py"))
    if source is None:
        raise KdsearchError(f"no example study {name!r}; {suggestion(name, known)}")
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / source.name
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise KdsearchError(f"{target} exists and is not overwritten; name another folder for the copy") from None
    say(f"{target}: edit it, then kdsearch launch {quote(str(target))}")


def examples() -> dict[str, Path]:
    """The file of each example study, by name."""
    return {path.stem: path for path in sorted(environment.shipped("examples", "studies").glob("*.py"))}


def _first_line(path: Path) -> str:
    """The first line of the study's docstring. The file is parsed, not run."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
