"""Images decoded once into a file of plain pixels, which is mapped into memory: a set may be larger than that."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch import settings
from kdsearch.data.images import PARTS
from kdsearch.data.images import Part
from kdsearch.data.images import Rows
from kdsearch.errors import DataError

_CHUNK = 256


def decode(content: bytes, size: int | None, what: str) -> NDArray[np.uint8]:
    """RGB pixels ``[3, H, W]`` of an image file's content; ``DataError`` names ``what`` where it is none.

    ``size``: the shorter side is scaled to ``size * 8 / 7`` (256 for 224, as ImageNet's networks are evaluated) and the
    centre of ``size`` x ``size`` is kept. ``None`` keeps the image as it is.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        if size is not None:
            scale = size * 8 / 7 / min(image.size)
            width, height = (max(size, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            left, top = (width - size) // 2, (height - size) // 2
            image = image.crop((left, top, left + size, top + size))
        return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{what} cannot be decoded: {error}. Get it again.") from error


def decoded_once(
    name: str, rows: Rows, shape: tuple[int, int, int], image: Callable[[Part, int], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Pixels ``[n, *shape]`` of these rows, mapped read-only; ``image(part, row)`` is asked where no file is there.

    ``name`` tells the file: it must hold all that the pixels of a row depend on. The file lies below the user's data
    directory (``KDSEARCH_HOME``), appears whole or not at all, and one of another length is made anew. ``DataError``
    where the disk does not take it.
    """
    wanted = [(part, int(row)) for part in PARTS for row in rows[part]]
    key = hashlib.sha256(f"{name} {shape}".encode())
    for part in PARTS:
        key.update(rows[part].tobytes() + b"|")
    path = settings.home() / "images" / f"{key.hexdigest()[:24]}.u8"
    length = len(wanted) * int(np.prod(shape))
    if not path.is_file() or path.stat().st_size != length:
        _write(path, wanted, shape, image)
    return np.memmap(path, np.uint8, "r", shape=(len(wanted), *shape))


def _write(
    path: Path,
    wanted: list[tuple[Part, int]],
    shape: tuple[int, int, int],
    image: Callable[[Part, int], NDArray[np.uint8]],
) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                for first in range(0, len(wanted), _CHUNK):  # not all at once: what waits to be written stays small
                    for pixels in pool.map(lambda place: image(*place), wanted[first : first + _CHUNK]):
                        if pixels.shape != shape:
                            raise DataError(f"expected images of {shape}, came one of {pixels.shape}; give a size.")
                        file.write(pixels.tobytes())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        gigabytes = len(wanted) * int(np.prod(shape)) / 2**30
        raise DataError(
            f"{path}: expected room for {gigabytes:.2f} GiB of decoded images; came: {error.strerror}. Make room, "
            f"or set {settings.HOME} to a larger disk."
        ) from error
