"""Reads a Dockerfile into stages and steps, as far as one that a replay can carry out goes.

A parser of our own: ``dockerfile-parse`` (its last version is of 2023) hands out an instruction's flags and exec form
as one text, and ``dockerfile`` holds a parser in Go, compiled for some machines. What this one does not know (heredocs,
other escape characters, ``ONBUILD``) it refuses, so that nothing is skipped in silence.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"}
KNOWN |= {"RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
_VARIABLE = re.compile(r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<how>[-+])(?P<other>[^{}]*))?\})")


class DockerfileError(ValueError):
    """A Dockerfile that cannot be read, or not be carried out, with the number of its line."""


@dataclass(frozen=True)
class Step:
    """One instruction. ``text``: what stands behind it and its flags, continued lines joined, variables as written."""

    name: str
    text: str
    line: int
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def exec_form(self) -> list[str] | None:
        """The words of a JSON array; ``None`` in the shell form."""
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

    @property
    def words(self) -> list[str]:
        """What ``COPY`` and others name, in either form."""
        return self.exec_form if self.exec_form is not None else shlex.split(self.text)

    @property
    def pairs(self) -> dict[str, str]:
        """``ENV``, ``LABEL`` and ``ARG``: values by name; of an ``ARG`` without a default, the empty text."""
        words = shlex.split(self.text)
        if self.name != "ARG" and "=" not in words[0]:
            raise DockerfileError(f"line {self.line}: {self.name} {words[0]} has no =: an old form that is not read")
        return {name: value for name, _, value in (word.partition("=") for word in words)}


@dataclass(frozen=True)
class Stage:
    """What one ``FROM`` begins. ``base``: an image, or an earlier stage, variables as written."""

    base: str
    name: str
    steps: tuple[Step, ...]
    line: int


@dataclass(frozen=True)
class Dockerfile:
    """``arguments``: those before the first ``FROM``, with their defaults."""

    arguments: Mapping[str, str]
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise DockerfileError(f"no stage {name!r}; there are {', '.join(stage.name for stage in self.stages)}")

    def chain(self, name: str, **arguments: str) -> list[Stage]:
        """The stages that make up one, from that on an image to itself; ``arguments``: those of the build."""
        names = {stage.name for stage in self.stages}
        found = [self.stage(name)]
        while (base := self.base(found[0], **arguments)) in names:
            if any(stage.name == base for stage in found):
                raise DockerfileError(f"line {found[0].line}: the stage {base} stands on itself")
            found.insert(0, self.stage(base))
        return found

    def base(self, stage: Stage, **arguments: str) -> str:
        """What a stage stands on, with the variables of ``FROM`` filled in."""
        return expanded(stage.base, {**self.arguments, **arguments})


def read(path: Path) -> Dockerfile:
    """The Dockerfile at a path."""
    return parse(path.read_text())


def parse(text: str) -> Dockerfile:
    """Stages and steps of a Dockerfile's text; ``DockerfileError`` where it holds what is not known here."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _steps(text):
        if step.name == "FROM":
            match = re.fullmatch(r"(\S+)(?:\s+AS\s+(\S+))?", step.text, re.IGNORECASE)
            if match is None:
                raise DockerfileError(f"line {step.line}: expected FROM IMAGE [AS NAME], got FROM {step.text}")
            stages.append(Stage(match[1], match[2] or str(len(stages)), (), step.line))
        elif stages:
            last = stages[-1]
            stages[-1] = Stage(last.base, last.name, (*last.steps, step), last.line)
        elif step.name == "ARG":
            arguments.update(step.pairs)
        else:
            raise DockerfileError(f"line {step.line}: {step.name} before the first FROM")
    if not stages:
        raise DockerfileError("no FROM")
    return Dockerfile(arguments, tuple(stages))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with ``$NAME``, ``${NAME}``, ``${NAME:-other}`` and ``${NAME:+other}`` filled in; unknown ones empty."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        known = variables.get(match["plain"] or match["name"], "")
        if match["how"] == "+":
            return match["other"] if known else ""
        return known or (match["other"] or "")

    return _VARIABLE.sub(value, text)


def _steps(text: str) -> Iterator[Step]:
    for number, line in _lines(text):
        name, _, rest = line.partition(" ")
        flags: dict[str, str] = {}
        rest = rest.strip()
        while match := re.match(r"--([a-z-]+)(?:=(\S*))?\s+", rest):
            flags[match[1]] = match[2] or ""
            rest = rest[match.end() :]
        if name.upper() not in KNOWN:
            raise DockerfileError(f"line {number}: {name} is not known here")
        if not rest:
            raise DockerfileError(f"line {number}: {name} says nothing")
        if name.upper() in ("RUN", "COPY", "ADD") and re.search(r"(?<!<)<<-?[\"']?\w", rest):
            raise DockerfileError(f"line {number}: a heredoc, which is not read here")
        yield Step(name.upper(), rest, number, flags)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each instruction: continued lines joined by a space, comments and empty lines left out."""
    if re.match(r"#\s*escape\s*=", text, re.IGNORECASE):
        raise DockerfileError("line 1: another escape character, which is not read here")
    begun, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue  # Docker leaves both out inside a continued instruction too
        begun = begun or number
        stripped = line.rstrip()
        parts.append(stripped.removesuffix("\\").strip())
        if not stripped.endswith("\\"):
            yield begun, " ".join(part for part in parts if part)
            begun, parts = 0, []
    if parts:
        raise DockerfileError(f"line {begun}: the last line goes on, and nothing follows")
