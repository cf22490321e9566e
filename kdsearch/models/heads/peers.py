"""Several classifiers on one batch, that learn from one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdsearch.models.classifiers.cifar import Classifier


class PeersOutput(NamedTuple):
    """``logits`` ``[B, K, classes]``, one row a peer."""

    logits: Tensor


class Peers(nn.Module):
    """``peers`` classifiers from ``build``, each with an initialisation of its own, drawn one after the other."""

    def __init__(self, build: Callable[[], Classifier], peers: int) -> None:
        super().__init__()
        self.peers = nn.ModuleList(build() for _ in range(peers))

    def forward(self, images: Tensor) -> PeersOutput:
        """Logits of all peers."""
        return PeersOutput(torch.stack([peer(images).logits for peer in self.peers], 1))
