"""The views that images are shown in: what each number of a view means, and how it is cut.

How a sample is seen is a function of the run's key, the epoch and the sample's index alone: not of the batch it stands
in, the member's slot, the number of members or the device. Cropping is index arithmetic on the dataset where it lies,
usually uint8; only the batch is ever copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch import counter_rng

AREAS = (0.08, 1.0)
RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10
"""torchvision's: shares of the image's area, widths by heights, and how often a crop is drawn till one fits."""

_WORDS = 2**32
_RESIZED = 2
"""The place of a resized crop's word; ``kdsearch.training.augmentation`` has 0 and 1."""


class ImageViews(Protocol):
    """Views of images, numbered 0 to ``count - 1``; ``clean`` is the image as it is."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def clean(self) -> int:
        """The number of the view without crop and flip."""

    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor, size: Sequence[int]) -> Tensor:
        """Numbers ``[W, B]`` of views of the clips ``[W, B]``, see ``Feed.draw``; ``size`` is height and width."""

    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """uint8 images ``[n, C, H, W]`` or clips ``[n, C, T, H, W]`` in the views ``[n]``, of the same shape."""


class CropFlip:
    """Crops after padding by so many black pixels, and flips.

    A view is ``(dy * side + dx) * 2 + flip`` with ``side = 2 padding + 1``: 162 at padding 4. Without flip and padding
    there is one, the clean one.
    """

    def __init__(self, padding: int = 0, flip: bool = False) -> None:
        self.padding = padding
        self.flip = flip
        self.side = 2 * padding + 1
        self.count = self.side * self.side * 2 if padding or flip else 1
        self.clean = 0 if self.count == 1 else (padding * self.side + padding) * 2

    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor, size: Sequence[int]) -> Tensor:
        """See :class:`ImageViews`."""
        seen = views(keys, epochs, clips, size, self.padding)
        return (seen.dy * self.side + seen.dx) * 2 + (seen.flip.long() if self.flip else 0)

    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """See :class:`ImageViews`."""
        rows = torch.arange(len(pixels), device=pixels.device)
        dy, dx, flip = view // 2 // self.side, view // 2 % self.side, (view % 2).bool()
        return crop_flip(pixels, rows[None], dx[None], dy[None], flip[None], self.padding)[0]


class ResizedCrop:
    """Crops of random size and shape, scaled to the image's size, and flips, as torchvision's ``RandomResizedCrop``.

    A view is a 32-bit word, from which ``boxes`` makes area, shape, place and flip; the last number is the clean view.
    Crops are scaled bilinearly, without antialiasing. Source: Szegedy et al., CVPR 2015, and torchvision's code: an
    area uniform in 8 to 100 % of the image's, the logarithm of width by height uniform between those of 3/4 and 4/3,
    the first of ten draws that fits, else the middle of the image.
    """

    count = _WORDS + 1
    clean = _WORDS

    def draw(self, clips: Tensor, keys: Tensor, epochs: Tensor, size: Sequence[int]) -> Tensor:
        """See :class:`ImageViews`."""
        return counter_rng.random_bits(keys[:, None], clips, epochs[:, None], 0, _RESIZED)[0]

    def cut(self, pixels: Tensor, view: Tensor) -> Tensor:
        """See :class:`ImageViews`; float32, in 0 to 255."""
        height, width = pixels.shape[-2:]
        box, flip = boxes(view, height, width)
        y = _places(box[0], box[1], height)
        x = _places(box[2], box[3], width)
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


def _places(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Where ``side`` points lie ``[n, side]`` that divide ``length`` pixels from ``start`` on, kept inside them."""
    points = torch.arange(side, device=start.device, dtype=torch.float64)
    start, length = start.double().unsqueeze(1), length.double().unsqueeze(1)
    inside = ((points + 0.5) * length / side - 0.5).clamp(min=0)
    return start + torch.minimum(inside, length - 1)


# The last number of a place says what is drawn there.
_VIEW = 0


class Views(NamedTuple):
    """How samples are cropped: ``dx`` and ``dy`` int64 ``[M, B]`` in the padded image, ``flip`` bool ``[M, B]``."""

    dx: Tensor
    dy: Tensor
    flip: Tensor


def views(
    key: Tensor, epoch: Tensor, rows: Tensor, size: Sequence[int], padding: int, crop: Sequence[int] | None = None
) -> Views:
    """Crop and flip of the samples ``rows`` ``[M, B]`` in the epochs ``[M]`` of the runs of ``key`` ``[M]``.

    ``size`` is height and width of the images, ``crop`` those of what is cut out of the padded image (default:
    ``size``). ``dx`` is uniform in 0..W + 2 padding - w, ``dy`` alike, ``flip`` is fair. ``B`` may be a whole epoch:
    that is cheaper than step by step. Raises ``ValueError`` where the crop does not fit.
    """
    room = [side + 2 * padding - cut for side, cut in zip(size, crop or size, strict=True)]
    if min(room) < 0:
        raise ValueError(f"a crop of {crop} does not fit images of {tuple(size)} padded by {padding}")
    random = counter_rng.random_bits(key[:, None], rows, epoch[:, None], 0, _VIEW)
    return Views(
        dx=counter_rng.below(random[0], room[1] + 1),
        dy=counter_rng.below(random[1], room[0] + 1),
        flip=counter_rng.below(random[2], 2).bool(),
    )


def crop_flip(
    images: Tensor,
    rows: Tensor,
    dx: Tensor,
    dy: Tensor,
    flip: Tensor,
    padding: int,
    crop: Sequence[int] | None = None,
) -> Tensor:
    """Crops of ``rows`` ``[M, B]``: images ``[N, C, H, W]`` to ``[M, B, C, h, w]``, clips have T before H in both.

    Each sample is padded by ``padding`` zeros on four sides, cut to ``crop`` (h, w; default H, W) from row ``dy`` and
    column ``dx`` on, all ``[M, B]``, and then mirrored left to right where ``flip``; all frames of a clip alike. With
    s(x) = w - 1 - x where flipped, else x:

        ``out[m, b, ..., y, x] = images[rows[m, b], ..., y + dy - padding, s(x) + dx - padding]``, 0 outside the image.

    Any dtype, which stays. Beside the result it takes the batch uncut and one int64 a pixel (not a value).
    """
    height, width = images.shape[-2:]
    cut = tuple(crop or (height, width))
    y, inside_y = _source(torch.arange(cut[0], device=rows.device), dy, height, padding)
    across = torch.arange(cut[1], device=rows.device)
    across = torch.where(flip.reshape(-1, 1), cut[1] - 1 - across, across)
    x, inside_x = _source(across, dx, width, padding)

    pixel = (y.unsqueeze(2) * width + x.unsqueeze(1)).flatten(1)
    inside = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).flatten(1)
    planes = images.index_select(0, rows.flatten()).flatten(-2).flatten(1, -2)
    taken = planes.gather(2, pixel.unsqueeze(1).expand(-1, planes.shape[1], -1))
    return taken.masked_fill_(~inside.unsqueeze(1), 0).view(*rows.shape, *images.shape[1:-2], *cut)


def _source(place: Tensor, shift: Tensor, side: int, padding: int) -> tuple[Tensor, Tensor]:
    """Indices into the image ``[M * B, cut]``, kept inside, and whether they were."""
    source = place + shift.reshape(-1, 1) - padding
    return source.clamp(0, side - 1), (source >= 0) & (source < side)
