"""The views that images are shown in: what each number of a view means, and how it is cut.

How a sample is seen is a function of the run's key, the epoch and the sample's index alone: not of the batch it stands
in, the member's slot, the number of members or the device. Cropping is index arithmetic on the dataset where it lies,
usually uint8; only the batch is ever copied.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from kdsearch import counter_rng

AREAS = (0.08, 1.0)
RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10
"""torchvision's: shares of the image's area, widths by heights, and how often a crop is drawn till one fits."""

_WORDS = 2**32
# The last number of a counter says what is drawn there.
_CROP_FLIP = 0
_RESIZED = 2


class ImageViews(ABC):
    """Views of images, numbered 0 to ``count - 1``; ``clean`` is the number of the image as it is."""

    count: int
    clean: int

    @abstractmethod
    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor) -> Tensor:
        """Numbers ``[W, B]`` of views of the clips ``[W, B]``, see ``Feed.draw``."""

    @abstractmethod
    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """uint8 images ``[n, C, H, W]`` or clips ``[n, C, T, H, W]`` in the views ``[n]``, of the same shape."""


class CropFlip(ImageViews):
    """Crops after padding by so many black pixels, and flips.

    A view is ``(dy * side + dx) * 2 + flip`` with ``side = 2 padding + 1``: 162 at padding 4. Without flip and padding
    there is one, the clean one. ``dy`` and ``dx`` are uniform in 0 to ``2 padding``, ``flip`` is fair. With
    s(x) = W - 1 - x where flipped, else x, all frames of a clip alike:

        ``out[n, ..., y, x] = pixels[n, ..., y + dy - padding, s(x) + dx - padding]``, 0 outside the image.
    """

    def __init__(self, padding: int = 0, flip: bool = False) -> None:
        self.padding = padding
        self.flip = flip
        self.side = 2 * padding + 1
        self.count = self.side * self.side * 2 if padding or flip else 1
        self.clean = 0 if self.count == 1 else (padding * self.side + padding) * 2

    @override
    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor) -> Tensor:
        random = counter_rng.random_bits(keys[:, None], clips, epochs[:, None], 0, _CROP_FLIP)
        dx, dy = (counter_rng.below(random[axis], self.side) for axis in (0, 1))
        return (dy * self.side + dx) * 2 + (counter_rng.below(random[2], 2) if self.flip else 0)

    @override
    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """Any dtype, which stays. Beside the result it takes one int64 a pixel (not a value)."""
        height, width = pixels.shape[-2:]
        dy, dx, flip = view // 2 // self.side, view // 2 % self.side, (view % 2).bool()
        y, inside_y = self._source(torch.arange(height, device=view.device), dy, height)
        across = torch.arange(width, device=view.device)
        x, inside_x = self._source(torch.where(flip.unsqueeze(1), width - 1 - across, across), dx, width)
        pixel = (y.unsqueeze(2) * width + x.unsqueeze(1)).flatten(1)
        inside = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).flatten(1)
        planes = pixels.flatten(-2).flatten(1, -2)
        taken = planes.gather(2, pixel.unsqueeze(1).expand(-1, planes.shape[1], -1))
        return taken.masked_fill_(~inside.unsqueeze(1), 0).view(pixels.shape)

    def _source(self, axis: Tensor, shift: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Indices into the image ``[n, side]``, kept inside, and whether they were."""
        source = axis + shift.unsqueeze(1) - self.padding
        return source.clamp(0, side - 1), (source >= 0) & (source < side)


class ResizedCrop(ImageViews):
    """Crops of random size and shape, scaled to the image's size, and flips, as torchvision's ``RandomResizedCrop``.

    A view is a 32-bit word, from which ``boxes`` makes area, shape, place and flip; the last number is the clean view.
    Crops are scaled bilinearly, without antialiasing. Source: Szegedy et al., CVPR 2015, and torchvision's code: an
    area uniform in 8 to 100 % of the image's, the logarithm of width by height uniform between those of 3/4 and 4/3,
    the first of ten draws that fits, else the middle of the image.
    """

    count = _WORDS + 1
    clean = _WORDS

    @override
    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor) -> Tensor:
        return counter_rng.random_bits(keys[:, None], clips, epochs[:, None], 0, _RESIZED)[0]

    @override
    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """float32, in 0 to 255."""
        height, width = pixels.shape[-2:]
        box, flip = boxes(view, height, width)
        y = _points(box[0], box[1], height)
        x = _points(box[2], box[3], width)
        x = torch.where(flip.unsqueeze(1), x.flip(1), x)
        # grid_sample's coordinates: -1 and 1 are the outer edges of the first and the last pixel.
        across, down = (2 * x.unsqueeze(1) + 1) / width - 1, (2 * y.unsqueeze(2) + 1) / height - 1
        shape = (len(view), height, width)
        grid = torch.stack([across.expand(shape), down.expand(shape)], -1)
        planes = pixels.flatten(1, -3).float()
        cut = F.grid_sample(planes, grid.float(), mode="bilinear", padding_mode="border", align_corners=False)
        clean = (view == self.clean).view(-1, 1, 1, 1)
        return torch.where(clean, planes, cut).view(pixels.shape)


def boxes(view: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Top, height, left, width ``[4, n]`` int64 and flip ``[n]`` of the views ``[n]`` of :class:`ResizedCrop`."""
    attempt = torch.arange(ATTEMPTS, device=view.device)
    random = counter_rng.random_bits(view.unsqueeze(1), attempt)
    share = AREAS[0] + (AREAS[1] - AREAS[0]) * counter_rng.unit(random[0]).double()
    low, high = math.log(RATIOS[0]), math.log(RATIOS[1])
    ratio = torch.exp(low + (high - low) * counter_rng.unit(random[1]).double())
    h = torch.sqrt(share * height * width / ratio).round().long()
    w = torch.sqrt(share * height * width * ratio).round().long()
    fits = (h >= 1) & (h <= height) & (w >= 1) & (w <= width)
    first = fits.long().argmax(1, keepdim=True)
    some = fits.any(1)
    # Where none fits: the middle, as much of it as the ratios allow.
    tall, wide = min(height, round(width / RATIOS[0])), min(width, round(height * RATIOS[1]))
    h = torch.where(some, h.gather(1, first)[:, 0], tall)
    w = torch.where(some, w.gather(1, first)[:, 0], wide)
    top = torch.where(some, counter_rng.below(random[2].gather(1, first)[:, 0], height - h + 1), (height - tall) // 2)
    left = torch.where(some, counter_rng.below(random[3].gather(1, first)[:, 0], width - w + 1), (width - wide) // 2)
    flip = counter_rng.below(counter_rng.random_bits(view, ATTEMPTS)[0], 2).bool()
    return torch.stack([top, h, left, w]), flip


def _points(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Where ``side`` points lie ``[n, side]`` that divide ``length`` pixels from ``start`` on, kept inside them."""
    points = torch.arange(side, device=start.device, dtype=torch.float64)
    start, length = start.double().unsqueeze(1), length.double().unsqueeze(1)
    inside = ((points + 0.5) * length / side - 0.5).clamp(min=0)
    return start + torch.minimum(inside, length - 1)
