"""All-triplet hinge loss on real-valued codes, counted instead of listed."""

from __future__ import annotations

import torch
from torch import Tensor


def triplet_mean(codes: Tensor, labels: Tensor, margin: float, *, per_sample_repeat: bool = False) -> Tensor:
    """Hinge over all triplets of the batch, mean over all of them, zeros included.

    ``codes`` ``[B, D]`` or ``[M, B, D]`` (members), ``labels`` ``[B]`` or ``[M, B]``; the result is ``[]`` or ``[M]``,
    0 for a batch without a triplet. A triplet is an unordered pair of one class, its lower index as the anchor a and
    the other as p, with an item n of another class:

        ``L = mean_(a, p, n) max(0, margin + |a - p|^2 - |a - n|^2)``

    Rule and margin (14 for 48 bits) are those of zhongzhh8/Video-Retrieval-with-Knowledge-Distillation,
    ``triplet_loss.py``; the loss is Lai et al., "Simultaneous feature learning and hash coding", CVPR 2015.
    With ``per_sample_repeat`` every triplet of a class with m items in the batch counts m times, as in the original,
    whose loop runs over samples and not over classes.

    For fixed codes the sum is linear in the distances: with n_ap the negatives that violate pair (a, p), and c_an the
    pairs of anchor a that item n violates, ``sum = margin * sum(n_ap) + sum(W * d)``, ``W = n_ap - c_an``. Which
    triplets violate is found without a graph in O(pairs * B) memory; autograd sees one quadratic form in the codes,
    ``sum(W * d) = <x, K x>`` with ``K = diag(W 1 + W^T 1) - W - W^T``. No B^3 cube exists.
    """
    single = codes.dim() == 2
    if single:
        codes, labels = codes.unsqueeze(0), labels.reshape(1, -1)
    with torch.no_grad():
        violations, kernel, triplets = _count(codes, labels, margin, per_sample_repeat)
    total = margin * violations + (codes * (kernel @ codes)).sum((1, 2))
    mean = total / triplets.clamp(min=1)
    return mean.squeeze(0) if single else mean


def _count(codes: Tensor, labels: Tensor, margin: float, per_sample_repeat: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Violated triplets ``[M]``, the quadratic form's kernel ``[M, B, B]`` and the number of triplets ``[M]``."""
    members, size, _ = codes.shape
    squares = codes.square().sum(2)
    distance = torch.baddbmm(squares.unsqueeze(2) + squares.unsqueeze(1), codes, codes.mT, alpha=-2)
    same = labels.unsqueeze(2) == labels.unsqueeze(1)
    class_size = same.sum(2, dtype=codes.dtype)
    pair = same.triu(1).flatten().nonzero().squeeze(1)
    anchor = pair.div(size, rounding_mode="floor")

    threshold = distance.flatten().index_select(0, pair) + margin
    # A positive is no negative: put it out of every threshold's reach. NaN codes stay NaN through the squares.
    negatives = distance.masked_fill_(same, torch.inf).view(members * size, size).index_select(0, anchor)
    violating = (negatives < threshold.unsqueeze(1)).to(codes.dtype)
    repeat = class_size.flatten().index_select(0, anchor)
    possible = size - repeat
    if per_sample_repeat:
        violating.mul_(repeat.unsqueeze(1))
        possible = possible * repeat
    count = violating.sum(1)

    weight = codes.new_zeros(members * size, size).index_add_(0, anchor, violating, alpha=-1)
    weight.view(-1)[pair] = count
    weight = weight.view(members, size, size)
    symmetric = weight + weight.mT
    kernel = symmetric.neg()
    kernel.diagonal(dim1=1, dim2=2).add_(symmetric.sum(2))
    if members == 1:
        return count.sum().unsqueeze(0), kernel, possible.sum().unsqueeze(0)
    member = anchor.div(size, rounding_mode="floor")
    zeros = codes.new_zeros(members)
    return zeros.index_add(0, member, count), kernel, zeros.index_add(0, member, possible)
