"""The official JHMDB files as downloaded: split lists, joint and mask .mat files, frame folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from kdsearch.data.clips import ClipReader, ClipTable, Modality, check_table, few, sample_uniform
from kdsearch.data.files import combined, digest
from kdsearch.data.jhmdb.names import CLASSES, source_of
from kdsearch.data.jhmdb.silhouettes import halve, silhouettes
from kdsearch.data.video import read_clip
from kdsearch.errors import DataError

FOLDERS: dict[Modality, tuple[str, ...]] = {
    "poses": ("joint_positions",),
    "masks": ("puppet_mask",),
    "silhouettes": ("puppet_mask",),
    "frames": ("Rename_Images", "ReCompress_Videos", "JHMDB_video/ReCompress_Videos"),
}
_LIST_NAME = re.compile(r"(.+)_test_split([123])\.txt")
_LIST_LINE = re.compile(r"(\S.*)\.avi\s+(-?\d+)")


def lists_folder(base: Path) -> Path | None:
    """The folder under ``base`` that holds the official split lists, if any."""
    for folder in (base / "splits", base / "splits" / "splits", base):
        if next(folder.glob("*_test_split1.txt"), None) is not None:
            return folder
    return None


def media_folder(base: Path, modality: Modality) -> Path | None:
    """The folder under ``base`` that holds the official files of a modality, if any."""
    return next((base / name for name in FOLDERS[modality] if (base / name).is_dir()), None)


def read_lists(folder: Path) -> ClipTable:
    """All clips named by ``<class>_test_split{1,2,3}.txt``, in the order of class and name.

    Lines read ``<video>.avi 1`` (train) or ``2`` (test). ``DataError`` names the list and line otherwise.
    """
    found: dict[str, dict[int, dict[str, int]]] = {}
    for path in sorted(folder.glob("*_test_split*.txt")):
        match = _LIST_NAME.fullmatch(path.name)
        if match is None or match.group(1) not in CLASSES:
            raise DataError(
                f"{path}: expected '<class>_test_split<1|2|3>.txt' with one of the 21 JHMDB classes; "
                "came another name. Move foreign lists (such as HMDB51's) out of the folder."
            )
        found.setdefault(match.group(1), {})[int(match.group(2))] = _read_list(path)
    rows = list[tuple[str, str, str, list[int]]]()
    for class_name in sorted(found):
        lists = found[class_name]
        if set(lists) != {1, 2, 3} or lists[1].keys() != lists[2].keys() or lists[1].keys() != lists[3].keys():
            raise DataError(
                f"{folder}: expected lists of the same videos for splits 1, 2 and 3 of class {class_name}; came splits "
                f"{sorted(lists)} with {[len(lists[s]) for s in sorted(lists)]} videos. "
                "Unpack the official splits again."
            )
        for name in sorted(lists[1]):
            parts = [lists[split][name] for split in (1, 2, 3)]
            rows.append((class_name, name, source_of(name, class_name), parts))
    if not rows:
        raise DataError(f"{folder}: expected official split lists with videos; came none. Unpack splits.zip there.")
    table = ClipTable.of(CLASSES, rows)
    check_table(table, folder)
    return table


def _read_list(path: Path) -> dict[str, int]:
    members: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        match = _LIST_LINE.fullmatch(line.strip())
        if match is None or match.group(2) not in ("1", "2") or match.group(1) in members:
            raise DataError(
                f"{path}, line {number}: expected '<video>.avi 1' (train) or '<video>.avi 2' (test), each video once; "
                f"came {line.strip()[:120]!r}. Unpack the official splits again (0 marks unused clips in HMDB51 lists)."
            )
        members[match.group(1)] = int(match.group(2))
    return members


@dataclass(frozen=True, eq=False)
class OfficialReader(ClipReader):
    """Clips of the official files; each is read when asked for, so packing pays for everything but frames."""

    folder: Path
    modality: Modality
    table: ClipTable
    size: int = 112

    @cached_property
    def paths(self) -> list[Path]:
        """The file or folder of each clip; ``DataError`` counts and names the videos that are listed but missing."""
        classes = [self.table.classes[label] for label in self.table.labels]
        names = list(zip(classes, self.table.names, strict=True))
        found = [_file(self.folder / class_name, video, self.modality) for class_name, video in names]
        missing = [f"{c}/{video}" for (c, video), path in zip(names, found, strict=True) if path is None]
        if missing:
            raise DataError(
                f"{self.folder}: expected {self.modality} of all {len(names)} videos that the lists name; "
                f"{len(missing)} are missing: {few(missing)}. Unpack the official archive again."
            )
        return [path for path in found if path is not None]

    @override
    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """Poses ``(T, 15, 2)``, masks ``(T, 120, 160)``, silhouettes ``(T, 32, 32)``, frames ``(T, size, size, 3)``."""
        path = self.paths[row]
        if self.modality == "frames":
            return read_clip(path, count, self.size)
        whole: NDArray[np.generic]
        if self.modality == "poses":
            whole = read_joints(path)
        elif self.modality == "masks":
            whole = halve(read_masks(path))
        else:
            whole = silhouettes(read_masks(path))[0]
        return whole if count is None else whole[sample_uniform(len(whole), count)]

    @override
    def fingerprint(self) -> str:
        """Of the lists and every file's content; of frame folders: all names and sizes, the first frame's bytes."""
        table = [f"{n} {s.tolist()}" for n, s in zip(self.table.names, self.table.splits, strict=True)]
        return combined([*table, *(_content(path) for path in self.paths)])


def _content(path: Path) -> str:
    if path.is_file():
        return digest(path)
    frames = sorted(path.glob("*.png"))
    # All of the 31,838 frames are gigabytes; PNG sizes change with their content nearly always.
    return combined([digest(frames[0]), *(f"{frame.name} {frame.stat().st_size}" for frame in frames)])


def open_official(base: Path, modality: Modality, size: int = 112) -> OfficialReader:
    """The official files under ``base`` as the split lists name them; ``DataError`` where lists or files are absent."""
    lists, folder = lists_folder(base), media_folder(base, modality)
    if lists is None or folder is None:
        wanted = f"{FOLDERS[modality][0]}/<class>/<video> and splits/<class>_test_split1.txt"
        raise DataError(f"{base}: expected the official {wanted}; came only one of them or none. Unpack both there.")
    return OfficialReader(folder, modality, read_lists(lists), size)


def _file(folder: Path, video: str, modality: Modality) -> Path | None:
    """A video's file of a modality, or the folder of its frames; None where there is none."""
    images = folder / video
    if modality != "frames":
        path = images / f"{FOLDERS[modality][0]}.mat"  # joint_positions.mat in joint_positions
    elif next(images.glob("*.png"), None) is not None:
        return images
    else:
        path = folder / f"{video}.avi"
    return path if path.is_file() else None


