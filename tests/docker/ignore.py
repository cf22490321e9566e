"""The files that Docker sends to the builder: those of a folder without what ``.dockerignore`` names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One line: what it matches it leaves out, or, where it begins with ``!``, takes in again."""

    pattern: str
    leaves_out: bool

    def matches(self, path: str) -> bool:
        """Whether it matches the path as a whole, or a folder above it."""
        return re.fullmatch(_regex(self.pattern), path) is not None


def rules(text: str) -> list[Rule]:
    """The rules of a ``.dockerignore``; the last one that matches a path decides."""
    lines = [line.strip() for line in text.splitlines()]
    return [
        Rule(line.lstrip("!").strip().strip("/"), not line.startswith("!"))
        for line in lines
        if line and not line.startswith("#")
    ]


def left_out(path: str, known: Sequence[Rule]) -> bool:
    """Whether a path, with ``/`` and from the root, is not sent."""
    return next((rule.leaves_out for rule in reversed(known) if rule.matches(path)), False)


def context(root: Path) -> Iterator[Path]:
    """All files below ``root`` that are sent, relative to it. Folders none of which is sent are not walked."""
    known = rules((root / ".dockerignore").read_text())
    for entry in sorted(root.iterdir()):
        inside = (entry.name + "/", "*")
        if left_out(entry.name, known) and not any(
            rule.pattern.startswith(inside) for rule in known if not rule.leaves_out
        ):
            continue
        for file in [entry] if entry.is_file() else sorted(entry.rglob("*")):
            relative = file.relative_to(root)
            if file.is_file() and not left_out(relative.as_posix(), known):
                yield relative


def _regex(pattern: str) -> str:
    """``*`` and ``?`` stay inside one name, ``**`` does not; what matches a folder matches all that is in it."""
    parts = []
    for token in re.findall(r"\*\*/?|\*|\?|[^*?]+", pattern):
        if token.startswith("**"):
            parts.append("(?:.*/)?" if token == "**/" else ".*")
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(token, re.escape(token)))
    return "".join(parts) + "(?:/.*)?"
