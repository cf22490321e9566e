"""Batch norm that folds stacked members into channels, for networks that train under ``torch.func.vmap``.

vmap's own rule takes weight and bias apart from the normalisation: two more passes over the activations forward, more
backward, and fp32 statistics refuse bf16 activations. Here members and channels become one axis, and one call of
``F.batch_norm`` does all, with running statistics in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@torch.library.custom_op("kdsearch::batch_norm", mutates_args=("mean", "variance"))
def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    # No formula for autograd: the op is called under vmap alone, whose rule below calls what autograd knows.
    return F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)


@torch.library.register_vmap(_batch_norm)  # type: ignore[untyped-decorator]
def _fold(info: Any, dims: tuple[int | None, ...], x: Tensor, *arguments: Any) -> tuple[Tensor, int]:
    """``[B, C, ...]`` of M members as ``[B, M C, ...]``, and what is per channel as ``[M C]``."""
    mean, training = arguments[0], arguments[4]
    if training and mean is not None and dims[1] is None:
        raise ValueError("batch norm under vmap: running statistics are not stacked; give vmap buffers [M, channels]")
    members = info.batch_size
    x = x.unsqueeze(1).expand(-1, members, *x.shape[1:]) if dims[0] is None else x.movedim(dims[0], 1)
    rows = [_rows(value, dim, members) for value, dim in zip(arguments[:4], dims[1:5], strict=True)]
    flat = [None if row is None else row.reshape(-1) for row in rows]
    y = _apply(x.flatten(1, 2), *flat, *arguments[4:])
    if training:
        for row, updated in zip(rows[:2], flat[:2], strict=True):
            # Statistics that lie as columns in a wider tensor could not be viewed as [M C]: the copy was updated.
            if row is not None and updated is not None and not row.is_contiguous():
                row.copy_(updated.view_as(row))
    return torch.unflatten(y, 1, (members, -1)), 1


def _rows(value: Tensor | None, dim: int | None, members: int) -> Tensor | None:
    """Per-channel values of all members, ``[M, C]``."""
    if value is None:
        return None
    return value.expand(members, -1) if dim is None else value.movedim(dim, 0)


def _batched(*values: Tensor | None) -> bool:
    """Whether vmap stacks any of these, at its innermost level."""
    return any(v is not None and torch._C._functorch.is_batchedtensor(v) for v in values)


def _apply(*arguments: Any) -> Tensor:
    """``F.batch_norm``, through the op above while any level of vmap is left."""
    function = _batch_norm if _batched(*arguments[:5]) else F.batch_norm
    normalised: Tensor = function(*arguments)
    return normalised


class _Folding(nn.modules.batchnorm._BatchNorm):
    """torch's forward outside vmap, the folded one within."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``x``, of the same shape; in training the running statistics are updated in place."""
        mean, variance = self.running_mean, self.running_var
        if not _batched(x, mean, self.weight, self.bias):
            return super().forward(x)
        if self.momentum is None:
            raise ValueError("batch norm under vmap: momentum=None counts batches on the host; give a momentum")
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        training = self.training or mean is None
        return _apply(x, mean, variance, self.weight, self.bias, training, self.momentum, self.eps)


class BatchNorm1d(_Folding, nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` (same options, state and results) with the folded forward under vmap.

    Input ``[B, C]`` or ``[B, C, T]``. ``y = (x - mean) / sqrt(variance + eps) * weight + bias`` with mean and biased
    variance over all axes but C. Activations may be bfloat16 while parameters and statistics are float32. Raises
    ``ValueError`` under vmap for ``momentum=None``. Source: Ioffe and Szegedy, arXiv 1502.03167.
    """


class BatchNorm2d(_Folding, nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` as :class:`BatchNorm1d`, for ``[B, C, H, W]``."""


class BatchNorm3d(_Folding, nn.BatchNorm3d):
    """``torch.nn.BatchNorm3d`` as :class:`BatchNorm1d`, for ``[B, C, T, H, W]``."""
