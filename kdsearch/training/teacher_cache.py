"""Outputs of frozen teachers for every clip or view: computed once, exactly, and kept."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from kdsearch.training.steppers import Outputs, forward_all

Key = TypeVar("Key")
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """The ``size`` values that were used last, each made once."""

    def __init__(self, size: int = 8) -> None:
        self.size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of ``key``: kept, else made and kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = make()
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()


@dataclass(frozen=True)
class CacheKey:
    """All that a frozen network's outputs depend on: its weights, itself, the data, how they are shown, the device.

    ``inputs``: frames or views, precision, and which clips are cached. The mode is no part of it: only evaluation mode
    can be cached, since in train mode batch norm makes a clip's output depend on its batch.
    """

    weights: str
    network: str
    data: str
    inputs: str
    device: str


@dataclass(frozen=True, eq=False)
class CachedTeacher:
    """A teacher whose ``outputs`` for all clips, a named tuple of ``[N, ...]``, are kept."""

    outputs: Outputs

    def __call__(self, clips: Tensor) -> Outputs:
        """Its outputs for clips ``[...]``."""
        return type(self.outputs)(*(value[clips] for value in self.outputs))


def outputs_of_all(teacher: nn.Module, inputs: Tensor) -> Outputs:
    """Outputs of ``teacher`` in evaluation mode for every clip of ``inputs`` ``[N, ...]``, without a graph."""
    outputs = forward_all(teacher, inputs, torch.arange(len(inputs), device=inputs.device))
    # Inference tensors cannot take part in autograd; the student's loss does.
    return type(outputs)(*(value.clone() for value in outputs))


SHARE = 0.1
"""Of a device's free memory. Where a table would be larger the network runs for each batch, at its own cost."""

TABLES_SHARE = 0.3
"""Of the memory that is free or in tables: what all tables may take, as where each seed has a teacher of its own."""


class Space(NamedTuple):
    """The samples of a table: ``clips`` ascending, each in ``views`` views; see ``kdsearch.training.feeds``."""

    clips: Tensor
    views: int


class ViewCache:
    """Logits ``[..., C]`` for samples ``[...]`` from a table that is filled on first use.

    ``compute(samples [n])`` gives the logits ``[n, C]`` of the frozen network in evaluation mode, where a sample's row
    depends on nothing else in its batch but rounding. One look at the device a batch shows what is not yet there, until
    all is. ``limit``: bytes that the table may take, in place of shares of the free memory.
    """

    def __init__(
        self, compute: Callable[[Tensor], Tensor], space: Space, classes: int, limit: float | None = None
    ) -> None:
        self.compute = compute
        self.space = space
        rows, device = len(space.clips) * space.views, space.clips.device
        self.kept = rows * classes * 4 <= (_room(device) if limit is None else limit)
        self.known = torch.zeros(rows if self.kept else 0, dtype=torch.bool, device=device)
        # Filled, so that the memory is taken now: what is left decides whether another table is kept.
        self.table = torch.full((rows if self.kept else 0, classes), torch.nan, device=device)
        self.left = rows
        _LIVE.add(self)

    def __call__(self, samples: Tensor) -> Tensor:
        """The network's logits, float32."""
        flat = samples.flatten()
        if not self.kept:
            return self.compute(flat).view(*samples.shape, -1)
        rows = self._rows(flat)
        new = torch.unique(rows[~self.known[rows]]) if self.left else rows[:0]
        if len(new):
            views = self.space.views
            self.table[new] = self.compute(self.space.clips[new // views] * views + new % views)
            self.known[new] = True
            self.left -= len(new)
        return self.table[rows].view(*samples.shape, -1)

    def _rows(self, samples: Tensor) -> Tensor:
        views = self.space.views
        clips = samples // views
        row = torch.searchsorted(self.space.clips, clips).clamp(max=len(self.space.clips) - 1)
        if self.left and not bool((self.space.clips[row] == clips).all()):
            raise ValueError("a frozen network was given clips that are not among those it was made for")
        return row * views + samples % views


_LIVE: weakref.WeakSet[ViewCache] = weakref.WeakSet()


def _room(device: torch.device) -> float:
    """Bytes that one more table may take."""
    free = free_memory(device)
    tables = sum(cache.table.nbytes for cache in _LIVE if cache.table.device.type == device.type)
    return min(SHARE * free, TABLES_SHARE * (free + tables) - tables)


def free_memory(device: torch.device) -> int:
    """Bytes that a device, or the host, has left at the moment."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil  # here, for the machine that times populations may not have it

    return int(psutil.virtual_memory().available)


def concatenated(sources: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Several networks' logits side by side, ``[..., sum of C]``."""
    return lambda samples: torch.cat([source(samples) for source in sources], -1)
