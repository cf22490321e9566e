"""What a frozen teacher says about every clip or view: computed once, exactly, and kept."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from kdsearch.training.steppers import forward_all

Key = TypeVar("Key")
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """The ``size`` values that were asked for last, each made once."""

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


class TeacherOutputs(NamedTuple):
    """``codes`` ``[N, bits]`` and ``logits`` ``[N, classes]`` of all clips, without a graph."""

    codes: Tensor
    logits: Tensor


@dataclass(frozen=True)
class CacheKey:
    """All that the outputs depend on: weights, data, preprocessing (network and frames), precision and device.

    The mode is no part of it: only evaluation mode can be cached, since in train mode batch norm makes a clip's output
    depend on its batch.
    """

    weights: str
    data: str
    network: str
    frames: int
    dtype: str
    device: str


@dataclass(frozen=True, eq=False)
class CachedTeacher:
    """A teacher that answers from its kept ``outputs`` of all clips."""

    outputs: TeacherOutputs

    def __call__(self, clips: Tensor) -> TeacherOutputs:
        """What it says of clips ``[...]``."""
        return TeacherOutputs(self.outputs.codes[clips], self.outputs.logits[clips])


def teacher_outputs(teacher: nn.Module, inputs: Tensor) -> TeacherOutputs:
    """Outputs of ``teacher`` in evaluation mode for every clip of ``inputs`` ``[N, ...]``."""
    codes, logits = forward_all(teacher, inputs, torch.arange(len(inputs), device=inputs.device))
    # Inference tensors cannot take part in autograd; the student's loss does.
    return TeacherOutputs(codes.clone(), logits.clone())


SHARE = 0.1
"""Of a device's free memory. Where a table would be larger the network is asked for each batch, at its own cost."""

TOGETHER = 0.3
"""Of the memory that is free or in tables: what all tables may take, as where each seed has a teacher of its own."""


class Space(NamedTuple):
    """Samples that may be asked for: ``clips`` ascending, each in ``views`` views; see ``kdsearch.training.feeds``."""

    clips: Tensor
    views: int


class ViewCache:
    """Answers ``[..., C]`` for samples ``[...]`` from a table that is filled on first use.

    ``ask(samples [n])`` gives the logits ``[n, C]`` of the frozen network in evaluation mode, where a sample's answer
    depends on nothing else in its batch but rounding. A look at the device a batch tells what is not yet there, until
    all is. ``limit``: bytes that the table may take, in place of shares of the free memory.
    """

    def __init__(self, ask: Callable[[Tensor], Tensor], space: Space, classes: int, limit: float | None = None) -> None:
        self.ask = ask
        self.space = space
        rows, device = len(space.clips) * space.views, space.clips.device
        self.kept = rows * classes * 4 <= (_room(device) if limit is None else limit)
        self.known = torch.zeros(rows if self.kept else 0, dtype=torch.bool, device=device)
        # Filled, so that the memory is taken now: what is left decides whether another table is kept.
        self.table = torch.full((rows if self.kept else 0, classes), torch.nan, device=device)
        self.left = rows
        _LIVE.add(self)

    def __call__(self, samples: Tensor) -> Tensor:
        """What the network says, float32."""
        flat = samples.flatten()
        if not self.kept:
            return self.ask(flat).view(*samples.shape, -1)
        rows = self._rows(flat)
        new = torch.unique(rows[~self.known[rows]]) if self.left else rows[:0]
        if len(new):
            views = self.space.views
            self.table[new] = self.ask(self.space.clips[new // views] * views + new % views)
            self.known[new] = True
            self.left -= len(new)
        return self.table[rows].view(*samples.shape, -1)

    def _rows(self, samples: Tensor) -> Tensor:
        views = self.space.views
        clips = samples // views
        place = torch.searchsorted(self.space.clips, clips).clamp(max=len(self.space.clips) - 1)
        if self.left and not bool((self.space.clips[place] == clips).all()):
            raise ValueError("a frozen network was asked about clips that are not among those it was made for")
        return place * views + samples % views


_LIVE: weakref.WeakSet[ViewCache] = weakref.WeakSet()


def _room(device: torch.device) -> float:
    """Bytes that one more table may take."""
    free = free_memory(device)
    tables = sum(cache.table.nbytes for cache in _LIVE if cache.table.device.type == device.type)
    return min(SHARE * free, TOGETHER * (free + tables) - tables)


def free_memory(device: torch.device) -> int:
    """Bytes that a device, or the host, has left at the moment."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil  # here, for the machine that times populations may not have it

    return int(psutil.virtual_memory().available)


def concatenated(sources: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Several networks' answers side by side, ``[..., sum of C]``."""
    return lambda samples: torch.cat([source(samples) for source in sources], -1)
