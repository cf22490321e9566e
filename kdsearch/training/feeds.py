"""How steppers read a dataset: as it is, or each sample in a view of its own, cropped and mirrored by its run's key.

A *sample* is a number that stands for a clip in one of its views. Teachers and their caches are given samples,
so a cached teacher has seen exactly what the student sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from kdsearch.training.augmentation import CropFlip, ImageViews

SHARE = 0.4
"""Of a GPU's free memory: a larger dataset stays in the host's, and each batch is copied."""


class Feed(ABC):
    """A dataset of N clips, each with so many ``views``: here one, itself. ``values``: numbers of one sample."""

    views = 1
    values: int

    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor) -> Tensor:
        """Samples ``[W, B]`` of clips ``[W, B]`` in the epochs ``[W]`` of the runs of ``keys`` ``[W]``, all int64."""
        return clips

    def clean(self, clips: Tensor) -> Tensor:
        """Samples of clips ``[...]`` as they are: what is evaluated."""
        return clips

    def clips(self, samples: Tensor) -> Tensor:
        """Which clips these samples show."""
        return samples

    @abstractmethod
    def take(self, samples: Tensor, device: torch.device) -> Tensor:
        """Inputs ``[n, ...]`` of samples ``[n]``, on ``device``, as a network reads them.

        Where the dataset lies in the host's memory, the batch is copied.
        """


class TensorFeed(Feed):
    """Prepared inputs ``[N, ...]``, on the device or in the host's memory."""

    def __init__(self, inputs: Tensor) -> None:
        self.inputs = inputs
        self.values = inputs[0].numel()

    @override
    def take(self, samples: Tensor, device: torch.device) -> Tensor:
        return _rows(self.inputs, samples, device)


class ImageFeed(Feed):
    """uint8 images ``[N, 3, H, W]`` or clips ``[N, 3, T, H, W]``, in views of ``seen``, normalised.

    A sample is ``clip * views + view``; without ``seen`` there is one view, the clean one. ``dtype``: of what is taken.

        ``x = (pixel / 255 - mean) / std`` by channel; what lies outside the image is black before it.
    """

    def __init__(
        self,
        images: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        seen: ImageViews | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.images = images
        self.values = images[0].numel()
        self.seen = CropFlip() if seen is None else seen
        self.views = self.seen.count
        shape = (-1, *(1,) * (images.dim() - 2))
        # (x / 255 - m) / s as one product and one sum.
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self.scale, self.shift = scale.view(shape).to(dtype), shift.view(shape).to(dtype)
        self._there = {torch.device("cpu"): (self.scale, self.shift)}

    @override
    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor) -> Tensor:
        if self.views == 1:
            return clips
        return clips * self.views + self.seen.draw(clips, keys, epochs)

    @override
    def clean(self, clips: Tensor) -> Tensor:
        if self.views == 1:
            return clips
        return clips * self.views + self.seen.clean

    @override
    def clips(self, samples: Tensor) -> Tensor:
        return samples if self.views == 1 else samples // self.views

    @override
    def take(self, samples: Tensor, device: torch.device) -> Tensor:
        pixels = _rows(self.images, self.clips(samples), device)
        if self.views > 1:
            pixels = self.seen.cut(pixels, (samples % self.views).to(device))
        if device not in self._there:  # copied once: a copy a step would make the host wait
            self._there[device] = (self.scale.to(device), self.shift.to(device))
        scale, shift = self._there[device]
        return torch.addcmul(shift, pixels.to(scale.dtype), scale)


def as_feed(inputs: Tensor | Feed) -> Feed:
    """A feed of what may be a bare tensor of prepared inputs."""
    return TensorFeed(inputs) if isinstance(inputs, Tensor) else inputs


def on_device(inputs: Tensor, device: str) -> Tensor:
    """A dataset on the device, unless that is a GPU with too little room beside what training needs.

    A file that is mapped into memory stays one on a CPU, and is read as batches ask for it.
    """
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info()
        if inputs.numel() * inputs.element_size() > SHARE * free:
            return inputs
    return inputs.to(device)


def _rows(inputs: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    batch = inputs.index_select(0, rows.to(inputs.device))
    # By type: "cuda" and "cuda:0" are not equal, though they name one device.
    if inputs.device.type == device.type:
        return batch
    return (batch.pin_memory() if device.type == "cuda" else batch).to(device, non_blocking=True)
