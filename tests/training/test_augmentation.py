"""Crop and flip: equal to slicing one by one, and a sample's view depends on seed, epoch and sample alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from kdsearch.training.augmentation import CropFlip

KEYS = torch.tensor([3, -(2**62), 2**63 - 1])
EPOCHS = torch.tensor([0, 7, 7])
ROWS = torch.randint(0, 50, (3, 40), generator=torch.Generator().manual_seed(0))
GOLDEN = [[120, 33, 26, 29], [119, 12, 110, 49], [156, 112, 21, 124]]
"""Views of the first four of ``ROWS`` at padding 4 with flips."""


def drawn(*shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """No value is 0, so that what is 0 is padding."""
    return torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def parts(view: Tensor, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row, column and flip of views, as the class documents their numbers."""
    side = 2 * padding + 1
    return view // 2 // side, view // 2 % side, view % 2


def sliced(images: Tensor, view: Tensor, padding: int) -> Tensor:
    """By padding and slicing one sample after the other."""
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    height, width = images.shape[-2:]
    out = []
    for image, dy, dx, flip in zip(padded, *(part.tolist() for part in parts(view, padding)), strict=True):
        cut = image[..., dy : dy + height, dx : dx + width]
        out.append(cut.flip(-1) if flip else cut)
    return torch.stack(out)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    ("shape", "padding"), [((3, 8, 8), 2), ((1, 5, 9), 3), ((3, 8, 8), 0), ((3, 4, 7, 6), 2), ((2, 3, 7, 9), 1)]
)
def test_cropping_is_slicing(shape: tuple[int, ...], padding: int, dtype: torch.dtype) -> None:
    images, views = drawn(120, *shape, dtype=dtype), CropFlip(padding, flip=True)
    view = views.draw(ROWS, KEYS, EPOCHS).flatten()
    got = views.cut(images, view)
    assert got.dtype == dtype
    assert got.is_contiguous()
    assert torch.equal(got, sliced(images, view, padding))


def test_every_view_of_an_image_is_right_to_the_corners() -> None:
    views = CropFlip(2, flip=True)
    every = torch.arange(views.count)
    assert len(every) == 5 * 5 * 2
    images = drawn(1, 3, 4, 5).expand(len(every), -1, -1, -1)
    got = views.cut(images, every)
    assert torch.equal(got, sliced(images, every, 2))
    assert torch.equal(got[views.clean], images[0])


def test_the_images_are_read_as_they_lie() -> None:
    images, views = drawn(40, 3, 8, 8), CropFlip(2, flip=True)
    view = views.draw(ROWS[:1], KEYS[:1], EPOCHS[:1])[0]
    want = views.cut(images, view)
    assert torch.equal(views.cut(images.to(memory_format=torch.channels_last), view), want)
    assert torch.equal(images, drawn(40, 3, 8, 8))


def test_views_are_uniform_and_independent() -> None:
    rows = torch.arange(50_000)[None]
    seen = parts(CropFlip(4, flip=True).draw(rows, KEYS[:1], EPOCHS[:1])[0], 4)
    for part, count in zip(seen, (9, 9, 2), strict=True):
        counts = torch.bincount(part, minlength=count)
        assert len(counts) == count
        assert stats.chisquare(counts.numpy()).pvalue > 0.01
    table = np.zeros((9, 9, 2))
    np.add.at(table, tuple(part.numpy() for part in seen), 1)
    assert stats.chisquare(table.flatten()).pvalue > 0.01


def test_without_flips_none_is_drawn() -> None:
    view = CropFlip(4).draw(ROWS, KEYS, EPOCHS)
    assert not (view % 2).any()
    assert torch.equal(view, CropFlip(4, flip=True).draw(ROWS, KEYS, EPOCHS) // 2 * 2)


def test_epochs_keys_and_samples_are_seen_differently() -> None:
    rows = torch.arange(20_000).repeat(3, 1)
    seen = parts(CropFlip(4, flip=True).draw(rows, torch.tensor([3, 3, 4]), torch.tensor([0, 1, 0])), 4)
    for part, chance in zip(seen, (1 / 9, 1 / 9, 1 / 2), strict=True):
        for one, other in ((part[0], part[1]), (part[0], part[2]), (part[0, 1:], part[0, :-1])):
            assert float((one == other).double().mean()) == pytest.approx(chance, abs=0.015)


def test_a_view_depends_on_neither_slot_nor_width_nor_order() -> None:
    views = CropFlip(4, flip=True)
    seen = views.draw(ROWS, KEYS, EPOCHS)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    for member in range(3):
        one = slice(member, member + 1)
        assert torch.equal(views.draw(ROWS[one][:, order], KEYS[one], EPOCHS[one]), seen[one][:, order])
    assert torch.equal(views.draw(ROWS.flip(0), KEYS.flip(0), EPOCHS.flip(0)).flip(0), seen)


def test_views_are_those_of_earlier_versions() -> None:
    """Stored runs are reproduced by the same numbers."""
    view = CropFlip(4, flip=True).draw(ROWS[:, :4], KEYS, EPOCHS)
    assert view.tolist() == GOLDEN


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_devices_see_the_same() -> None:
    images, views = drawn(120, 3, 8, 8), CropFlip(2, flip=True)
    here, there = views.draw(ROWS, KEYS, EPOCHS), views.draw(ROWS.cuda(), KEYS.cuda(), EPOCHS.cuda())
    assert torch.equal(there.cpu(), here)
    assert torch.equal(views.cut(images.cuda(), there.flatten()).cpu(), views.cut(images, here.flatten()))
