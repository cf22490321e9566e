"""Files that are whole or absent: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tempfile
import warnings
import zipfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch


def save_atomically(content: Any, path: Path) -> None:
    """Write what ``torch.load(weights_only=True)`` can read; a reader never sees half a file.

    Serialised in memory first, so that a full disk is Python's ``OSError`` with its number and file name rather than
    an error of torch's archive writer. The temporary file is removed then, and an older file stays as it was.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name)
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}", str(path)) from error


_UNREADABLE = (
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    struct.error,
)
"""What torch raises of a file that is none of its own, or only a part of one."""


_ARCHIVE = b"PK\x03\x04"
"""How torch's archives begin."""


def load_safely(path: Path) -> Any | None:
    """The content of ``path``, tensors and plain values only; ``None``, with a warning, where it is no such file.

    A missing file is ``None`` without a warning.
    """
    try:
        _check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (*_UNREADABLE, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        warnings.warn(f"{path} cannot be read and is ignored ({reason})", stacklevel=2)
        return None


def _check_sums(path: Path) -> None:
    """Raise ``ValueError`` where a part of torch's archive is not what its checksum says: torch does not look.

    Of an archive that is cut short torch raises an ``OSError``, as the system does where a disk or a limit is at fault.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                raise ValueError("it is cut short")
        return  # torch says what it is
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} is damaged")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
