"""Loading pretrained weights: safely, completely, or with an error that says what does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import DataError


def load_into(network: nn.Module, weights: str | Path, *, skip: tuple[str, ...] = ()) -> None:
    """Fill ``network`` from a checkpoint file, reading tensors only (``weights_only=True``).

    The file holds a ``state_dict``, alone or under the key ``state_dict`` as Hara's do, whose names may carry
    DataParallel's prefix ``module.``. Names that start with one of ``skip`` are left out on both sides. Raises
    :class:`~kdsearch.errors.DataError` where the file is missing, unreadable, or does not fit exactly.
    """
    path = Path(weights)
    if not path.is_file():
        raise DataError(f"pretrained weights: expected a file at {path}, found none; download it or leave weights out")
    state = {name: value for name, value in _read(path).items() if not name.startswith(skip or ("\0",))}
    own = {name: value for name, value in network.state_dict().items() if not name.startswith(skip or ("\0",))}
    # Checkpoints older than torch 0.4.1 lack the batch counters; only a momentum of None would read them.
    missing = sorted(n for n in own.keys() - state.keys() if not n.endswith("num_batches_tracked"))
    extra = sorted(state.keys() - own.keys())
    shapes = sorted(n for n in own.keys() & state.keys() if own[n].shape != state[n].shape)
    if missing or extra or shapes:
        wrong = [
            f"{label} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''} ({len(names)})"
            for label, names in (("missing", missing), ("unknown", extra), ("of another shape", shapes))
            if names
        ]
        raise DataError(f"{path} does not fit {type(network).__name__}: {'; '.join(wrong)}")
    network.load_state_dict(state, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """The ``state_dict`` in a checkpoint file, without the prefix ``module.``."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
        raise DataError(f"{path} is not a checkpoint that can be read safely: {error}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} holds no state_dict; expected tensors by name, alone or under the key 'state_dict'")
    return {name.removeprefix("module."): value for name, value in state.items()}
