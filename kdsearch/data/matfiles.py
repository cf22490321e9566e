"""The official MATLAB files of one clip: joints and person masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import DataError


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
