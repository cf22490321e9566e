"""What a frozen network says about each view of each clip: asked for when it is first seen, exactly, and kept."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import psutil
import torch
from torch import Tensor

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
    return int(psutil.virtual_memory().available)


def concatenated(sources: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Several networks' answers side by side, ``[..., sum of C]``."""
    return lambda samples: torch.cat([source(samples) for source in sources], -1)