def read_joints(path: Path) -> NDArray[np.float32]:
    """``pos_world`` of a joint_positions.mat, ``(T, 15, 2)`` in body scales around the image's centre."""
    joints = _read(path, "pos_world")
    if joints.ndim != 3 or joints.shape[:2] != (2, 15) or joints.shape[2] < 1:
        raise DataError(f"{path}: expected pos_world of shape (2, 15, frames); came {joints.shape}. Unpack it again.")
    if not np.isfinite(joints).all():
        raise DataError(f"{path}: expected finite joints in pos_world; came NaN or infinity. Unpack it again.")
    return np.ascontiguousarray(joints.transpose(2, 1, 0), dtype=np.float32)


def read_masks(path: Path) -> NDArray[np.bool_]:
    """``part_mask`` of a puppet_mask.mat, ``(T, 240, 320)``, true on the person."""
    masks = _read(path, "part_mask")
    if masks.ndim == 2:
        masks = masks[:, :, None]  # MATLAB drops the last axis of a single frame.
    if masks.ndim != 3 or masks.shape[:2] != (240, 320):
        raise DataError(f"{path}: expected part_mask of shape (240, 320, frames); came {masks.shape}. Unpack it again.")
    return np.ascontiguousarray(masks.transpose(2, 0, 1) != 0)


def _read(path: Path, key: str) -> NDArray[np.generic]:
    import scipy.io

    try:
        found = scipy.io.loadmat(path, variable_names=[key])
    except Exception as error:  # scipy raises nearly anything on damaged bytes
        raise DataError(f"{path}: expected a MATLAB 5 .mat file; came: {error}. Unpack it again.") from error
    if key not in found:
        keys = [name for name, _, _ in scipy.io.whosmat(path)]
        raise DataError(f"{path}: expected the variable {key}; came {keys}. Is this the right archive of JHMDB?")
    array: NDArray[np.generic] = np.asarray(found[key])
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: expected numbers in {key}; came {array.dtype}. Unpack it again.")
    return array
