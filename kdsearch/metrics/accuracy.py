"""Share of right answers, and that of the answer which needs no model. Runs without importing torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each sample's largest logit is that of its class: ``[..., N]`` boolean, shapes as in :func:`accuracy`."""
    return (logits.argmax(-1) == labels) & ~logits.isnan().any(-1)


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of samples whose largest logit is that of their class.

    ``logits`` ``[..., N, C]``, ``labels`` ``[N]`` or ``[..., N]`` int64; the result ``[...]`` is float64 in 0..1:

        ``1/N sum_n [argmax_c logits_nc = label_n]``

    A tie goes to the lowest class, so constant logits always answer class 0. A sample with a NaN among its logits is
    wrong: torch takes NaN for the maximum, and a diverged model would else be right wherever it falls on the label.
    """
    return right_answers(logits, labels).double().mean(-1)


def chance_accuracy(train_labels: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> float:
    """Accuracy of always answering the class that is most frequent in the train part.

    ``train_labels`` ``[T]`` and ``labels`` ``[N]`` hold classes in 0..``classes`` - 1; a tie goes to the lowest class.
    1 / ``classes`` for balanced data, more otherwise. Raises ``ValueError`` for empty or other labels.
    """
    for name, part in (("train_labels", train_labels), ("labels", labels)):
        if len(part) == 0 or part.min() < 0 or part.max() >= classes:
            held = "none" if len(part) == 0 else f"{part.min()}..{part.max()}"
            raise ValueError(f"expected {name} in 0..{classes - 1}, at least one, got {held}")
    answer = np.bincount(train_labels, minlength=classes).argmax()
    return float((labels == answer).mean())
