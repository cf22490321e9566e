"""Average precision where an image may show several classes: the official VOC rules, and SSKT's per image.

A target is 0, 1 or 255: ignored, as if the pair of image and class did not exist (an object VOC marks as difficult; the
seed's ``encode_labels`` counts it as absent). Runs without importing torch.

Equal scores are one point of the precision-recall curve, at the end of the tie: nothing depends on the order in which
images or classes are stored, and scores that know nothing reach the share of positives, no more. VOC's own code takes
the stored order inside ties; without ties the numbers are the same. Pass logits rather than sigmoids: these saturate,
which makes ties. NaN ranks last, tied with -inf: whether scores are finite is the caller's question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = 255


def average_precision_per_class(scores: Tensor, targets: Tensor, *, eleven_points: bool = False) -> Tensor:
    """VOC's average precision of each class over all images.

    ``scores`` ``[..., N, C]``, ``targets`` ``[N, C]`` or ``[..., N, C]``; the result ``[..., C]`` is float64 in 0..1,
    NaN for a class without a positive. With precision p and recall r at every point of the curve:

        ``AP = sum_k (r_k - r_(k-1)) max_(j >= k) p_j`` (all points, VOC2010 and later, ``VOCap.m``)
        ``AP = 1/11 sum_(t = 0, 0.1, ..., 1) max_(r_j >= t) p_j`` (``eleven_points``, VOC2007)

    Source: Everingham et al., "The Pascal visual object classes challenge", IJCV 2010, and the devkits' ``VOCap.m`` and
    ``VOCevalcls.m``. Recall is compared with t in integers, 10 * hits >= 10 t * positives, so that 0.3 is 3/10.
    """
    hits, found, seen = _counts_at_ends(scores.mT, targets.mT)
    positives = hits.sum(-1)
    precision = found / seen.clamp(min=1)
    if eleven_points:
        total = positives * 0
        for tenths in range(11):
            total += precision.masked_fill(10 * found < tenths * positives.unsqueeze(-1), 0).amax(-1)
        return (total / 11).masked_fill(positives == 0, float("nan"))
    best = precision.flip(-1).cummax(-1).values.flip(-1)
    return (hits * best).sum(-1) / positives


def mean_average_precision_over_classes(scores: Tensor, targets: Tensor, *, eleven_points: bool = False) -> Tensor:
    """VOC's mAP ``[...]``: mean of :func:`average_precision_per_class` over the classes that have a positive."""
    return average_precision_per_class(scores, targets, eleven_points=eleven_points).nanmean(-1)


def average_precision_per_image(scores: Tensor, targets: Tensor) -> Tensor:
    """Average precision of each image over its classes, not interpolated.

    Shapes as in :func:`average_precision_per_class`; the result ``[..., N]`` is NaN for an image without a positive:

        ``AP = sum_k (r_k - r_(k-1)) p_k``

    Source: scikit-learn's ``average_precision_score`` a row, as in SSKT's ``get_ap_score``. It
    asks how well an image ranks its classes, which a prior alone answers well where one class is frequent, as VOC's
    persons are: not to be compared with official numbers.
    """
    hits, found, seen = _counts_at_ends(scores, targets)
    return (hits * found / seen.clamp(min=1)).sum(-1) / hits.sum(-1)


def mean_average_precision_over_images(scores: Tensor, targets: Tensor) -> Tensor:
    """The seed's number ``[...]``: mean of :func:`average_precision_per_image` over the images that have a positive.

    The seed counts an image without one (only difficult objects) as 0; it says nothing about the scores, left out.
    """
    return average_precision_per_image(scores, targets).nanmean(-1)


def _counts_at_ends(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ranked along the last axis: positive (0 or 1), and the positives and all counted items up to its tie's end.

    All three are float64 and shaped as ``scores``. An ignored item keeps its place and counts as nothing.
    """
    infinite = float("inf")
    finite = scores.detach().nan_to_num(nan=-infinite, posinf=infinite, neginf=-infinite)
    ranked, order = finite.sort(dim=-1, descending=True)
    targets = targets.expand(scores.shape).gather(-1, order)
    hits = (targets == 1).double()
    goes_on = ranked[..., 1:] == ranked[..., :-1]
    ends = []
    for count in (hits.cumsum(-1), (targets != IGNORED).double().cumsum(-1)):
        # Counts never fall, so the smallest one at or behind an item where a tie ends is that of its own tie.
        count[..., :-1].masked_fill_(goes_on, infinite)
        ends.append(count.flip(-1).cummin(-1).values.flip(-1))
    return hits, ends[0], ends[1]


def chance_average_precision_over_classes(targets: NDArray[np.integer]) -> float:
    """VOC's mAP of scores that are the same for all images: the mean share of positives, by either rule.

    ``targets`` ``[N, C]``; classes without a positive are left out. Raises ``ValueError`` where no class has one.
    """
    positives, counted = (targets == 1).sum(0), (targets != IGNORED).sum(0)
    some = positives > 0
    if not some.any():
        raise ValueError(f"none of {targets.shape[1]} classes has a positive among {targets.shape[0]} images")
    return float((positives[some] / counted[some]).mean())


def chance_average_precision_over_images(train: NDArray[np.integer], targets: NDArray[np.integer]) -> float:
    """The seed's number for a model that sees no image: every image's scores are the classes' frequencies in train.

    ``train`` ``[T, C]`` and ``targets`` ``[N, C]``; images without a positive are left out. Scores without even the
    prior, all equal, reach the mean share of positives only. Raises ``ValueError`` where no image has a positive.
    """
    frequency = (train == 1).sum(0) / np.maximum((train != IGNORED).sum(0), 1)
    order = np.argsort(-frequency, kind="stable")
    end = np.searchsorted(-frequency[order], -frequency[order], side="right") - 1
    ranked = targets[:, order]
    hits = ranked == 1
    precision = hits.cumsum(1)[:, end] / np.maximum((ranked != IGNORED).cumsum(1)[:, end], 1)
    positives = hits.sum(1)
    some = positives > 0
    if not some.any():
        raise ValueError(f"none of {targets.shape[0]} images has a positive among {targets.shape[1]} classes")
    return float(((hits * precision).sum(1)[some] / positives[some]).mean())
