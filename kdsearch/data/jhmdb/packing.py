"""Official files in, one packed archive out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import Modality
from kdsearch.data.files import write_whole
from kdsearch.data.jhmdb.archive import DATA_KEY, FILES
from kdsearch.data.jhmdb.locate import bases
from kdsearch.data.jhmdb.names import JOINTS
from kdsearch.data.jhmdb.official import OfficialReader, media_folder, open_official, read_masks
from kdsearch.data.jhmdb.silhouettes import silhouettes
from kdsearch.errors import DataError


def pack(root: Path, destination: Path, modality: Modality) -> Path:
    """Write the official files of ``modality`` under ``root`` as one archive and return its path.

    ``destination`` is a folder, or the path of an .npz. The file appears whole or not at all. Frames stay as they are.
    """
    if modality not in FILES:
        raise DataError(
            f"modality {modality!r}: expected one of {', '.join(FILES)}; frames are read from their folders."
        )
    base = next((base for base in bases(root) if media_folder(base, modality)), None)
    reader = open_official(root if base is None else base, modality)
    path = destination if destination.suffix == ".npz" else destination / FILES[modality]
    arrays = _arrays(reader)
    return write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def _arrays(reader: OfficialReader) -> dict[str, NDArray[np.generic]]:
    table = reader.table
    arrays = {
        "label": table.labels.astype(np.uint8),
        "name": np.array(table.names),
        "split": table.splits.astype(np.uint8),
        "source_group": table.groups.astype(np.int32),
        "classes": np.array(table.classes),
    }
    if reader.modality == "silhouettes":
        pairs = [silhouettes(read_masks(path)) for path in reader.paths]
        clips: list[NDArray[np.generic]] = [frames for frames, _ in pairs]
        arrays["bbox_xyxy"] = np.concatenate([found for _, found in pairs])
    elif reader.modality == "masks":
        # Bits are packed clip by clip: all masks as bytes would be half a gigabyte.
        clips = [_bits(reader.clip(row, None)) for row in range(len(table))]
        arrays["shape_hw"] = np.array([120, 160], dtype=np.int64)
    else:
        clips = [reader.clip(row, None) for row in range(len(table))]
        arrays["joints"] = np.array(JOINTS)
        arrays["mask_index"] = np.arange(len(table), dtype=np.int32)
        # Names come from the files themselves, so they are certain.
        arrays["name_match_margin"] = np.full(len(table), np.inf, dtype=np.float32)
    offsets = np.cumsum([0, *map(len, clips)]).astype(np.int32)
    return arrays | {"offsets": offsets, DATA_KEY[reader.modality]: np.concatenate(clips)}


def _bits(masks: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.packbits(masks.reshape(len(masks), -1).astype(np.uint8), axis=1)
