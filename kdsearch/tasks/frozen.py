"""Teachers and sources: networks read from a file, whose outputs for clips and views are cached, or computed live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kdsearch.errors import DataError
from kdsearch.tasks.base import RunRequest
from kdsearch.training.feeds import Feed
from kdsearch.training.files import load_safely
from kdsearch.training.steppers import forward_samples
from kdsearch.training.teacher_cache import CacheKey, LRUCache, Space, ViewCache

Network = TypeVar("Network", bound=nn.Module)


FROZEN = LRUCache[CacheKey, ViewCache]()
"""The caches of the frozen networks that this process used last."""


def cached_logits(network: nn.Module, feed: Feed, clips: Tensor, classes: int) -> ViewCache:
    """The logits of ``network``, in evaluation mode, for the views of ``clips``; each is computed once."""
    network.eval()

    def logits(samples: Tensor) -> Tensor:
        # Inference tensors cannot take part in autograd; the student's loss does.
        computed: Tensor = forward_samples(network, feed, samples).logits
        return computed.clone()

    return ViewCache(logits, Space(clips.sort().values, feed.views), classes)


def live_outputs(network: nn.Module, feed: Feed, device: torch.device | str) -> Callable[[Tensor], Any]:
    """The network in train mode, run anew for each batch, whose statistics its batch norm takes: the quirk."""
    network.train()

    def outputs(samples: Tensor) -> Any:
        with torch.no_grad():
            computed = network(feed.take(samples.flatten(), torch.device(device)))
        return type(computed)(*(value.view(*samples.shape, value.shape[-1]) for value in computed))

    return outputs


def load_state(network: Network, path: Path) -> Network:
    """``network`` with a trained teacher's weights; ``DataError`` where the file is not one of this task."""
    content = load_safely(path)
    if not isinstance(content, dict) or "state" not in content:
        form = 'torch.save({"state": network.state_dict()}, path)'
        raise DataError(
            f"{path}: expected a teacher's weights as {form} writes them, found no such content; write the file so, or "
            "train the teacher again"
        )
    try:
        network.load_state_dict(content["state"])
    except RuntimeError as error:
        raise DataError(f"{path} does not fit this task's teacher ({content.get('meta')}): {error}") from error
    return network


def teacher_file(request: RunRequest, why: str) -> Path:
    """The file that a run's teacher lies in; ``ValueError`` where its request names none."""
    if request.teacher is None:
        raise ValueError(f"this run needs a teacher ({why}) but its request names none")
    return request.teacher
