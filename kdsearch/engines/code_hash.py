"""The code hash of a run: which trainer made it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from kdsearch.engines.helper_modules import helper_modules


def code_hash(sources: Iterable[Path], study_file: Path | None = None, bound: str = "") -> str:
    """Twelve hexadecimal digits over names and contents of all Python files in ``sources`` (files or folders).

    Of the study file itself, where a user's own function stands beside the declaration, the statement that makes the
    ``Study`` is left out but for the functions that it writes in place, and its name: a larger budget is no other
    trainer, nor is a copy. Modules beside the study file that a source imports count too. ``bound``: what the trainer
    carries beside its source, in words.
    """
    sources = list(sources)
    digest = hashlib.sha256()
    for source in sources:
        for file in [source] if source.is_file() else sorted(source.rglob("*.py")):
            content, name = file.read_bytes(), file.relative_to(source.parent).as_posix()
            if study_file is not None and file.resolve() == study_file.resolve():
                content, name = _without_declaration(content), "study file"
            digest.update(name.encode() + b"\0")
            digest.update(content + b"\0")
    if study_file is not None:
        for name, content in helper_modules(sources, study_file.resolve().parent).items():
            digest.update(f"beside {name}".encode() + b"\0" + content + b"\0")
    if bound:
        digest.update(b"bound\0" + bound.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()[:12]


def _without_declaration(content: bytes) -> bytes:
    tree = ast.parse(content)
    tree.body = list(_kept(tree.body))
    return ast.unparse(tree).encode()


def _kept(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements but for those that make a study; of these the functions that they write in place."""
    for statement in statements:
        if not _declares(statement):
            yield statement
        elif isinstance(statement, ast.If | ast.With | ast.Try | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                if hasattr(statement, part):
                    setattr(statement, part, list(_kept(getattr(statement, part))) or [ast.Pass()])
            yield statement
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Lambda):
                    yield ast.Expr(node)


def _declares(statement: ast.stmt) -> bool:
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    names = (getattr(called, "attr", getattr(called, "id", "")) for called in calls)
    return not isinstance(statement, ast.FunctionDef | ast.ClassDef) and "Study" in names
