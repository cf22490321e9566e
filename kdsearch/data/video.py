"""RGB frames of one clip from a video or a folder of images, resized and cut square."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import sample_uniform
from kdsearch.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = (".jpg", ".jpeg", ".png")


def centre_square(image: Image, size: int) -> NDArray[np.uint8]:
    """Pixels ``[size, size, 3]`` of the centre of an image whose shorter side is ``size * 8 / 7``: 128 for 112."""
    from PIL.Image import Resampling

    shorter = round(size * 8 / 7)
    scale = shorter / min(image.size)
    width, height = (max(shorter, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)


def read_clip(path: Path, count: int | None, size: int) -> NDArray[np.uint8]:
    """``count`` frames of a video or a folder of images by the uniform rule, or all: ``(T, size, size, 3)`` RGB.

    The shorter side becomes 8/7 of ``size`` and the centre is cut: at 112 it is the original's Resize(128, 171) and
    CenterCrop(112) for 320 x 240 pixels. ``DataError`` names a file that cannot be decoded.
    """
    images = _frames_of_folder(path, count) if path.is_dir() else _frames_of_video(path, count)
    return np.stack([centre_square(image, size) for image in images])


def count_frames(path: Path) -> int:
    """How many frames there are, by decoding all of a video; the first and the last image of a folder are read."""
    if path.is_dir():
        _frames_of_folder(path, 2)
        return len(frames_in(path))
    return len(_decoded(path))


def frames_in(folder: Path) -> list[Path]:
    """The images of a clip's folder in the order of the number in their names, then of the names."""

    def order(path: Path) -> tuple[int, str]:
        digits = path.stem[len(path.stem.rstrip("0123456789")) :]
        return int(digits or 0), path.name

    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.lower().endswith(IMAGES)]
    return sorted(found, key=order)


def open_image(file: Path | IO[bytes], what: object) -> Image:
    """An image file as RGB; ``DataError`` names ``what`` where it is none."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{what}: expected an image; came: {error}. Get it again.") from error


def _frames_of_folder(folder: Path, count: int | None) -> list[Image]:
    paths = frames_in(folder)
    if not paths:
        raise DataError(f"{folder}: expected frames as .jpg or .png; came none. Extract this video's frames again.")
    return [open_image(paths[i], paths[i]) for i in _chosen(len(paths), count)]


def _frames_of_video(path: Path, count: int | None) -> list[Image]:
    frames = _decoded(path)
    # A frame that is taken twice is converted twice: clips shorter than the count are few.
    return [frames[i].to_image() for i in _chosen(len(frames), count)]


def _chosen(length: int, count: int | None) -> Sequence[int]:
    return range(length) if count is None else sample_uniform(length, count)


def _decoded(path: Path) -> list[Any]:
    import av

    try:
        with av.open(str(path)) as container:
            # The threads of the pool that reads many clips are enough.
            container.streams.video[0].codec_context.thread_count = 1
            # Containers often state a wrong number of frames, so all are decoded; as the codec's planes (0.1 MB a frame
            # of 320 x 240, 0.2 GB the longest clip), since turning all of them into RGB takes as long as decoding.
            frames = list(container.decode(video=0))
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path}: expected a video; came: {error}. Unpack the official videos again.") from error
    if not frames:
        raise DataError(f"{path}: expected a video with frames; came one without. Unpack the official videos again.")
    return frames
