"""How metrics are read while a command runs, and once it has ended: values by epoch out of lines and tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kdsearch.errors import KdsearchError
from kdsearch.tasks.command.numbers import Epochs, Points, number


class Follower(Protocol):
    """What one run's metric is read with."""

    def so_far(self) -> Points:
        """What is there by now, for who watches: what is being written may change."""

    def whole(self) -> Points:
        """All that is there once the run has ended, whatever was read of it before.

        Raises ``KdsearchError`` for what is no number, and for a file that cannot be read.
        """


class Taker(Protocol):
    """What lines give, one after the other."""

    def take(self, line: str) -> None:
        """The next line."""

    def points(self, *, ended: bool) -> Points:
        """What they have given; ``ended``: no line follows."""


_MARK = "\ufeff"
"""The mark of byte order, with which some programs begin a file in UTF-8."""

_HEAD = 256
"""Bytes at the start of a file that tell whether it is still the one that was read."""


@dataclass
class Lines:
    """The lines of a file, which ``make`` reads; a carriage return ends a line as well, as progress bars write them."""

    path: Path
    make: Callable[[], Taker]
    _taker: Taker | None = None
    _at: int = 0
    _head: bytes = b""

    def so_far(self) -> Points:
        """Of whole lines alone; a file that was written anew is read from its start."""
        try:
            with self.path.open("rb") as file:
                head = file.read(_HEAD)
                if self._taker is None or file.seek(0, io.SEEK_END) < self._at or not head.startswith(self._head):
                    self._taker, self._at = self.make(), 0
                self._head = head
                file.seek(self._at)
                content = file.read()
        except OSError:  # it is not there yet
            return {}
        whole = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
        self._at += whole
        for line in _split(content[:whole]):
            self._taker.take(line)
        return self._taker.points(ended=False)

    def whole(self) -> Points:
        """Of all lines, the last one also without a line end."""
        taker = self.make()
        for line in _split(_content(self.path)):
            taker.take(line)
        return taker.points(ended=True)


def _split(content: bytes) -> Iterator[str]:
    yield from re.split(r"[\r\n]+", content.decode("utf-8", "replace"))


def _content(path: Path) -> bytes:
    """A file's bytes, none where it is not there; ``KdsearchError`` where it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise KdsearchError(f"{path} cannot be read: {error.strerror}") from error


@dataclass
class Last:
    """The last line that is not empty, as JSON."""

    key: str | None
    last: str = ""

    def take(self, line: str) -> None:
        """The next line."""
        self.last = line.strip() or self.last

    def points(self, *, ended: bool) -> Points:
        """One value, at the end."""
        if not ended or not self.last:
            return {}
        where = f"the last line {self.last!r}"
        try:
            row = json.loads(self.last)
        except ValueError:
            raise KdsearchError(f"expected JSON, came {where}") from None
        value = row if self.key is None else _inside(row, self.key)
        if value is None:
            raise KdsearchError(f"expected a number at the key {self.key!r}, came {where}")
        return {1: number(value, where)}


@dataclass
class Rows:
    """A JSON object a line; what is none is passed over, as log files have other lines too."""

    key: str
    epoch: str
    found: Points = field(default_factory=dict)
    _epochs: Epochs = field(default_factory=Epochs)

    def take(self, line: str) -> None:
        """The next line."""
        try:
            row = json.loads(line.removeprefix(_MARK))
        except ValueError:
            return
        value = _inside(row, self.key)
        if value is not None:
            self.found[_row_epoch(row, self.epoch, self._epochs, len(self.found))] = number(
                value, f"{self.key!r} in {line!r}"
            )

    def points(self, *, ended: bool) -> Points:
        """By epoch."""
        return self.found


@dataclass
class Table:
    """A CSV file with a header, which may be written anew while the command runs, as Lightning does."""

    path: Path
    column: str
    epoch: str
    _seen: tuple[int, int] = (0, 0)
    _points: Points = field(default_factory=dict)

    def so_far(self) -> Points:
        """Of whole rows, read again where the file has changed."""
        try:
            state = self.path.stat()
            if (state.st_size, state.st_mtime_ns) != self._seen:
                text = self.path.read_text("utf-8", "replace")
                self._points = self._read(text[: text.rfind("\n") + 1])[0]
                self._seen = (state.st_size, state.st_mtime_ns)
        except OSError:
            return {}
        return self._points

    def whole(self) -> Points:
        """Of all rows; ``KdsearchError`` where the header has no such column."""
        points, header = self._read(_content(self.path).decode("utf-8", "replace"))
        if header and self.column not in header:
            raise KdsearchError(
                f"expected a column {self.column!r} in {self.path.name}, its header has {', '.join(header)}"
            )
        return points

    def _read(self, text: str) -> tuple[Points, list[str]]:
        points: Points = {}
        epochs = Epochs()
        try:
            rows = csv.DictReader(io.StringIO(text.removeprefix(_MARK)), skipinitialspace=True)
            header = list(rows.fieldnames or ())
            for row in rows if self.column in header else ():
                value = (row[self.column] or "").strip()
                if value:
                    place = _row_epoch(row, self.epoch, epochs, len(points))
                    points[place] = number(value, f"{self.column!r} of {self.path.name}")
        except csv.Error as error:
            raise KdsearchError(f"{self.path.name} is no CSV file: {error}") from error
        return points, header


def _row_epoch(row: Mapping[str, Any], key: str, epochs: Epochs, so_far: int) -> int:
    value = _inside(row, key)
    return so_far + 1 if value in (None, "") else epochs.whole(value)


def _inside(row: Any, key: str) -> Any:
    """The value of a key; of ``a.b`` also that of b inside a."""
    if not isinstance(row, Mapping):
        return None
    if key in row:
        return row[key]
    first, _, rest = key.partition(".")
    return _inside(row.get(first), rest) if rest else None
