"""Clips or images decoded once into a file of plain pixels, mapped into memory: a set may be larger than that."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import write_whole
from kdsearch.errors import DataError

What = Literal["clips", "images"]
"""What is decoded: the folder below KDSEARCH_HOME, and the word in errors."""

_making = Lock()  # a lock on a file keeps other processes away, not other threads of this one
_CHECKED = 32  # rows whose sums are compared each time a file is opened: the whole of it would take a minute
_HEAD = 64


def decoded_once(
    name: str, shape: tuple[int, ...], item: Callable[[int], NDArray[np.uint8]], what: What = "clips"
) -> NDArray[np.uint8]:
    """uint8 pixels of ``shape`` ``[N, ...]``, mapped read-only; ``item(row)`` is asked where no file holds them.

    ``name`` tells the file: it must hold all that the pixels depend on. The file lies in the folder ``what`` below
    KDSEARCH_HOME and appears whole or not at all; processes and threads that want the same one wait for the first. It
    is the pixels, a CRC-32 of each row as uint32, and 64 hex digits of name and shape: a file of another length or end,
    or in which one of 32 rows (the first, the last and some between) does not have its sum, is made anew. ``DataError``
    where the disk does not take it, saying how many bytes and where.
    """
    end = hashlib.sha256(f"{name} {shape}".encode()).hexdigest()
    import fasteners  # not above: the population benchmark runs from a bare copy, with torch, numpy and scipy alone

    from kdsearch import environment

    path = environment.home() / what / f"{end[:24]}.u8"
    held = _opened(path, shape, end)
    if held is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _making, fasteners.InterProcessLock(path.with_suffix(".lock")):
            held = _opened(path, shape, end)  # another process may have made it meanwhile
            if held is None:
                _make(path, shape, end, item, what)
                held = _opened(path, shape, end)
    if held is None:
        raise DataError(
            f"{path}: expected the pixels just written; came others. Check the disk, or set {environment.HOME}."
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


def _make(path: Path, shape: tuple[int, ...], end: str, item: Callable[[int], NDArray[np.uint8]], what: What) -> None:
    length = int(np.prod(shape)) + 4 * shape[0] + _HEAD
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)  # of a process that was killed: whoever writes holds the lock
    # Asked before an hour of decoding ends in a full disk.
    free = shutil.disk_usage(path.parent).free
    if free < length:
        raise _full(path, length, f"{free:,} free bytes", what)

    def write(file: IO[bytes]) -> None:
        sums = np.empty(shape[0], dtype="<u4")
        for row, pixels in enumerate(_in_order(item, shape[0])):
            if pixels.shape != shape[1:] or pixels.dtype != np.uint8:
                raise DataError(f"{what[:-1]} {row}: expected uint8 {shape[1:]}; came {pixels.dtype} {pixels.shape}.")
            content = pixels.tobytes()
            sums[row] = zlib.crc32(content)
            file.write(content)
        file.write(sums.tobytes() + end.encode())

    try:
        write_whole(path, write)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path, length, str(error.strerror), what) from error
        raise DataError(f"{path}: expected to write decoded {what}; came: {error}. Mend it and start again.") from error


def _full(path: Path, length: int, came: str, what: What) -> DataError:
    return DataError(
        f"{path}: expected room for {length:,} bytes of decoded {what}; came {came}. Make room there, or set "
        "KDSEARCH_HOME to a folder on a larger disk."
    )


def _in_order(item: Callable[[int], NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    """All rows in order, some of them read ahead by as many threads as there are cores."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        rows = iter(range(count))
        ahead = [pool.submit(item, row) for row in itertools.islice(rows, 2 * threads)]
        try:
            while ahead:
                done = ahead.pop(0).result()
                ahead += [pool.submit(item, row) for row in itertools.islice(rows, 1)]
                yield done
        finally:
            for future in ahead:
                future.cancel()
