"""Focal loss with hard or soft targets: MAXL's loss on both heads, and one of SSKT's."""

from __future__ import annotations

import torch
from torch import Tensor

# Inside the logarithm, as in both originals: a probability that underflows to 0 costs 46 nats, with zero gradient.
TINY = 1e-20


def focal_batchmean(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross entropy in which a class that is predicted with probability p weighs (1 - p)^gamma, batch mean.

    ``logits`` ``[..., B, C]``; ``targets`` are labels ``[..., B]`` or ``[B]`` (int64), or probabilities ``[..., B, C]``
    or ``[B, C]`` (floating point); ``gamma`` >= 0, 0 for the plain cross entropy. The result ``[...]`` is in nats:

        ``L = -1/B sum_b sum_c y_bc (1 - p_bc)^gamma log(p_bc + 1e-20)``, ``p = softmax(logits)``

    Source: ``model_fit`` of lorenmt/maxl (Liu, Davison and Johns, NeurIPS 2019) and ``f`` of SSKT's 3D code;
    the loss is Lin et al., "Focal loss for dense object detection", ICCV 2017, whose target is a label. With soft
    targets its minimum is not at p = y. Gradient flows into soft targets, since MAXL's label generator learns through
    them; who wants a fixed teacher detaches it, as :func:`~kdsearch.distillation.transfer.transfer_loss` does.
    """
    probabilities = torch.softmax(logits, -1)
    if targets.is_floating_point():
        return (targets * _focal(probabilities, gamma)).sum(-1).mean(-1)
    chosen = targets.expand(logits.shape[:-1]).unsqueeze(-1)
    return _focal(probabilities.gather(-1, chosen), gamma).squeeze(-1).mean(-1)


def _focal(probabilities: Tensor, gamma: float) -> Tensor:
    return -((1 - probabilities) ** gamma) * (probabilities + TINY).log()
