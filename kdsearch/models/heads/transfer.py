"""Heads that predict what source networks say, for transfer by their soft labels (SSKT).

Source: Hong, Yoon, Choi and Kim, "Self-supervised knowledge transfer", WACV 2022, arXiv 2110.12696, in the form of its
3-D code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from kdsearch.models.classifiers.cifar import Classifier
from kdsearch.models.layers.batch_norm import BatchNorm2d, BatchNorm3d


class TransferOutput(NamedTuple):
    """``logits`` ``[B, classes]`` and ``auxiliary`` ``[B, sum of the sources' classes]``, in the order of the heads."""

    logits: Tensor
    auxiliary: Tensor


class TransferModule(nn.Module):
    """The aggregating head: maps of all stages, ``[B, C, ...]`` each, to a source's ``[B, classes]``.

    Each map of C channels goes through 1x1 convolution to C / 2, 3x3 with stride 2, and 1x1 to ``hidden``, each with
    batch norm and ReLU behind it, and is averaged over space; a linear layer reads the mean of these vectors over the
    stages. ``dims`` is 2 for images, 3 for clips, whose kernels then span time too. Convolutions have no bias, which
    the norm behind them would take away.
    """

    def __init__(self, stage_channels: tuple[int, ...], classes: int, hidden: int = 1000, dims: int = 2) -> None:
        super().__init__()
        self.bottlenecks = nn.ModuleList(_bottleneck(channels, hidden, dims) for channels in stage_channels)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Logits of a source's classes."""
        pairs = zip(self.bottlenecks, stages, strict=True)
        vectors = [bottleneck(stage).flatten(2).mean(2) for bottleneck, stage in pairs]
        return cast("Tensor", self.classify(torch.stack(vectors).mean(0)))


def _bottleneck(channels: int, hidden: int, dims: int) -> nn.Sequential:
    convolution, norm = (nn.Conv2d, BatchNorm2d) if dims == 2 else (nn.Conv3d, BatchNorm3d)
    inner = max(channels // 2, 1)
    layers: list[nn.Module] = []
    for inputs, outputs, kernel in ((channels, inner, 1), (inner, inner, 3), (inner, hidden, 1)):
        stride = 2 if kernel == 3 else 1
        layers.append(convolution(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False))
        layers += [norm(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def columns(heads: Mapping[str, int]) -> dict[str, slice]:
    """Where the logits of each source, of so many classes, lie in ``auxiliary``."""
    ends = accumulate(heads.values())
    return {name: slice(end - size, end) for (name, size), end in zip(heads.items(), ends, strict=True)}


class TransferNetwork(nn.Module):
    """A classifier with one head a source; ``heads`` maps a source's name to the number of its classes.

    Heads are :class:`TransferModule` with ``module``, else one linear layer on the embedding; ``hidden`` is the
    former's. A source's columns of ``auxiliary`` are a slice in the order of ``heads``, see :func:`columns`. Raises
    ``ValueError`` where there is no source.
    """

    def __init__(self, body: Classifier, heads: Mapping[str, int], module: bool, hidden: int = 1000) -> None:
        super().__init__()
        if not heads:
            raise ValueError("a transfer network has one head a source or more, got none; use its body alone")
        self.body = body
        self.aggregates = module
        self.heads = nn.ModuleDict()
        for name, classes in heads.items():
            if module:
                self.heads[name] = TransferModule(body.stage_channels, classes, hidden, body.dims)
            else:
                self.heads[name] = nn.Linear(body.features, classes)

    def forward(self, images: Tensor) -> TransferOutput:
        """Logits of the task's classes and of the sources'."""
        stages = self.body.stages(images)
        embedding = self.body.pool(stages[-1])
        read = stages if self.aggregates else embedding
        auxiliary = torch.cat([head(read) for head in self.heads.values()], -1)
        return TransferOutput(self.body.classify(embedding), auxiliary)
