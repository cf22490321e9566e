"""Networks that a run only listens to: read from a file, put in evaluation mode, asked about views of images."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from kdsearch.errors import DataError
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.images.task import ImageDataLike
from kdsearch.tasks.term_weights import Frozen
from kdsearch.training.feeds import Feed
from kdsearch.training.files import load_safely
from kdsearch.training.steppers import forward_samples
from kdsearch.training.teacher_cache import LRUCache, Space, ViewCache

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class FrozenKey:
    """All that a frozen network's answers depend on: its weights, itself, the images, their views, the device.

    ``data`` holds identity and fingerprint, ``clips`` those that may be asked for: a table has a row for each.
    """

    weights: str
    network: str
    data: str
    clips: str
    views: str
    device: str

    @staticmethod
    def of(weights: str, network: str, data: ImageDataLike, clips: Tensor, views: str, device: str) -> FrozenKey:
        """With ``data`` and ``clips`` in words."""
        what = f"{json.dumps(data.identity(), sort_keys=True, default=str)} {data.fingerprint()}"
        asked = hashlib.sha256(clips.cpu().numpy().tobytes()).hexdigest()
        return FrozenKey(weights, network, what, asked, views, device)


FROZEN = LRUCache[FrozenKey, ViewCache]()
"""The frozen networks that this process asked for last."""


def listen(network: nn.Module, feed: Feed, clips: Tensor, classes: int) -> ViewCache:
    """What ``network``, in evaluation mode, says of the views of ``clips``; each is asked for once."""
    network.eval()

    def ask(samples: Tensor) -> Tensor:
        # Inference tensors cannot take part in autograd; the student's loss does.
        said: Tensor = forward_samples(network, feed, samples).logits
        return said.clone()

    return ViewCache(ask, Space(clips.sort().values, feed.views), classes)


def live(network: nn.Module, feed: Feed, device: torch.device) -> Frozen:
    """The network in train mode, asked anew for each batch, whose statistics its batch norm takes: the quirk."""
    network.train()

    def ask(samples: Tensor) -> Tensor:
        with torch.no_grad():
            said: Tensor = network(feed.take(samples.flatten(), device)).logits
        return said.view(*samples.shape, said.shape[-1])

    return ask


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
