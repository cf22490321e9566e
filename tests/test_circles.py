"""No module of kdsearch imports another that imports it in turn: when it is loaded, later in a function, or for types.

A workload that a task names by an entry point, as text, may import its task: nothing is loaded by the name.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import kdsearch

ROOT = Path(kdsearch.__file__).parent


def modules(root: Path) -> dict[str, Path]:
    found = {".".join(path.relative_to(root.parent).with_suffix("").parts): path for path in root.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """What the file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: no relative imports, which are not followed here"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known.keys()


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in turn, the first named again at the end; none where there is no circle."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_circle_of_imports() -> None:
    known = modules(ROOT)
    edges = {name: imported(path, known) - {name} for name, path in known.items()}
    assert len(edges) > 250
    assert not circle(edges)


def test_a_circle_is_found() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == {"b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_in_functions_and_for_type_checkers_count(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from kdsearch.study import declaration\n"
        "else:\n    from kdsearch.ledger import ledger\n"
        "def later():\n    from kdsearch.search import planner\n"
    )
    assert imported(file, modules(ROOT)) == {
        "kdsearch.study.declaration", "kdsearch.ledger.ledger", "kdsearch.search.planner"
    }  # fmt: skip


def test_relative_imports_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("from .y import z\n")
    with pytest.raises(AssertionError, match="no relative imports"):
        imported(file, modules(ROOT))
