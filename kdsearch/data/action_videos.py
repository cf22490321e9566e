"""The frames of one clip of UCF101 or HMDB51: an .avi of up to 1,776 frames, or a folder of extracted ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.action_places import frames_in
from kdsearch.data.clips import sample_uniform
from kdsearch.data.videos import centre_square
from kdsearch.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def read_clip(path: Path, count: int, size: int) -> NDArray[np.uint8]:
    """``count`` frames by the uniform rule, ``(count, size, size, 3)`` RGB, resized and cut as JHMDB's.

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


def _frames_of_folder(folder: Path, count: int) -> list[Image]:
    from PIL import Image
    from PIL import UnidentifiedImageError

    paths = frames_in(folder)
    if not paths:
        raise DataError(f"{folder}: expected frames as .jpg; came none. Extract this video's frames again.")
    images = list[Image.Image]()
    for i in sample_uniform(len(paths), count):
        try:
            with Image.open(paths[i]) as image:
                images.append(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise DataError(
                f"{paths[i]}: expected an image; came: {error}. Extract this video's frames again."
            ) from error
    return images


def _frames_of_video(path: Path, count: int) -> list[Image]:
    frames = _decoded(path)
    # A frame that is taken twice is converted twice: clips shorter than the count are few.
    return [frames[i].to_image() for i in sample_uniform(len(frames), count)]


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
