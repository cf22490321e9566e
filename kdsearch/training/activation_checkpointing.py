"""Less memory for more arithmetic: blocks whose activations are computed again in the backward pass, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def apply_activation_checkpointing(blocks: Iterable[nn.Module]) -> None:
    """Let each block keep its inputs alone while it trains, and run again when its gradient is asked for.

    Gradients and buffers are those of the usual forward: the second run starts from the buffers of the first (dropout
    of ``StreamDropout`` draws the same mask) and leaves no trace in them (batch norm
    counts a batch once, where ``torch.utils.checkpoint`` alone counts it twice). A network is copied before, not after:
    a copy's blocks would compute with the original's weights. Method: Chen, Xu, Zhang and Guestrin,
    arXiv 1604.06174.
    """
    for block in blocks:
        block.forward = _checkpointed(block, block.forward)


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all buffers by name."""
    return {name: value.detach().clone() for name, value in module.named_buffers()}


def set_buffers(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Put buffers back in place.

    Through ``data``: a graph may hold a buffer's old version, which no gradient reads (batch norm in training).
    """
    for name, buffer in module.named_buffers():
        buffer.data.copy_(values[name])


def _checkpointed(block: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*inputs: Tensor) -> Any:
        if not (block.training and torch.is_grad_enabled()):
            return forward(*inputs)
        before = buffers_of(block)

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), _replay(block, before)

        # Nothing here draws from torch's generators: see kdsearch.training.randomness.
        return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)

    return run


@contextmanager
def _replay(block: nn.Module, before: dict[str, Tensor]) -> Iterator[None]:
    now = buffers_of(block)
    set_buffers(block, before)
    try:
        yield
    finally:
        set_buffers(block, now)
