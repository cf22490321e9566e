"""Class predictions: hard labels and a teacher's soft ones. The task weighs them, nothing here does."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy_batchmean(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy with hard labels, mean over the batch.

    ``logits`` ``[..., B, C]``, ``labels`` ``[..., B]`` or ``[B]`` int64; the result ``[...]`` is in nats:

        ``L = -1/B sum_b log softmax(logits_b)[label_b]``
    """
    chosen = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    return -torch.log_softmax(logits, -1).gather(-1, chosen).squeeze(-1).mean(-1)


def soft_targets_kl_batchmean(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Kullback-Leibler divergence from the teacher's softened prediction to the student's, times T^2, batch mean.

    ``student`` and ``teacher`` are logits ``[..., B, C]``, ``temperature`` T > 0 a number or ``[...]``; the result
    ``[...]`` is in nats times T^2:

        ``L = T^2/B sum_b sum_c p_bc (log p_bc - log q_bc)``, ``p = softmax(teacher/T)``, ``q = softmax(student/T)``

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, section 2; T^2 keeps the
    gradient's scale when T is searched. The sum over classes makes it torch's ``kl_div(..., "batchmean")``, not its
    default mean, which divides by C once more. The teacher's side carries no gradient.
    """
    scale = temperature[..., None, None] if isinstance(temperature, Tensor) else temperature
    log_q = torch.log_softmax(student / scale, -1)
    log_p = torch.log_softmax(teacher.detach() / scale, -1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(-1).mean(-1)
    return divergence * temperature**2
