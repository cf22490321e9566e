"""Clips decoded once into a file of plain pixels that is mapped into memory: UCF101 at 32 frames is 16 GB."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import write_whole
from kdsearch.errors import DataError

Shape = tuple[int, int, int, int, int]

FOLDER = "clips"
_CHECKED = 32  # clips whose sums are compared each time a file is opened: the whole of it would take a minute
_HEAD = 64


def decoded_once(name: str, shape: Shape, clip: Callable[[int], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """uint8 pixels of ``shape`` ``[N, T, H, W, 3]``, mapped read-only; ``clip(row)`` is asked where no file holds them.

    ``name`` tells the file: it must hold all that the pixels depend on. The file lies in ``clips`` below KDSEARCH_HOME
    and appears whole or not at all; processes that want the same one wait for the first. It is the pixels, a CRC-32 of
    each clip as uint32, and 64 hex digits of name and shape: a file of another length or end, or in which one of 32
    clips (the first, the last and some between) does not have its sum, is made anew. ``DataError`` where the disk does
    not take it, saying how many bytes and where.
    """
    end = hashlib.sha256(f"{name} {shape}".encode()).hexdigest()
    import fasteners  # not above: the population benchmark runs from a bare copy, with torch, numpy and scipy alone

    from kdsearch import settings

    path = settings.home() / FOLDER / f"{end[:24]}.u8"
    held = _opened(path, shape, end)
    if held is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fasteners.InterProcessLock(path.with_suffix(".lock")):
            held = _opened(path, shape, end)  # another process may have made it meanwhile
            if held is None:
                _make(path, shape, end, clip)
                held = _opened(path, shape, end)
    if held is None:
        raise DataError(
            f"{path}: expected the pixels just written; came others. Check the disk, or set {settings.HOME}."
        )
    return held


def _opened(path: Path, shape: Shape, end: str) -> NDArray[np.uint8] | None:
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


def _make(path: Path, shape: Shape, end: str, clip: Callable[[int], NDArray[np.uint8]]) -> None:
    length = int(np.prod(shape)) + 4 * shape[0] + _HEAD
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)  # of a process that was killed: whoever writes holds the lock
    # Asked before an hour of decoding ends in a full disk.
    free = shutil.disk_usage(path.parent).free
    if free < length:
        raise _full(path, length, f"{free:,} free bytes")

    def write(file: IO[bytes]) -> None:
        sums = np.empty(shape[0], dtype="<u4")
        for row, pixels in enumerate(_in_order(clip, shape[0])):
            if pixels.shape != shape[1:] or pixels.dtype != np.uint8:
                raise DataError(f"clip {row}: expected uint8 {shape[1:]}; came {pixels.dtype} {pixels.shape}.")
            content = pixels.tobytes()
            sums[row] = zlib.crc32(content)
            file.write(content)
        file.write(sums.tobytes() + end.encode())

    try:
        write_whole(path, write)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path, length, str(error.strerror)) from error
        raise DataError(f"{path}: expected to write decoded clips; came: {error}. Mend it and start again.") from error


def _full(path: Path, length: int, came: str) -> DataError:
    return DataError(
        f"{path}: expected room for {length:,} bytes of decoded clips; came {came}. Make room there, or set "
        "KDSEARCH_HOME to a folder on a larger disk."
    )


def _in_order(clip: Callable[[int], NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    """All clips in order, some of them read ahead by as many threads as there are cores."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        rows = iter(range(count))
        ahead = [pool.submit(clip, row) for row in itertools.islice(rows, 2 * threads)]
        try:
            while ahead:
                done = ahead.pop(0).result()
                ahead += [pool.submit(clip, row) for row in itertools.islice(rows, 1)]
                yield done
        finally:
            for future in ahead:
                future.cancel()
