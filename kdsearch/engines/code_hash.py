"""The code hash of a run: which trainer made it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_hash(sources: Iterable[Path], study_file: Path | None = None) -> str:
    """Twelve hexadecimal digits over names and contents of all Python files in ``sources`` (files or folders).

    Of the study file itself, where a user's own function stands beside the declaration, the statement that makes the
    ``Study`` is left out, and its name: a larger budget is no other trainer, nor is a copy.
    """
    digest = hashlib.sha256()
    for source in sources:
        for file in [source] if source.is_file() else sorted(source.rglob("*.py")):
            content, name = file.read_bytes(), file.relative_to(source.parent).as_posix()
            if study_file is not None and file.resolve() == study_file.resolve():
                content, name = _without_declaration(content), "study file"
            digest.update(name.encode() + b"\0")
            digest.update(content + b"\0")
    return digest.hexdigest()[:12]


def _without_declaration(content: bytes) -> bytes:
    tree = ast.parse(content)
    tree.body = [statement for statement in tree.body if not _declares(statement)]
    return ast.unparse(tree).encode()


def _declares(statement: ast.stmt) -> bool:
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    names = (getattr(called, "attr", getattr(called, "id", "")) for called in calls)
    return not isinstance(statement, ast.FunctionDef | ast.ClassDef) and "Study" in names
