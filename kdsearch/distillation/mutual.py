"""Peers that learn from one another: Deep Mutual Learning."""

from __future__ import annotations

import torch
from torch import Tensor


def mutual_kl_batchmean(
    logits: Tensor, temperature: float | Tensor = 1.0, *, summed_over_peers: bool = False
) -> Tensor:
    """Divergence of each peer's prediction from those of the others, mean over the others, batch mean, times T^2.

    ``logits`` ``[..., K, B, C]`` of K >= 2 peers on one batch, ``temperature`` T > 0 a number or ``[...]``; the result
    ``[..., K]`` is in nats times T^2, one number a peer:

        ``L_i = T^2/(B (K-1)) sum_(j != i) sum_b sum_c p_jbc (log p_jbc - log p_ibc)``, ``p_j = softmax(logits_j/T)``

    ``summed_over_peers`` leaves out the division by K - 1, as the released code does (the same for K = 2). Raises
    ``ValueError`` for a single peer.

    Source: Zhang et al., "Deep mutual learning", CVPR 2018, where T = 1 and the peers take turns; here, as in
    YingZhangDUT's code, all losses come from one forward pass. A peer's prediction is a target for the others and
    carries no gradient there, so that the sum of L over peers has each peer's own gradient. Needs
    ``K^2 B C`` numbers, little for the two to five peers in use.
    """
    peers = logits.shape[-3]
    if peers < 2:
        raise ValueError(f"mutual learning needs at least 2 peers on axis -3 of the logits, got {peers}")
    scale = temperature[..., None, None, None] if isinstance(temperature, Tensor) else temperature
    log_p = torch.log_softmax(logits / scale, -1)
    target = log_p.detach().unsqueeze(-4)
    # Axes i, j of [..., K, K, B, C]. A peer beside itself adds exactly 0, and no gradient but rounding.
    total = (target.exp() * (target - log_p.unsqueeze(-3))).sum(-1).mean(-1).sum(-1)
    squared = temperature[..., None] ** 2 if isinstance(temperature, Tensor) else temperature**2
    return total * squared if summed_over_peers else total * squared / (peers - 1)
