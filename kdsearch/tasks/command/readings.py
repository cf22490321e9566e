"""Where a command's metric is read from: its output, or a file that it writes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from typing_extensions import override

from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.values import Declared, shown

Points = dict[int, float]
"""Epoch to value; of several values of one epoch the last one."""


class Follower(Protocol):
    """What one run's metric is read with while the run goes on."""

    def read(self, *, ended: bool) -> Points:
        """All that is there by now; ``ended``: the last line is whole, even without its line end."""


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
        return _Matches(_NewLines(source), re.compile(self.pattern), re.compile(self.epoch) if self.epoch else None)


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
        return _Last(_NewLines(source), self.key)


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
        return _Rows(_NewLines(source), self.key, self.epoch)


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
        return _Table(source, self.column, self.epoch)


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


@dataclass
class _NewLines:
    """The lines of a file that are new since the last time; a file that was written anew is read from its start."""

    path: Path
    _at: int = 0
    _begun: str = ""

    def read(self, *, ended: bool) -> Iterator[str]:
        """Whole lines; at the end also one that has no line end yet."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, io.SEEK_END)
                if size < self._at:
                    self._at, self._begun = 0, ""
                file.seek(self._at)
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return
        whole = len(content) if ended else max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
        self._at += whole
        yield from re.split(r"[\r\n]+", content[:whole].decode("utf-8", "replace"))


@dataclass
class _Matches:
    lines: _NewLines
    pattern: re.Pattern[str]
    epoch: re.Pattern[str] | None
    points: Points = field(default_factory=dict)
    at: int | None = None

    def read(self, *, ended: bool) -> Points:
        for line in self.lines.read(ended=ended):
            if self.epoch is not None and (found := self.epoch.search(line)):
                self.at = whole_epoch(found[1])
            if found := self.pattern.search(line):
                value = number(found[1], f"{self.pattern.pattern!r} in the line {line.strip()!r}")
                self.points[self._place()] = value
        return self.points

    def _place(self) -> int:
        if self.epoch is None:
            return len(self.points) + 1
        return 0 if self.at is None else self.at


@dataclass
class _Last:
    lines: _NewLines
    key: str | None
    last: str = ""

    def read(self, *, ended: bool) -> Points:
        for line in self.lines.read(ended=ended):
            self.last = line.strip() or self.last
        if not ended or not self.last:
            return {}
        where = f"the last line {self.last!r}"
        try:
            row = json.loads(self.last)
        except ValueError:
            raise KdsearchError(f"expected JSON, came {where}") from None
        if self.key is None:
            return {1: number(row, where)}
        value = _inside(row, self.key)
        if value is None:
            raise KdsearchError(f"expected a number at the key {self.key!r}, came {where}")
        return {1: number(value, where)}


@dataclass
class _Rows:
    lines: _NewLines
    key: str
    epoch: str
    points: Points = field(default_factory=dict)

    def read(self, *, ended: bool) -> Points:
        for line in self.lines.read(ended=ended):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # what else a log file has; the metric is missed at the end where none has it
            value = _inside(row, self.key)
            if value is not None:
                self.points[_row_epoch(row, self.epoch, len(self.points))] = number(value, f"{self.key!r} in {line!r}")
        return self.points


@dataclass
class _Table:
    path: Path
    column: str
    epoch: str
    points: Points = field(default_factory=dict)
    seen: tuple[int, int] = (0, 0)

    def read(self, *, ended: bool) -> Points:
        try:
            state = self.path.stat()
            if not ended and (state.st_size, state.st_mtime_ns) == self.seen:
                return self.points
            text = self.path.read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return self.points
        if not ended:
            text = text[: text.rfind("\n") + 1]  # a row that is being written waits
        self.seen = (state.st_size, state.st_mtime_ns)
        rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        if rows.fieldnames is not None and self.column not in rows.fieldnames:
            raise KdsearchError(
                f"expected a column {self.column!r} in {self.path.name}, its header has {', '.join(rows.fieldnames)}"
            )
        self.points = {}
        for row in rows:
            value = (row[self.column] or "").strip()
            if value:
                place = _row_epoch(row, self.epoch, len(self.points))
                self.points[place] = number(value, f"{self.column!r} of {self.path.name}")
        return self.points


def number(value: Any, where: str) -> float:
    """A number that a command gave, which may be no finite one; raises ``KdsearchError`` for what is none."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise KdsearchError(f"expected a number, came {shown(value)}: {where}") from None


def whole_epoch(value: Any) -> int:
    """An epoch as a whole number; raises ``KdsearchError`` for what is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise KdsearchError(f"expected a number as the epoch, came {shown(value)}") from None


def _row_epoch(row: Mapping[str, Any], key: str, so_far: int) -> int:
    value = _inside(row, key)
    return so_far + 1 if value in (None, "") else whole_epoch(value)


def _inside(row: Any, key: str) -> Any:
    """The value of a key; of ``a.b`` also that of b inside a."""
    if not isinstance(row, Mapping):
        return None
    if key in row:
        return row[key]
    first, _, rest = key.partition(".")
    return _inside(row.get(first), rest) if rest else None
