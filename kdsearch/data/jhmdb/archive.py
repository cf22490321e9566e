"""Packed archives: all clips of one modality in one .npz of plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from kdsearch.data.clips import ClipReader, ClipTable, Modality, check_table, sample_uniform
from kdsearch.data.files import Stamp, digest, read_npz, stamp
from kdsearch.errors import DataError

FILES: dict[Modality, str] = {
    "poses": "jhmdb_pose.npz",
    "masks": "jhmdb_masks_120x160.npz",
    "silhouettes": "jhmdb_silhouette32.npz",
}
_TABLE_KEYS = ("offsets", "label", "name", "split", "source_group", "classes")
DATA_KEY: dict[Modality, str] = {"poses": "frames", "masks": "packed", "silhouettes": "frames"}
_ADVICE = "Pack it again with `kdsearch data pack`, or download it again."
_FRAME_SHAPE: dict[Modality, tuple[int, ...]] = {"poses": (15, 2), "masks": (2400,), "silhouettes": (32, 32)}


@dataclass(frozen=True, eq=False)
class ArchiveReader(ClipReader):
    """Clips of a packed archive: clip i is ``data[offsets[i]:offsets[i + 1]]``; masks hold eight pixels a byte."""

    path: Path
    modality: Modality
    table: ClipTable
    offsets: NDArray[np.int64]

    @cached_property
    def data(self) -> NDArray[np.generic]:
        """All frames, unpacked when the first clip is asked for; shared by all who ask in this process."""
        key = DATA_KEY[self.modality]
        data: NDArray[np.generic] = read_npz(self.path, (key,))[key]
        _check_data(self.path, self.modality, data, self.offsets, len(self.table))
        data.setflags(write=False)
        return data

    @override
    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """``(T, 15, 2)`` float32, ``(T, 120, 160)`` uint8 of 0 and 1, or ``(T, 32, 32)`` uint8 of 0 to 15."""
        start, end = int(self.offsets[row]), int(self.offsets[row + 1])
        wanted = range(end - start) if count is None else sample_uniform(end - start, count)
        frames: NDArray[np.generic] = self.data[start + np.asarray(wanted)]
        if self.modality == "masks":
            return np.unpackbits(frames.astype(np.uint8), axis=1).reshape(-1, 120, 160)
        return frames

    @override
    def fingerprint(self) -> str:
        """Of the file's bytes. Its frames are read first, so that a damaged file has none and no study begins on it."""
        _ = self.data
        return digest(self.path)[:16]


def open_archive(path: Path, modality: Modality) -> ArchiveReader:
    """A packed archive, read once a process while the file does not change; its frames are not unpacked yet.

    ``DataError`` names the file when it is truncated, foreign, holds pickles or does not fit itself.
    """
    return _open(stamp(path), modality)


@lru_cache(maxsize=4)
def _open(key: Stamp, modality: Modality) -> ArchiveReader:
    path = Path(key[0])
    arrays = read_npz(path, _TABLE_KEYS)  # an .npz unpacks only the arrays that are asked for
    labels, splits, groups, offsets = (
        _whole(path, arrays, key) for key in ("label", "split", "source_group", "offsets")
    )
    classes, names = (tuple(str(name) for name in arrays[key]) for key in ("classes", "name"))
    table = ClipTable(classes, names, labels, splits, groups)
    check_table(table, path)
    for array in (labels, splits, groups, offsets):
        array.setflags(write=False)
    return ArchiveReader(path, modality, table, offsets)


def _whole(path: Path, arrays: dict[str, NDArray[np.generic]], key: str) -> NDArray[np.int64]:
    if not np.issubdtype(arrays[key].dtype, np.integer):
        raise DataError(f"{path}: expected whole numbers in {key}; came {arrays[key].dtype}. {_ADVICE}")
    return arrays[key].astype(np.int64)


def _check_data(
    path: Path, modality: Modality, data: NDArray[np.generic], offsets: NDArray[np.int64], clips: int
) -> None:
    key, shape = DATA_KEY[modality], _FRAME_SHAPE[modality]
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
