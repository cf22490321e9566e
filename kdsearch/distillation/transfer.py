"""Knowledge transfer from a source network of another task: the auxiliary head learns the source's soft labels."""

from __future__ import annotations

import torch
from torch import Tensor

from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.soft_targets import soft_targets_cross_entropy_batchmean, soft_targets_kl_mean

TRANSFER_LOSSES = ("ce", "kd", "focal")


def transfer_loss(name: str, logits: Tensor, source_logits: Tensor, temperature: float | Tensor) -> Tensor:
    """Auxiliary loss of one source network, by the name SSKT gives it.

    ``logits`` of the auxiliary head and ``source_logits`` ``[..., B, C]`` or, of the source, ``[B, C]``, C the source's
    classes; ``temperature`` T > 0 a number or ``[...]``; the result ``[...]``. With p = softmax(source_logits / T):

    * ``ce``: ``-T^2 mean_b sum_c p log softmax(logits/T)``, by
      :func:`~kdsearch.distillation.soft_targets.soft_targets_cross_entropy_batchmean`;
    * ``kd``: ``T^2 mean_(b, c) p (log p - log softmax(logits/T))``, by
      :func:`~kdsearch.distillation.soft_targets.soft_targets_kl_mean`;
    * ``focal``: ``-mean_b sum_c p (1 - q)^2 log(q + 1e-20)``, ``q = softmax(logits)``, by
      :func:`~kdsearch.distillation.focal.focal_batchmean`; without T^2, and only the source is softened. The original
      (3D code) knows it at T = 1 alone.

    Raises ``ValueError`` for another name. Source: Hong et al., "Self-supervised knowledge transfer", WACV 2022, as
    released: ``total = target + alpha * (sum of these over sources)``, alpha 0.1, T 3.

    ``ce`` and ``kd`` differ by more than the source's entropy: ``kd`` is the default mean of ``nn.KLDivLoss``, so its
    gradient is 1/C of that of ``ce``, 1/1000 for ImageNet and 1/365 for Places365. At alpha 0.1 and T 3 the divergence
    summed over classes weighs 0.1 * 9 = 0.9 by ``ce``, and 0.0009 (ImageNet) or 0.0025 (Places365) by ``kd``.
    The source's side carries no gradient.
    """
    if name == "ce":
        return soft_targets_cross_entropy_batchmean(logits, source_logits, temperature)
    if name == "kd":
        return soft_targets_kl_mean(logits, source_logits, temperature)
    if name == "focal":
        scale = temperature[..., None, None] if isinstance(temperature, Tensor) else temperature
        return focal_batchmean(logits, torch.softmax(source_logits.detach() / scale, -1))
    raise ValueError(f"no transfer loss is called {name!r}: choose one of {', '.join(TRANSFER_LOSSES)}")
