"""Dropout whose mask is a function of the run's seed, the step and the element: the same in any slot, on any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kdsearch import counter_rng


class StreamDropout(nn.Module):
    """Dropout without a generator: of ``x`` each element is zero with probability p, the others are x / (1 - p).

    Element i, counted row by row, of a layer's forward number ``count`` in training is kept where

        ``splitmix64(splitmix64(key + count * GOLDEN) + i * GOLDEN) >> 40 >= 2^24 * p``

    (shift and comparison unsigned). Buffers, all scalars: ``key`` (int64, the layer's own, see :func:`set_keys`),
    ``count`` (int64, one more after each forward in training) and ``p``. They stack to ``[M]`` as any buffer, so that
    members differ in seed and p, and a checkpoint holds all that goes on. Nothing is drawn: it works inside
    ``torch.func.vmap`` with ``randomness="error"``. In evaluation mode it is the identity.

    A forward that is run again for its gradient (checkpointing, cached embeddings) must start from the count of the
    first: keep the buffer and put it back. Raises ``ValueError`` for p outside 0..1. Dropout: Srivastava et al., JMLR
    2014; numbers: Steele, Lea, Flood, OOPSLA 2014.
    """

    key: Tensor
    count: Tensor
    p: Tensor

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, from 0 to 1; got {p}")
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        # In float64 the threshold below is the same whether p came as a Python float or as a column of searched ones.
        self.register_buffer("p", torch.tensor(p, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` of any shape with elements dropped; in evaluation mode ``x`` itself."""
        if not self.training:
            return x
        start = counter_rng.splitmix64(self.key + self.count * counter_rng.GOLDEN)
        self.count.add_(1)
        element = torch.arange(x.numel(), device=x.device).view(x.shape)
        number = (
            counter_rng.splitmix64(start + element * counter_rng.GOLDEN) >> (64 - counter_rng.UNIT_BITS)
        ).bitwise_and_((1 << counter_rng.UNIT_BITS) - 1)
        p = self.p.double()
        dropped = number < (p * 2**counter_rng.UNIT_BITS).ceil().long()
        # At p = 1 nothing is kept; an infinite scale would make its gradient 0 * inf.
        scale = (1 / (1 - p)).nan_to_num(posinf=0)
        return (x * scale.to(x.dtype)).masked_fill(dropped, 0)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"p={self.p.tolist()}"


def set_keys(module: nn.Module, key: int) -> None:
    """Give each :class:`StreamDropout` in ``module`` its own stream of ``key``, the seed's (:func:`counter_rng.key`).

    Layers are numbered from 0 in the order of ``module.modules()``; layer n gets number n of the SplitMix64 whose seed
    is ``splitmix64(key)``, and count 0. The number goes into the layer's key, so that buffers are all a mask needs.
    The key is mixed first: with ``key + n`` layer 1 of one key would be layer 0 of the next.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, StreamDropout)]
    keys = counter_rng.splitmix64(
        counter_rng.splitmix64(torch.tensor(key)) + torch.arange(len(layers)) * counter_rng.GOLDEN
    )
    for layer, own in zip(layers, keys, strict=True):
        layer.key.copy_(own)
        layer.count.zero_()
