"""Where a command's metric is read from: its output, or a file that it writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from typing_extensions import override

from kdsearch.errors import StudyFileError
from kdsearch.tasks.command.followers import Follower, Last, Lines, Rows, Table
from kdsearch.tasks.command.patterns import Matches
from kdsearch.values import Declared, shown


@runtime_checkable
class Reading(Protocol):
    """Where a metric is read from, as a study file says it."""

    @property
    def metric(self) -> str:
        """A name for the metric, where the study gives none."""

    @property
    def file(self) -> str:
        """The path that it is read from, with placeholders; empty for the command's output."""

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""

    def __str__(self) -> str:
        """The place in words."""

    def follow(self, source: Path) -> Follower:
        """A follower of one run; ``source``: the file, or the file that takes the command's output."""


def is_counted(reading: Reading | None) -> bool:
    """Whether it is read from the output, each number being that of one more epoch."""
    return isinstance(reading, Pattern) and reading.epoch is None


@dataclass(frozen=True)
class Pattern(Declared):
    """A regular expression with one group, the number; looked for in each line of what the command prints.

    What a carriage return writes over, as progress bars do, counts as lines too. ``epoch``: a pattern whose group is
    the epoch that the numbers after it belong to; without it each number that is found is that of one more epoch.
    """

    pattern: str
    epoch: str | None = None

    def __post_init__(self) -> None:
        for name, text in (("pattern", self.pattern), ("epoch", self.epoch)):
            if text is None and name == "epoch":
                continue
            try:
                groups = re.compile(text).groups if isinstance(text, str) else -1
            except re.error as error:
                raise StudyFileError(f"{name}={shown(text)} is no regular expression: {error}") from error
            if groups != 1:
                raise StudyFileError(
                    f"{name}={shown(text)}: expected a regular expression with one group, the number, such as "
                    r"r'accuracy: ([\d.]+)'" + (f"; it has {groups}" if groups >= 0 else "")
                )

    @property
    def metric(self) -> str:
        """No more is known of it."""
        return "objective"

    @property
    def file(self) -> str:
        """None: it reads the output."""
        return ""

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""
        return {"pattern": self.pattern, "epoch": self.epoch}

    @override
    def __str__(self) -> str:
        return f"a line of its output that matches {self.pattern!r}"

    def follow(self, source: Path) -> Follower:
        """Reads what is new in the output."""
        return Lines(source, lambda: Matches(re.compile(self.pattern), re.compile(self.epoch) if self.epoch else None))


@dataclass(frozen=True)
class LastLine(Declared):
    """The last line that the command prints, as JSON: an object that has ``key``, or without it a number."""

    key: str | None = None

    @property
    def metric(self) -> str:
        """The key."""
        return self.key or "objective"

    @property
    def file(self) -> str:
        """None: it reads the output."""
        return ""

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""
        return {"last_line": self.key}

    @override
    def __str__(self) -> str:
        return f"the last line of its output, as JSON with the key {self.key!r}" if self.key else "the last line"

    def follow(self, source: Path) -> Follower:
        """Reads the last line once the command has ended."""
        return Lines(source, lambda: Last(self.key))


@dataclass(frozen=True)
class JsonLines(Declared):
    """A file with one JSON object a line, of which those that have ``key`` count; ``a.b`` also finds b inside a.

    ``epoch``: the key of the epoch; rows without it are counted.
    """

    path: str
    key: str
    epoch: str = "epoch"

    @property
    def metric(self) -> str:
        """The key."""
        return self.key

    @property
    def file(self) -> str:
        """The path."""
        return self.path

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""
        return {"json_lines": self.path, "key": self.key, "epoch": self.epoch}

    @override
    def __str__(self) -> str:
        return f"the key {self.key!r} in lines of {self.path}"

    def follow(self, source: Path) -> Follower:
        """Reads the lines that are new."""
        return Lines(source, lambda: Rows(self.key, self.epoch))


@dataclass(frozen=True)
class CsvFile(Declared):
    """A CSV file with a header; rows whose ``column`` is empty are passed over, as Lightning writes them.

    ``epoch``: the column of the epoch; without such a column rows are counted.
    """

    path: str
    column: str
    epoch: str = "epoch"

    @property
    def metric(self) -> str:
        """The column."""
        return self.column

    @property
    def file(self) -> str:
        """The path."""
        return self.path

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""
        return {"csv": self.path, "column": self.column, "epoch": self.epoch}

    @override
    def __str__(self) -> str:
        return f"the column {self.column!r} of {self.path}"

    def follow(self, source: Path) -> Follower:
        """Reads the file again when it has changed."""
        return Table(source, self.column, self.epoch)


@dataclass(frozen=True)
class TensorBoard(Declared):
    """A scalar of TensorBoard's event files in a folder and those below it; its step is the epoch."""

    path: str
    tag: str

    @property
    def metric(self) -> str:
        """The tag."""
        return self.tag

    @property
    def file(self) -> str:
        """The folder."""
        return self.path

    def identity(self) -> dict[str, Any]:
        """JSON values that tell it from another."""
        return {"tensorboard": self.path, "tag": self.tag}

    @override
    def __str__(self) -> str:
        return f"the scalar {self.tag!r} of the event files in {self.path}"

    def follow(self, source: Path) -> Follower:
        """Reads the event files again when they have changed."""
        from kdsearch.tasks.command.event_files import Scalars

        return Scalars(source, self.tag)
