"""From an image file's content to pixels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.videos import centre_square
from kdsearch.errors import DataError


def decode(content: bytes, size: int | None, what: str) -> NDArray[np.uint8]:
    """RGB pixels ``[3, H, W]`` of an image file's content; ``DataError`` names ``what`` where it is none.

    ``size``: the shorter side is scaled to ``size * 8 / 7`` (256 for 224, as ImageNet's networks are evaluated) and the
    centre of ``size`` x ``size`` is kept. ``None`` keeps the image as it is. A change here is a change of
    ``image_cache._DECODING``.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        pixels = np.asarray(image) if size is None else centre_square(image, size)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{what} cannot be decoded: {error}. Get it again.") from error
