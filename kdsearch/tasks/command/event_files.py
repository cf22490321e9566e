"""Scalars of TensorBoard's event files."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdsearch.errors import KdsearchError

_HEADER, _CHECK = 12, 4
"""Bytes of a record's length with its checksum, and of the checksum behind its content."""


@dataclass
class Scalars:
    """One scalar in all event files of a folder and of those below it; later files go before earlier ones."""

    folder: Path
    tag: str
    _points: dict[int, float] = field(default_factory=dict)
    _seen: dict[Path, int] = field(default_factory=dict)

    def so_far(self) -> dict[int, float]:
        """Step to value, as far as whole records have been written."""
        try:
            files = self._files()
            sizes = {path: path.stat().st_size for path in files}
            if sizes != self._seen:
                self._points, self._seen = self._read(files)[0], sizes
        except OSError:  # one has just been moved
            pass
        return self._points

    def whole(self) -> dict[int, float]:
        """All of it; ``KdsearchError`` where the files have other tags alone, or the tag is in several folders."""
        points, tags, folders = self._read(self._files())
        if len(folders) > 1:
            named = ", ".join(str(path.relative_to(self.folder)) for path in sorted(folders))
            raise KdsearchError(f"the scalar {self.tag!r} is in several folders, {named}: name one of them")
        if tags and not points:
            raise KdsearchError(f"expected a scalar {self.tag!r}, the event files have {', '.join(sorted(tags))}")
        return points

    def _files(self) -> list[Path]:
        return sorted(self.folder.rglob("*tfevents*"), key=lambda path: (path.stat().st_mtime_ns, path))

    def _read(self, files: Sequence[Path]) -> tuple[dict[int, float], set[str], set[Path]]:
        """The scalar's values, the tags that there are, and the folders that have this one."""
        points, tags, folders = dict[int, float](), set[str](), set[Path]()
        for path in files:
            for event in _events(path):
                for value in event.summary.value:
                    tags.add(value.tag)
                    if value.tag == self.tag:
                        points[int(event.step)] = _scalar(value)
                        folders.add(path.parent)
        return points, tags, folders


def _events(path: Path) -> Iterator[Any]:
    """Records of an event file: length (8 bytes), its checksum (4), content, its checksum (4)."""
    try:
        from tensorboardX.proto.event_pb2 import Event
    except ImportError as error:
        raise KdsearchError("event files of TensorBoard need a package: pip install tensorboardX") from error
    content, at = path.read_bytes(), 0
    while at + _HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        begin, end = at + _HEADER, at + _HEADER + length
        if end + _CHECK > len(content):
            return  # it is being written
        event = Event()
        try:
            event.ParseFromString(content[begin:end])
        except Exception as error:  # of protobuf, by a name of its own
            raise KdsearchError(f"{path.name} is damaged at byte {at}: {error}") from error
        yield event
        at = end + _CHECK


def _scalar(value: Any) -> float:
    """The number of a summary's value, in the field of TensorFlow 1 or in the tensor of TensorFlow 2."""
    if value.WhichOneof("value") != "tensor":
        return float(value.simple_value)
    tensor = value.tensor
    if tensor.float_val:
        return float(tensor.float_val[0])
    if tensor.double_val:
        return float(tensor.double_val[0])
    form = {1: "<f", 2: "<d"}.get(tensor.dtype)
    if form is None or len(tensor.tensor_content) != struct.calcsize(form):
        raise KdsearchError(f"expected one number at {value.tag!r}, came a tensor of another kind")
    return float(struct.unpack(form, tensor.tensor_content)[0])
