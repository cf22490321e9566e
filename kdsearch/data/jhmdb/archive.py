"""Packed archives: all clips of one modality in one .npz of plain arrays."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import Modality, Table, check_table, sample_uniform
from kdsearch.data.files import Stamp, digest, stamp
from kdsearch.errors import DataError

FILES: dict[Modality, str] = {
    "poses": "jhmdb_pose.npz",
    "masks": "jhmdb_masks_120x160.npz",
    "silhouettes": "jhmdb_silhouette32.npz",
}
_TABLE_KEYS = ("offsets", "label", "name", "split", "source_group", "classes")
_DATA_KEY: dict[Modality, str] = {"poses": "frames", "masks": "packed", "silhouettes": "frames"}
_ADVICE = "Pack it again with `kdsearch data pack`, or download it again."
_FRAME_SHAPE: dict[Modality, tuple[int, ...]] = {"poses": (15, 2), "masks": (2400,), "silhouettes": (32, 32)}


@dataclass(frozen=True, eq=False)
class ArchiveSource:
    """Clips of a packed archive: clip i is ``data[offsets[i]:offsets[i + 1]]``; masks hold eight pixels a byte."""

    path: Path
    modality: Modality
    table: Table
    offsets: NDArray[np.int64]
    data: NDArray[np.generic]

    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """``(T, 15, 2)`` float32, ``(T, 120, 160)`` uint8 of 0 and 1, or ``(T, 32, 32)`` uint8 of 0 to 15."""
        start, end = int(self.offsets[row]), int(self.offsets[row + 1])
        wanted = range(end - start) if count is None else sample_uniform(end - start, count)
        frames: NDArray[np.generic] = self.data[start + np.asarray(wanted)]
        if self.modality == "masks":
            return np.unpackbits(frames.astype(np.uint8), axis=1).reshape(-1, 120, 160)
        return frames

    def fingerprint(self) -> str:
        """Of the file's bytes."""
        return digest(self.path)[:16]


def open_archive(path: Path, modality: Modality) -> ArchiveSource:
    """Read a packed archive whole, once a process while the file does not change.

    ``DataError`` names the file when it is truncated, foreign, holds pickles or does not fit itself.
    """
    return _open(stamp(path), modality)


def open_archive_table(path: Path) -> Table:
    """The table of a packed archive alone; its frames are not unpacked. Errors as those of :func:`open_archive`."""
    return _open_table(stamp(path))[0]


@lru_cache(maxsize=4)
def _open(key: Stamp, modality: Modality) -> ArchiveSource:
    path = Path(key[0])
    table, offsets = _open_table(key)
    data = read_npz(path, (_DATA_KEY[modality],))[_DATA_KEY[modality]]
    _check_data(path, modality, data, offsets, len(table))
    data.setflags(write=False)  # The reading is shared by all who ask in this process.
    return ArchiveSource(path, modality, table, offsets, data)


@lru_cache(maxsize=8)
def _open_table(key: Stamp) -> tuple[Table, NDArray[np.int64]]:
    """The table and the clips' offsets; an .npz unpacks only the arrays that are asked for."""
    path = Path(key[0])
    arrays = read_npz(path, _TABLE_KEYS)
    table = Table(
        classes=tuple(str(name) for name in arrays["classes"]),
        names=tuple(str(name) for name in arrays["name"]),
        labels=_whole(path, arrays, "label"),
        splits=_whole(path, arrays, "split"),
        groups=_whole(path, arrays, "source_group"),
    )
    check_table(table, path)
    offsets = _whole(path, arrays, "offsets")
    for array in (offsets, table.labels, table.splits, table.groups):
        array.setflags(write=False)
    return table, offsets


def read_npz(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[np.generic]]:
    """The named arrays of an .npz, never unpickling; ``DataError`` for a damaged, foreign or unsafe file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        unsafe = [name for name in members if "/" in name or "\\" in name or ":" in name or ".." in name]
        if unsafe:
            raise DataError(f"{path}: expected plain array names; came {unsafe[0]!r}, a path. Do not use this file.")
        missing = [key for key in keys if f"{key}.npy" not in members]
        if missing:
            raise DataError(f"{path}: expected arrays {', '.join(keys)}; without {', '.join(missing)}. {_ADVICE}")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys}
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: expected a whole .npz archive; came a truncated or other file. {_ADVICE}") from error
    except (ValueError, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: expected plain numeric and text arrays; came: {error}. {_ADVICE}") from error


def _whole(path: Path, arrays: dict[str, NDArray[np.generic]], key: str) -> NDArray[np.int64]:
    if not np.issubdtype(arrays[key].dtype, np.integer):
        raise DataError(f"{path}: expected whole numbers in {key}; came {arrays[key].dtype}. {_ADVICE}")
    return arrays[key].astype(np.int64)


def _check_data(
    path: Path, modality: Modality, data: NDArray[np.generic], offsets: NDArray[np.int64], clips: int
) -> None:
    key, shape = _DATA_KEY[modality], _FRAME_SHAPE[modality]
    dtype = np.dtype(np.float32 if modality == "poses" else np.uint8)
    if data.shape[1:] != shape or data.dtype != dtype:
        raise DataError(
            f"{path}: expected {key} of shape (frames, {', '.join(map(str, shape))}), {dtype}; "
            f"came {data.shape}, {data.dtype}. {_ADVICE}"
        )
    fits = offsets.shape == (clips + 1,) and offsets[0] == 0 and offsets[-1] == len(data)
    if not fits or (np.diff(offsets) < 1).any():
        raise DataError(
            f"{path}: expected {clips + 1} rising offsets from 0 to {len(data)}; came {offsets.shape} "
            f"from {offsets[:1]} to {offsets[-1:]}, smallest step {np.diff(offsets).min(initial=0)}. {_ADVICE}"
        )
    if modality == "poses" and not np.isfinite(data).all():
        rows = np.flatnonzero(~np.isfinite(data).all(axis=(1, 2)))
        clip = int(np.searchsorted(offsets, rows[0], side="right")) - 1
        raise DataError(
            f"{path}: expected finite joints; came NaN or infinity in {len(rows)} frames, first in clip {clip}. "
            f"{_ADVICE}"
        )
