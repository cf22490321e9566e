"""Whether the source of a file says what a name at its top level holds, or whether it is computed when it is read."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

_BUILTINS = {
    *("abs", "bool", "bytes", "complex", "dict", "enumerate", "float", "frozenset", "int", "len", "list", "max", "min"),
    *("pow", "range", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple", "zip", "True", "False"),
}
_METHODS = {
    *("copy", "format", "items", "join", "keys", "lower", "replace", "split", "strip", "title", "upper", "values"),
    *("absolute", "expanduser", "joinpath", "resolve", "with_name", "with_stem", "with_suffix"),
}
"""Of texts, containers and paths: those that read no file."""


def in_source(name: str, names: Mapping[str, Any]) -> bool:
    """Whether ``name``, of a module with these ``names``, holds what its source says, whatever machine reads it.

    A literal does, and what plain Python makes of literals, and the place of a file. What a call computes or reads does
    not, nor what the file changes by name at its top level.
    """
    file = names.get("__file__")
    if not isinstance(file, str):
        return False
    return _says(file, name, frozenset())


def _says(file: str, name: str, open_: frozenset[str]) -> bool:
    found = _assigned(file).get(name)
    if found is None or name in open_:
        return False
    open_ |= {name}
    return all(
        _from_module(node, file, name, open_)
        if isinstance(node, ast.ImportFrom)
        else isinstance(node, ast.expr) and _plain(node, file, open_)
        for node in found
    )


def _from_module(node: ast.ImportFrom, file: str, name: str, open_: frozenset[str]) -> bool:
    """Whether what is imported from another module stands in that one's source; a library's is as installed."""
    alias = next(alias for alias in node.names if (alias.asname or alias.name) == name)
    package = getattr(_module_of(file), "__package__", None) or ""
    try:
        whole = importlib.util.resolve_name(f"{'.' * node.level}{node.module or ''}", package)
    except ImportError:
        return False
    other = getattr(sys.modules.get(whole), "__file__", None)
    if other is None or is_library(whole, other):
        return True
    return _says(other, alias.name, open_ - {name} | {f"{name} of {file}"})


def _plain(node: ast.expr, file: str, open_: frozenset[str]) -> bool:
    """Whether an expression is made of literals, plain Python and other names of that kind."""
    match node:
        case ast.Constant() | ast.Lambda():
            return True
        case ast.Name(id=name):
            return name in _BUILTINS or name == "__file__" or _imported(file, name) or _says(file, name, open_)
        case ast.Attribute(value=inner):
            return _plain(inner, file, open_)
        case ast.Call(func=called):
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
            return _may_be_called(called, file, open_) and all(_plain(part, file, open_) for part in parts)
    children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    loops = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.Yield, ast.YieldFrom)
    return not isinstance(node, loops) and all(_plain(child, file, open_) for child in children)


def _may_be_called(node: ast.expr, file: str, open_: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _BUILTINS or _imported(file, node.id)
    if isinstance(node, ast.Attribute):
        inner = node.value
        if isinstance(inner, ast.Name) and _imported(file, inner.id):
            return True
        return node.attr in _METHODS and _plain(inner, file, open_)
    return False


def _imported(file: str, name: str) -> bool:
    """Whether a name is of ``math``, ``pathlib`` or kdsearch, which compute the same everywhere."""
    value = getattr(_module_of(file), name, None)
    if inspect.ismodule(value):
        return value.__name__.partition(".")[0] in ("math", "kdsearch")
    return getattr(value, "__module__", None) in ("math", "pathlib")


def _module_of(file: str) -> ModuleType | None:
    return next((module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == file), None)


def is_library(module: str, file: str | None) -> bool:
    """Whether a module comes with Python or with an installed package; one without a file is built in."""
    if file is None or module.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(part in Path(file).parts for part in ("site-packages", "dist-packages"))


@lru_cache(maxsize=64)
def _assigned_in(file: str, stamp: int) -> dict[str, list[ast.AST]]:
    """Top-level names with the expressions that they are bound to; another node where they are bound in other ways."""
    found: dict[str, list[ast.AST]] = {}

    def put(target: ast.AST, value: ast.AST) -> None:
        for part in ast.walk(target):
            if isinstance(part, ast.Name):
                found.setdefault(part.id, []).append(value if part is target else target)

    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    for node in _top_level(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    put(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                put(target, value)
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.NamedExpr(target=target):
                put(target, node)
            case ast.ImportFrom(names=names):
                for alias in names:
                    found.setdefault(alias.asname or alias.name, []).append(node)
            case ast.With(items=items):
                for item in items:
                    if item.optional_vars is not None:
                        put(item.optional_vars, node)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
                found.setdefault(name, []).append(node)  # a method that may change it: LIST.append(...)
            case ast.Delete(targets=targets):
                for target in targets:
                    put(target, node)
    return found


def _assigned(file: str) -> dict[str, list[ast.AST]]:
    try:
        return _assigned_in(file, Path(file).stat().st_mtime_ns)
    except OSError:
        return {}


def _top_level(tree: ast.AST) -> list[ast.AST]:
    """All statements that run when the file is read: those in functions and classes do not bind its names."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            found += [node, *_top_level(node)]
    return found
