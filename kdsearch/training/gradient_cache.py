"""The exact gradient of a batch-wide loss by parts of the batch: outputs first, their gradients, then the parts again.

Triplets compare every clip of a batch with every other, so gradients of parts cannot simply be added. But the loss
depends on the weights through the outputs alone: ``dL/dw = sum_parts (dL/d outputs_part) (d outputs_part / dw)``. The
outputs of all parts are made without a graph, the loss is taken on all of them, and each part then runs once more with
a graph, whose backward begins with the gradient of its outputs (Gao, Zhang, Han and Callan, "Scaling deep contrastive
learning batch size under memory limited setup", RepL4NLP 2021). Memory: activations of one part, at twice the forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.training.activation_checkpointing import buffers_of, set_buffers


def parts_of(batch: Tensor, size: int) -> list[Tensor]:
    """Indices ``[B]`` in parts of ``size``; a last one of a single clip joins the one before: batch norm needs two."""
    parts = list(torch.split(batch, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def backward_by_parts(
    model: nn.Module,
    forward: Callable[[Tensor], Any],
    parts: Sequence[Tensor],
    loss: Callable[[Any], Tensor],
) -> Tensor:
    """Add the gradient of ``loss`` over all ``parts`` to the model's; returns the loss, detached.

    ``forward`` gives the outputs of one part, a named tuple of tensors. Batch norm sees parts, as its usual forward
    would; running statistics and dropout's counts move once, as if each part had run once.
    """
    before = buffers_of(model)
    with torch.no_grad():
        outputs = [forward(part) for part in parts]
    leaves = type(outputs[0])(*(torch.cat(column).requires_grad_() for column in zip(*outputs, strict=True)))
    value = loss(leaves)
    if not value.requires_grad:  # no term reads an output: nothing moves
        return value.detach()
    gradients = torch.autograd.grad(value, list(leaves), allow_unused=True)
    set_buffers(model, before)
    sizes = [len(part) for part in parts]
    columns = [None if gradient is None else torch.split(gradient, sizes) for gradient in gradients]
    for i, part in enumerate(parts):
        pairs = [(out, column[i]) for out, column in zip(forward(part), columns, strict=True) if column is not None]
        torch.autograd.backward([out for out, _ in pairs], [gradient for _, gradient in pairs])
    return value.detach()
