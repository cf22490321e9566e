"""RGB frames of one clip from a folder of PNG files or an .avi, resized and cut square."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import sample_uniform
from kdsearch.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def read_video(path: Path, count: int | None, size: int) -> NDArray[np.uint8]:
    """``count`` frames by the uniform rule (``None``: all), ``(T, size, size, 3)`` RGB.

    The shorter side is resized to 8/7 of ``size`` and the centre cut: 128 and 112 as in the seed document.
    """
    return _read_avi(path, count, size) if path.is_file() else _read_folder(path, count, size)


def _read_folder(folder: Path, count: int | None, size: int) -> NDArray[np.uint8]:
    from PIL import Image
    from PIL import UnidentifiedImageError

    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise DataError(f"{folder}: expected PNG frames; came none. Unpack Rename_Images again.")
    wanted = range(len(paths)) if count is None else sample_uniform(len(paths), count)
    frames = list[NDArray[np.uint8]]()
    for i in wanted:
        try:
            with Image.open(paths[i]) as image:
                frames.append(centre_square(image.convert("RGB"), size))
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise DataError(f"{paths[i]}: expected a PNG image; came: {error}. Unpack Rename_Images again.") from error
    return np.stack(frames)


def _read_avi(path: Path, count: int | None, size: int) -> NDArray[np.uint8]:
    import av

    try:
        with av.open(str(path)) as container:
            # Containers often state a wrong number of frames, so the clip (40 frames at most) is decoded whole.
            images = [frame.to_image() for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path}: expected a video; came: {error}. Unpack the official videos again.") from error
    if not images:
        raise DataError(f"{path}: expected a video with frames; came one without. Unpack the official videos again.")
    wanted = range(len(images)) if count is None else sample_uniform(len(images), count)
    return np.stack([centre_square(images[i], size) for i in wanted])


def centre_square(image: Image, size: int) -> NDArray[np.uint8]:
    """Pixels ``[size, size, 3]`` of the centre of an image whose shorter side is ``size * 8 / 7``: 128 for 112."""
    from PIL.Image import Resampling

    shorter = round(size * 8 / 7)
    scale = shorter / min(image.size)
    width, height = (max(shorter, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)
