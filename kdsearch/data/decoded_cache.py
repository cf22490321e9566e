"""Clips or images decoded once into a ``.npy`` file that is mapped into memory: a set may be larger than memory is."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import write_bytes, write_whole
from kdsearch.errors import DataError

Pixels = NDArray[np.uint8]
Decode = Callable[[int], Pixels]
What = Literal["clips", "images"]
"""What is decoded: the folder below KDSEARCH_HOME, and the word in errors."""

_making = Lock()  # a lock on a file keeps other processes away, not other threads of this one
_CHECKED = 32  # rows whose sums are compared each time a file is opened: the whole of it would take a minute
_HEADERS = 256  # bytes of the two files besides their numbers


def decoded_once(what: What, name: str, shape: tuple[int, ...], decode: Decode) -> Pixels:
    """uint8 pixels of ``shape`` ``[N, ...]``, mapped read-only; ``decode(row)`` is asked where no file holds them.

    ``name`` tells the file: it must hold all that the pixels depend on. The file lies in the folder ``what`` below
    KDSEARCH_HOME and appears whole or not at all; processes and threads that want the same one wait for the first.
    Beside it lies a file with the CRC-32 of each row: a file of another length or shape, or in which one of 32 rows
    (the first, the last and some between) does not have its sum, is made anew. ``DataError`` where the disk does not
    take it, saying how many bytes and where.
    """
    # Imported where something is decoded: declaring data stays light.
    import fasteners

    from kdsearch import environment

    key = hashlib.sha256(f"{name} {shape}".encode()).hexdigest()[:24]
    path = environment.folder(what) / f"{key}.npy"
    held = _opened(path, shape)
    if held is None:
        with _making, fasteners.InterProcessLock(path.with_suffix(".lock")):
            held = _opened(path, shape)  # another process may have made it meanwhile
            if held is None:
                _make(path, shape, decode, what)
                held = _opened(path, shape)
    if held is None:
        raise DataError(
            f"{path}: expected the pixels just written; came others. Check the disk, or set {environment.HOME}."
        )
    return held


def _sums_file(path: Path) -> Path:
    return path.with_suffix(".crc32")


def _opened(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The pixels of a whole file, else None."""
    try:
        held: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        sums = np.fromfile(_sums_file(path), "<u4")
        length = path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError:
        raise  # a file that is there and cannot be read is no reason to decode for an hour
    except Exception:  # numpy raises many kinds for a damaged header
        return None
    if not isinstance(held, np.memmap):
        return None
    if (held.shape, held.dtype, length) != (shape, np.uint8, held.offset + held.nbytes) or len(sums) != shape[0]:
        return None
    rows = np.unique(np.linspace(0, shape[0] - 1, min(shape[0], _CHECKED)).round().astype(int))
    return held if all(zlib.crc32(held[row]) == sums[row] for row in rows) else None


def _make(path: Path, shape: tuple[int, ...], decode: Decode, what: What) -> None:
    # Left by a process that was killed (whoever writes holds the lock), and caches in the format of older releases.
    for left in (*path.parent.glob(f".{path.stem}.*"), *path.parent.glob("*.u8")):
        left.unlink(missing_ok=True)
    length = int(np.prod(shape)) + 4 * shape[0] + _HEADERS
    # Asked before an hour of decoding ends in a full disk.
    free = shutil.disk_usage(path.parent).free
    if free < length:
        raise _full(path, length, f"{free:,} free bytes", what)
    sums = np.empty(shape[0], dtype="<u4")

    def write(file: IO[bytes]) -> None:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for row, pixels in enumerate(_in_order(decode, shape[0])):
            if pixels.shape != shape[1:] or pixels.dtype != np.uint8:
                raise DataError(f"{what[:-1]} {row}: expected uint8 {shape[1:]}; came {pixels.dtype} {pixels.shape}.")
            content = pixels.tobytes()
            sums[row] = zlib.crc32(content)
            file.write(content)

    try:
        write_whole(path, write)
        write_bytes(_sums_file(path), sums.tobytes())
    except OSError as error:
        path.unlink(missing_ok=True)  # without its sums it would only take room
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path, length, str(error.strerror), what) from error
        raise DataError(f"{path}: expected to write decoded {what}; came: {error}. Mend it and start again.") from error


def _full(path: Path, length: int, came: str, what: What) -> DataError:
    return DataError(
        f"{path}: expected room for {length:,} bytes of decoded {what}; came {came}. Make room there, or set "
        "KDSEARCH_HOME to a folder on a larger disk."
    )


def _in_order(decode: Decode, count: int) -> Iterator[Pixels]:
    """All rows in order, read by as many threads as there are cores, some of them ahead but never all at once."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, count, 8 * threads):
            yield from pool.map(decode, range(first, min(first + 8 * threads, count)))
