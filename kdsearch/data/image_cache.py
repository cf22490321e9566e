"""Images decoded once into a file of plain pixels that is mapped into memory: a set may be larger than that."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import write_whole
from kdsearch.data.images import PARTS
from kdsearch.data.images import Part
from kdsearch.data.images import Rows
from kdsearch.errors import DataError

Shape = tuple[int, int, int]
Wanted = list[tuple[Part, int]]

FOLDER = "images"
# Raise it with every change of how a file becomes pixels: files of decoded images are named by it.
_DECODING = 1
_CHECKED = 32  # images whose sums are compared each time a file is opened: the whole of it would take minutes
_HEAD = 64
_CHUNK = 256  # images decoded ahead of being written: what waits stays small
_making = Lock()  # a lock on a file keeps other processes away, not other threads of this one


def decoded_once(
    name: str, rows: Rows, shape: Shape, image: Callable[[Part, int], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """uint8 pixels ``[n, *shape]`` of these rows, mapped read-only; ``image(part, row)`` is asked where no file is.

    ``name`` tells the file: it must hold all that the pixels of a row depend on. The file lies in ``images`` below
    KDSEARCH_HOME and appears whole or not at all; processes that want the same one wait for the first. It is the
    pixels, a CRC-32 of each image as uint32, and 64 hex digits of name, rows and shape: a file of another length or
    end, or in which one of 32 images (the first, the last and some between) does not have its sum, is made anew.
    ``DataError`` where the disk does not take it, saying how many bytes and where.
    """
    import fasteners  # not above: the population benchmark runs from a bare copy, with torch, numpy and scipy alone

    from kdsearch import settings

    wanted: Wanted = [(part, int(row)) for part in PARTS for row in rows[part]]
    key = hashlib.sha256(f"{_DECODING} {name} {shape}".encode())
    for part in PARTS:
        key.update(rows[part].tobytes() + b"|")
    end, whole = key.hexdigest(), (len(wanted), *shape)
    path = settings.home() / FOLDER / f"{end[:24]}.u8"
    held = _opened(path, whole, end)
    if held is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _making, fasteners.InterProcessLock(path.with_suffix(".lock")):
            held = _opened(path, whole, end)  # another process may have made it meanwhile
            if held is None:
                _make(path, wanted, shape, end, image)
                held = _opened(path, whole, end)
    if held is None:
        raise DataError(
            f"{path}: expected the pixels just written; came others. Check the disk, or set {settings.HOME}."
        )
    return held


def _opened(path: Path, shape: tuple[int, ...], end: str) -> NDArray[np.uint8] | None:
    pixels, count = int(np.prod(shape)), shape[0]
    try:
        if path.stat().st_size != pixels + 4 * count + _HEAD:
            return None
        with open(path, "rb") as file:
            file.seek(pixels)
            sums = np.frombuffer(file.read(4 * count), dtype="<u4")
            if file.read(_HEAD) != end.encode():
                return None
    except FileNotFoundError:
        return None
    held = np.memmap(path, np.uint8, "r", shape=shape)
    rows = np.unique(np.linspace(0, count - 1, min(count, _CHECKED)).round().astype(int))
    return held if all(zlib.crc32(held[row]) == sums[row] for row in rows) else None


def _make(path: Path, wanted: Wanted, shape: Shape, end: str, image: Callable[[Part, int], NDArray[np.uint8]]) -> None:
    length = len(wanted) * (int(np.prod(shape)) + 4) + _HEAD
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)  # of a process that was killed: whoever writes holds the lock
    # Asked before an hour of decoding ends in a full disk.
    free = shutil.disk_usage(path.parent).free
    if free < length:
        raise _full(path, length, f"{free:,} free bytes")

    def write(file: IO[bytes]) -> None:
        sums = np.empty(len(wanted), dtype="<u4")
        with ThreadPoolExecutor(_threads()) as pool:
            for first in range(0, len(wanted), _CHUNK):
                chunk = wanted[first : first + _CHUNK]
                for place, pixels in enumerate(pool.map(lambda place: image(*place), chunk), first):
                    if pixels.shape != shape or pixels.dtype != np.uint8:
                        part, row = wanted[place]
                        came = f"{pixels.dtype} {pixels.shape}"
                        raise DataError(f"{part} image {row}: expected uint8 {shape}; came {came}. Get it again.")
                    content = pixels.tobytes()
                    sums[place] = zlib.crc32(content)
                    file.write(content)
        file.write(sums.tobytes() + end.encode())

    try:
        write_whole(path, write)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path, length, str(error.strerror)) from error
        raise DataError(f"{path}: expected to write decoded images; came: {error}. Mend it and start again.") from error


def _full(path: Path, length: int, came: str) -> DataError:
    return DataError(
        f"{path}: expected room for {length:,} bytes of decoded images; came {came}. Make room there, or set "
        "KDSEARCH_HOME to a folder on a larger disk."
    )


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
