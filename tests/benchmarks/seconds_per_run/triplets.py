"""The all-triplet hinge as cubes and as loops: the same number and gradient as ``kdsearch``'s ``triplet_mean``."""

from __future__ import annotations

import torch
from torch import Tensor


def cube_triplets(codes: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean hinge of all triplets (a, p, n), a < p, from one ``[B, B, B]`` tensor that autograd sees.

    About as fast as a cube can be: pairs and negatives are masked in the ``[B, B]`` distances, so that the cube itself
    is only subtracted, cut at 0 in place and summed; a mask of its own would double its traffic.
    """
    squares = codes.square().sum(1)
    distance = squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * codes @ codes.T
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    pair = same.triu(1)
    positive = torch.where(pair, distance + margin, -torch.inf)
    negative = torch.where(same, torch.inf, distance)
    hinge = torch.relu_(positive.unsqueeze(2) - negative.unsqueeze(1))
    count = (pair.sum(1) * (~same).sum(1)).sum()
    return hinge.sum() / count.clamp(min=1)


def masked_cube_triplets(codes: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The cube as it is usually written: all B^3 hinges, times a mask of the valid triplets."""
    squares = codes.square().sum(1)
    distance = squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * codes @ codes.T
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    valid = same.triu(1).unsqueeze(2) & ~same.unsqueeze(1)
    hinge = torch.relu(margin + distance.unsqueeze(2) - distance.unsqueeze(1))
    return (hinge * valid).sum() / valid.sum().clamp(min=1)


def looped_triplets(codes: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The same mean by a Python loop over pairs, all negatives of a pair at once: nearest to the original's form."""
    total, count = codes.new_zeros(()), 0
    for anchor in range(len(codes)):
        negatives = codes[labels != labels[anchor]]
        away = (codes[anchor] - negatives).square().sum(1)
        for other in range(anchor + 1, len(codes)):
            if labels[other] == labels[anchor]:
                near = (codes[anchor] - codes[other]).square().sum()
                total = total + torch.relu(margin + near - away).sum()
                count += len(negatives)
    return total / max(count, 1)
