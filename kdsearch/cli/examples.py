"""``kdsearch studies``: the example studies that come with kdsearch, to read, copy and change."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.errors import KdsearchError

app = typer.Typer(no_args_is_help=True, help="Example studies: list them, copy one to start from.")


@app.command("examples")
def list_examples() -> None:
    """List the example studies, each with its question."""
    for name, path in examples().items():
        print(f"{name}\n    {_first_line(path)}")
    print("\nkdsearch studies copy NAME makes a copy to start from.")


@app.command("copy")
def copy(
    name: Annotated[str, typer.Argument(help="An example, as kdsearch studies examples lists it.")],
    directory: Annotated[Path, typer.Argument(help="The folder of the copy, made if absent.")] = Path(),
) -> None:
    """Copy an example study; a file that exists is left as it is."""
    known = examples()
    source = known.get(name.removesuffix(".py"))
    if source is None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise KdsearchError(f"no example study {name!r}; {hint}There are: {', '.join(known)}")
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / source.name
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise KdsearchError(f"{target} exists and is left as it is; name another folder for the copy") from None
    print(f"{target}: change it, then kdsearch launch {target}")


def examples() -> dict[str, Path]:
    """Name and file of each example study, by name."""
    return {path.stem: path for path in sorted(shipped("examples", "studies").glob("*.py"))}


def shipped(installed: str, in_clone: str) -> Path:
    """A folder that comes with kdsearch: inside the package where a wheel was installed, else beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    inside = package / installed
    return inside if inside.is_dir() else package.parent / in_clone


def _first_line(path: Path) -> str:
    """Of the study's docstring; the file is read, not run."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
