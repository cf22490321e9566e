"""The files of a program: the scripts that a command names, and the modules beside them that they import."""

from __future__ import annotations

import contextlib
import modulefinder
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdsearch.tasks.command.working_copy import LEFT_OUT

_INTERPRETERS = ("python", "{python}", "torchrun")


def scripts(arguments: Sequence[str], folder: Path) -> list[Path]:
    """The files below ``folder`` that a command line names, by path or after ``-m``."""
    found = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == "-m":
            found += module_files(argument, folder)
        elif argument and "\0" not in argument and (path := folder / argument).is_file():
            found.append(path)
    return list(dict.fromkeys(path for path in found if path.resolve().is_relative_to(folder.resolve())))


def module_files(name: str, folder: Path) -> list[Path]:
    """The file that ``python -m name`` runs, where it lies in ``folder``."""
    place = folder.joinpath(*name.split("."))
    candidates = (place.with_name(f"{place.name}.py"), place / "__main__.py")
    return [path for path in candidates if path.is_file()][:1]


def missing_script(arguments: Sequence[str], folder: Path) -> str:
    """The script that a Python interpreter is given and that is not there; empty where there is none of that kind."""
    if not arguments or not Path(arguments[0]).name.startswith(_INTERPRETERS):
        return ""
    named = next((argument for argument in arguments[1:] if argument.endswith(".py")), "")
    before = list(arguments[1 : arguments.index(named)]) if named else []
    if named and not any(part in ("-m", "-c") for part in before) and not (folder / named).is_file():
        return named
    return ""


def source_files(arguments: Sequence[str], folder: Path) -> list[Path]:
    """The scripts and the modules below ``folder`` that they import, at any depth."""
    found: dict[Path, None] = {}
    for script in scripts(arguments, folder):
        found[script.resolve()] = None
        if script.suffix == ".py":
            found.update(dict.fromkeys(_imported(script, folder)))
    return list(found)


def _imported(script: Path, folder: Path) -> Iterator[Path]:
    """Modules that a script imports, found without running it."""
    paths = list(dict.fromkeys([str(script.parent), str(folder)]))
    finder = modulefinder.ModuleFinder(path=paths)
    with contextlib.suppress(Exception):  # a script of another Python's syntax is hashed itself
        finder.run_script(str(script))
    files = [getattr(module, "__file__", None) for module in finder.modules.values()]
    for file in filter(None, files):
        path, whole = Path(file).resolve(), folder.resolve()
        if path.is_relative_to(whole) and not LEFT_OUT & set(path.relative_to(whole).parts):
            yield path
