"""Modules beside a study file: found for it wherever it is started, and part of what its runs are."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from kdsearch.tasks import in_source

_there_before: dict[str, frozenset[str]] = {}
"""By folder of a study: the modules that had been imported before its first study was read."""

_added: set[str] = set()
"""Folders that stand in ``sys.path`` because a study was read from them."""


def make_importable(folder: Path) -> None:
    """Let the modules in ``folder`` be imported, in this process and in those that it spawns, from any working folder.

    It stands last: what is installed and is named the same goes before, or a study file ``optuna.py`` would stand for
    the package. A module that was imported from beside a study before is read anew: it may have been edited, or one of
    that name may lie beside this study too.
    """
    text = str(folder)
    for name in helpers():
        del sys.modules[name]
    for other in _added - {text}:
        if other in sys.path:
            sys.path.remove(other)
    if text not in sys.path:
        sys.path.append(text)
        _added.add(text)
    _there_before.setdefault(text, frozenset(sys.modules))


def helpers() -> list[str]:
    """The modules that studies have imported from beside their files."""
    return [name for name in list(sys.modules) if _is_helper(name, _there_before)]


def _is_helper(name: str, folders: Iterable[str]) -> bool:
    file = file_of(name)
    if file is None or is_library(name, file):
        return False
    return any(file.is_relative_to(folder) and name not in _there_before[folder] for folder in folders)


def file_of(name: str) -> Path | None:
    """The file of a module that is imported; the folder of a package without ``__init__.py``."""
    module: ModuleType | None = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return Path(file)
    folders = [text for text in getattr(module, "__path__", ()) if isinstance(text, str) and os.path.isabs(text)]
    return Path(folders[0]) if folders else None


def is_library(name: str, file: Path) -> bool:
    """Whether a module comes with Python, with kdsearch or with an installed package."""
    return name.partition(".")[0] == "kdsearch" or in_source.is_library(name, str(file))


def helper_modules(sources: Iterable[Path], folder: Path) -> dict[str, bytes]:
    """Path below ``folder`` and content of the modules there that these source files import, and that those import.

    Imports inside functions count, also those by ``import_module`` and ``__import__`` of a name that stands in the
    source; :func:`named_at_run_time` has the others.
    """
    own = [source.resolve() for source in sources if source.is_file() and source.resolve().is_relative_to(folder)]
    waiting, found = list(own), dict[Path, bytes]()
    while waiting:
        file = waiting.pop()
        for named in imported(file, folder):
            for path in _files(named, folder):
                if path not in found and path not in own:
                    found[path] = path.read_bytes()
                    waiting.append(path)
    return {path.relative_to(folder).as_posix(): found[path] for path in sorted(found)}


def imported(file: Path, folder: Path) -> Iterator[str]:
    """The modules that a file below ``folder`` may import, by their whole names; ``a.b`` for ``from a import b``."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(file, folder, node.level)
            start = ".".join(part for part in (package, node.module) if part)
            yield from (f"{start}.{alias.name}" if start else alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and _imports(node) and (name := _literal(node, 0, "name")):
            level = len(name) - len(name.lstrip("."))
            package = (_literal(node, 1, "package") if level else "") or _package(file, folder, level)
            yield ".".join(part for part in (package, name.lstrip(".")) if part)


_IMPORTS = ("import_module", "__import__")
_READ_BY_PATH = ("run_path", "spec_from_file_location", "SourceFileLoader", "load_source")


def _imports(call: ast.Call, names: Sequence[str] = _IMPORTS) -> bool:
    """Whether a call is one of these functions, by its own name or as that of a module."""
    function = call.func
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)) in names


def _literal(call: ast.Call, place: int, name: str) -> str:
    """The text that a call gives for a parameter in its source; empty where that is only known at run time."""
    named = next((word.value for word in call.keywords if word.arg == name), None)
    given = call.args[place] if len(call.args) > place else named
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else ""


def named_at_run_time(sources: Iterable[Path], folder: Path) -> list[str]:
    """Where the sources, and modules below ``folder`` that they import, read code whose name is known at run time."""
    own = sorted({source.resolve() for source in sources if source.is_file()})
    found: dict[str, None] = {}
    for file in [*own, *(folder / path for path in helper_modules(own, folder))]:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if (_imports(node) and not _literal(node, 0, "name")) or _imports(node, _READ_BY_PATH):
                found[f"{ast.unparse(node.func)}(...) in {file.name}, line {node.lineno}"] = None
    return list(found)


def _package(file: Path, folder: Path, level: int) -> str:
    """The package that a relative import of so many dots begins with; empty for an absolute one."""
    if level == 0:
        return ""
    return ".".join(file.relative_to(folder).parts[:-level])


def _files(name: str, folder: Path) -> Iterator[Path]:
    """The files below ``folder`` that an import of this name reads; none for a module that lies elsewhere."""
    parts = name.split(".")
    file = file_of(parts[0])
    if is_library(parts[0], folder) or (file is not None and not file.resolve().is_relative_to(folder)):
        return
    for count in range(1, len(parts) + 1):
        path = folder.joinpath(*parts[:count])
        for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if candidate.is_file():
                yield candidate


def elsewhere(sources: Iterable[Path], folder: Path) -> list[str]:
    """Modules of the user's that the sources import and that no code hash reads: neither installed nor beside them."""
    own = {source.resolve() for source in sources if source.is_file()}
    found: dict[str, None] = {}
    for source in sorted(own):
        inside = source.is_relative_to(folder)
        names = set(imported(source, folder if inside else source.parent))
        if not inside:  # modules of its package count as elsewhere too
            names |= {name for name in list(sys.modules) if "." in name and file_of(name) == source}
        for top in sorted({name.partition(".")[0] for name in names}):
            file = file_of(top)
            if file is None or is_library(top, file) or file.resolve() in own:
                continue
            if not file.resolve().is_relative_to(folder):
                found[f"{top} ({file})"] = None
    return list(found)
