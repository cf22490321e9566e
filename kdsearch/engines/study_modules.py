"""Study files as modules that other processes can import: ``kdsearch.engines.study_modules.NAME``.

What a study file defines is pickled by the name of its module: a ``DataLoader`` that spawns its workers does so with
the data set. A spawned process imports this package, which finds the file by a variable of the environment.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from typing_extensions import override

from kdsearch.study import files

__path__: list[str] = []  # what makes this file a package, whose modules the finder below finds

_FILES = "KDSEARCH_STUDY_MODULES"
"""Variable of the environment that names the file of each module, for processes that this one starts."""

_choosers: set[Path] = set()
"""The study file that has chosen how ``multiprocessing`` starts processes."""


def load_module(path: Path) -> ModuleType:
    """The study file as a module, read anew; its folder is one of the places of modules already."""
    path = path.resolve()
    name = f"{__name__}.{path.stem.replace('.', '_')}"
    os.environ[_FILES] = json.dumps({**_files(), name: str(path)})
    _forget_start_method()
    sys.modules.pop(name, None)
    importlib.invalidate_caches()  # a helper may have been written a moment ago
    before = _start_method()
    try:
        return importlib.import_module(name)
    finally:
        if before is None and _start_method() is not None:
            _choosers.add(path)


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)


def _forget_start_method() -> None:
    """Undo what a study file that was read before has set: a second ``set_start_method`` in one process raises."""
    if _choosers:
        multiprocessing.set_start_method(None, force=True)
        _choosers.clear()


def _files() -> dict[str, str]:
    return dict(json.loads(os.environ.get(_FILES, "{}")))


class _Loader(SourceFileLoader):
    """Reads a study file, whose own files and modules lie beside it."""

    @override
    def path_stats(self, path: Any) -> Any:
        """None, so that no bytecode is kept: it would hide an edit within a second of the one before."""
        raise OSError("a study file is read anew each time")

    @override
    def exec_module(self, module: ModuleType) -> None:
        folder = Path(self.path).parent
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        with files.beside(folder):
            super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of this package by the files that the environment names."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = _files().get(fullname) if fullname.startswith(f"{__name__}.") else None
        if file is None:
            return None
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, file))


sys.meta_path.insert(0, _Finder())
