"""What a frozen network says about each view of each clip: asked for when it is first seen, exactly, and kept."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LIMIT = 2 << 30
"""Bytes of a table. Where it would be larger the network is asked for each batch: the same numbers, at its cost."""


class Space(NamedTuple):
    """Samples that may be asked for: ``clips`` ascending, each in ``views`` views; see ``kdsearch.training.feeds``."""

    clips: Tensor
    views: int


class ViewCache:
    """Answers ``[..., C]`` for samples ``[...]`` from a table that is filled on first use.

    ``ask(samples [n])`` gives the logits ``[n, C]`` of the frozen network in evaluation mode, where a sample's answer
    depends on nothing else in its batch but rounding. A look at the device a batch tells what is not yet there, until
    all is.
    """

    def __init__(self, ask: Callable[[Tensor], Tensor], space: Space, classes: int, limit: int = LIMIT) -> None:
        self.ask = ask
        self.space = space
        rows, device = len(space.clips) * space.views, space.clips.device
        self.kept = rows * classes * 4 <= limit
        self.known = torch.zeros(rows if self.kept else 0, dtype=torch.bool, device=device)
        self.table = torch.zeros((rows if self.kept else 0, classes), device=device)
        self.left = rows

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
        place = torch.searchsorted(self.space.clips, samples // views)
        return place * views + samples % views


def concatenated(sources: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Several networks' answers side by side, ``[..., sum of C]``."""
    return lambda samples: torch.cat([source(samples) for source in sources], -1)
