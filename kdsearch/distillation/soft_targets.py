"""Class predictions: hard labels and a teacher's soft ones. The task weighs them, nothing here does."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.metrics.multi_label import IGNORED


def cross_entropy_batchmean(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy with hard labels, mean over the batch.

    ``logits`` ``[..., B, C]``, ``labels`` ``[..., B]`` or ``[B]`` int64; the result ``[...]`` is in nats:

        ``L = -1/B sum_b log softmax(logits_b)[label_b]``
    """
    chosen = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    return -torch.log_softmax(logits, -1).gather(-1, chosen).squeeze(-1).mean(-1)


def binary_cross_entropy_mean(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy of independent classes, mean over every (image, class) that is not ignored.

    ``logits`` ``[..., B, C]``, ``targets`` ``[..., B, C]`` or ``[B, C]`` hold 0, 1 or 255 (ignored: an object that VOC
    marks as difficult); the result ``[...]`` is in nats, 0 with zero gradient where all is ignored:

        ``L = -1/|K| sum_(b, c in K) (y_bc log sigmoid(z_bc) + (1 - y_bc) log(1 - sigmoid(z_bc)))``, ``K = {y != 255}``

    Source: ``bce`` of SSKT (Hong et al., WACV 2022), whose VOC labels count a difficult object as absent (0).
    """
    counted = (targets != IGNORED).expand(logits.shape)
    wanted = targets.to(logits.dtype).expand(logits.shape)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").masked_fill(~counted, 0)
    return each.sum((-2, -1)) / counted.sum((-2, -1)).clamp(min=1)


def soft_targets_kl_batchmean(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Kullback-Leibler divergence from the teacher's softened prediction to the student's, times T^2, batch mean.

    ``student`` and ``teacher`` are logits ``[..., B, C]``, ``temperature`` T > 0 a number or ``[...]``; the result
    ``[...]`` is in nats times T^2:

        ``L = T^2/B sum_b sum_c p_bc (log p_bc - log q_bc)``, ``p = softmax(teacher/T)``, ``q = softmax(student/T)``

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, section 2; T^2 keeps the
    gradient's scale when T is searched. The sum over classes makes it torch's ``kl_div(..., "batchmean")``, not its
    default mean, which divides by C once more (:func:`soft_targets_kl_mean`). The teacher's side carries no gradient.
    """
    log_q, log_p = _softened(student, temperature), _softened(teacher.detach(), temperature)
    divergence = (log_p.exp() * (log_p - log_q)).sum(-1).mean(-1)
    return divergence * temperature**2


def soft_targets_kl_mean(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """The same divergence divided by the number of classes as well: mean over batch *and* classes, times T^2.

    Shapes and units as in :func:`soft_targets_kl_batchmean`:

        ``L = T^2/(B C) sum_(b, c) p_bc (log p_bc - log q_bc)``

    Source: ``nn.KLDivLoss()`` with its default reduction, as in SSKT's ``kd`` and in peterliht's and TAKD's
    trainers. A weight found with it is worth C times less with the batch mean: 0.1 for 1000 classes is 0.0001 there.
    """
    return soft_targets_kl_batchmean(student, teacher, temperature) / student.shape[-1]


def soft_targets_cross_entropy_batchmean(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Cross entropy with the teacher's softened prediction as target, times T^2, batch mean.

    Shapes and units as in :func:`soft_targets_kl_batchmean`:

        ``L = -T^2/B sum_b sum_c p_bc log q_bc``

    It is the divergence plus T^2 times the teacher's entropy: another number, the same gradient. Source: ``cse`` of
    the CIFAR-10 repository's ``trainer.py`` and, for soft labels, ``ce`` of SSKT. The teacher's side has no gradient.
    """
    log_q, log_p = _softened(student, temperature), _softened(teacher.detach(), temperature)
    return -(log_p.exp() * log_q).sum(-1).mean(-1) * temperature**2


def probabilities_mse_half_mean(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Half the squared distance of softened *probabilities*, mean over batch and classes, times T^2.

    Shapes as in :func:`soft_targets_kl_batchmean`; the result ``[...]`` has no unit but T^2, at most T^2/C:

        ``L = T^2/(2 B C) sum_(b, c) (q_bc - p_bc)^2``

    Source: ``mse`` of the CIFAR-10 repository's ``trainer.py``. Not the squared distance of logits that others call by
    this name. Its gradient is q/C times that of the cross entropy where the student's prediction is even: C^2 times
    smaller at high T, 2 C times where two classes compete, and 0 for a sure student. The teacher's side carries no
    gradient.
    """
    q, p = _softened(student, temperature).exp(), _softened(teacher.detach(), temperature).exp()
    return (q - p).square().mean((-2, -1)) * (temperature**2 / 2)


def _softened(logits: Tensor, temperature: float | Tensor) -> Tensor:
    """Log probabilities ``[..., B, C]`` of ``logits / T`` with T a number or ``[...]``."""
    scale = temperature[..., None, None] if isinstance(temperature, Tensor) else temperature
    return torch.log_softmax(logits / scale, -1)
