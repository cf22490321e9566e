"""The student's codes drawn to the teacher's."""

from __future__ import annotations

from torch import Tensor


def representation_mse_mean(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error of tanh codes over batch and code dimensions.

    ``student`` and ``teacher`` ``[..., B, D]``, the result ``[...]`` (at most 4, since codes lie in -1..1):

        ``L = 1/(B D) sum_(b, d) (student_bd - teacher_bd)^2``

    Source: ``Lrep`` of zhongzhh8/Video-Retrieval-with-Knowledge-Distillation, ``train.py``; the idea is FitNets'
    hint (Romero et al., ICLR 2015). The teacher's side carries no gradient.
    """
    return (student - teacher.detach()).square().mean((-2, -1))
