"""Random crop, flip and colour of images and clips on the device, for all members of a population at once.

How a sample is seen is a function of the run's key, the epoch and the sample's index alone: not of the batch it stands
in, the member's slot, the number of members or the device. Cropping is index arithmetic on the dataset where it lies,
usually uint8; only the batch is ever copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kdsearch import counter

# The last number of a place says what is drawn there.
_VIEW = 0
_COLOUR = 1


class Views(NamedTuple):
    """How samples are cropped: ``dx`` and ``dy`` int64 ``[M, B]`` in the padded image, ``flip`` bool ``[M, B]``."""

    dx: Tensor
    dy: Tensor
    flip: Tensor


class Colours(NamedTuple):
    """Factors of samples: ``brightness`` and ``contrast``, floats ``[M, B]``; 1 changes nothing."""

    brightness: Tensor
    contrast: Tensor


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
    random = counter.words(key[:, None], rows, epoch[:, None], 0, _VIEW)
    return Views(
        dx=counter.below(random[0], room[1] + 1),
        dy=counter.below(random[1], room[0] + 1),
        flip=counter.below(random[2], 2).bool(),
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


def colours(key: Tensor, epoch: Tensor, rows: Tensor, brightness: Tensor | float, contrast: Tensor | float) -> Colours:
    """Factors uniform in [1 - strength, 1 + strength) of the samples ``rows``, arguments as in :func:`views`.

    The strengths are numbers, or ``[M, 1]`` where members differ.
    """
    random = 2 * counter.unit(counter.words(key[:, None], rows, epoch[:, None], 0, _COLOUR)[:2]) - 1
    return Colours(1 + random[0] * brightness, 1 + random[1] * contrast)


def recolour(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Images or clips ``[M, B, ...]``, floating and in 0..1, with the factors ``[M, B]`` applied, again in 0..1.

    Brightness multiplies; contrast then multiplies the distance to the sample's mean: that of all its values, so that
    any number of channels and frames will do (torchvision's is that of the grey image).
    """
    shape = (*brightness.shape, *(1,) * (images.dim() - brightness.dim()))
    bright = (images * brightness.view(shape).to(images.dtype)).clamp(0, 1)
    mean = bright.flatten(brightness.dim()).mean(-1).view(shape)
    return (mean + (bright - mean) * contrast.view(shape).to(images.dtype)).clamp(0, 1)
