"""Crop, flip and colour: equal to slicing one by one, and a sample's view depends on seed, epoch and sample alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from kdsearch.training.augmentation import Views, crop_flip, views

KEYS = torch.tensor([3, -(2**62), 2**63 - 1])
EPOCHS = torch.tensor([0, 7, 7])
ROWS = torch.randint(0, 50, (3, 40), generator=torch.Generator().manual_seed(0))


def drawn(*shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """No value is 0, so that what is 0 is padding."""
    return torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def sliced(images: Tensor, rows: Tensor, views: Views, padding: int, crop: tuple[int, int]) -> Tensor:
    """By padding and slicing one sample after the other."""
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    members = []
    for places in zip(rows.tolist(), *(part.tolist() for part in views), strict=True):
        out = []
        for row, dx, dy, flip in zip(*places, strict=True):
            cut = padded[row, ..., dy : dy + crop[0], dx : dx + crop[1]]
            out.append(cut.flip(-1) if flip else cut)
        members.append(torch.stack(out))
    return torch.stack(members)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    ("shape", "padding", "crop"),
    [
        ((50, 3, 8, 8), 2, None),
        ((50, 1, 5, 9), 3, None),
        ((50, 3, 8, 8), 0, (5, 6)),
        ((50, 3, 6, 9), 2, (9, 4)),
        ((50, 3, 4, 7, 6), 2, None),
        ((50, 2, 3, 7, 9), 0, (4, 4)),
    ],
)
def test_cropping_is_slicing(
    shape: tuple[int, ...], padding: int, crop: tuple[int, int] | None, dtype: torch.dtype
) -> None:
    images = drawn(*shape, dtype=dtype)
    seen = views(KEYS, EPOCHS, ROWS, shape[-2:], padding, crop)
    got = crop_flip(images, ROWS, *seen, padding, crop)
    assert got.dtype == dtype
    assert got.is_contiguous()
    assert torch.equal(got, sliced(images, ROWS, seen, padding, crop or (shape[-2], shape[-1])))


def test_every_view_of_an_image_is_right_to_the_corners() -> None:
    images, padding = drawn(2, 3, 4, 5), 2
    dx, dy, flip = torch.cartesian_prod(torch.arange(5), torch.arange(5), torch.arange(2)).T.unsqueeze(1)
    seen = Views(dx, dy, flip.bool())
    rows = torch.ones_like(dx)
    got = crop_flip(images, rows, *seen, padding)
    assert torch.equal(got, sliced(images, rows, seen, padding, (4, 5)))
    still = (dx == padding) & (dy == padding) & ~seen.flip
    assert torch.equal(got[still], images[1:])


def test_the_dataset_is_read_as_it_lies() -> None:
    images = drawn(50, 3, 8, 8)
    seen = views(KEYS, EPOCHS, ROWS, (8, 8), 2)
    want = crop_flip(images, ROWS, *seen, 2)
    last = images.to(memory_format=torch.channels_last)
    assert torch.equal(crop_flip(last, ROWS, *seen, 2), want)
    assert torch.equal(images, drawn(50, 3, 8, 8))


def test_views_are_uniform_and_independent() -> None:
    rows = torch.arange(50_000)[None]
    seen = views(KEYS[:1], EPOCHS[:1], rows, (32, 28), 4, (32, 30))
    for part, count in zip(seen, (7, 9, 2), strict=True):
        counts = torch.bincount(part[0].long(), minlength=count)
        assert len(counts) == count
        assert stats.chisquare(counts.numpy()).pvalue > 0.01
    assert seen.flip.dtype == torch.bool
    table = np.zeros((7, 9, 2))
    np.add.at(table, tuple(part[0].long().numpy() for part in seen), 1)
    assert stats.chisquare(table.flatten()).pvalue > 0.01


def test_epochs_keys_and_samples_are_seen_differently() -> None:
    rows = torch.arange(20_000).repeat(3, 1)
    seen = views(torch.tensor([3, 3, 4]), torch.tensor([0, 1, 0]), rows, (32, 32), 4)
    for part, chance in zip(seen, (1 / 9, 1 / 9, 1 / 2), strict=True):
        for one, other in ((part[0], part[1]), (part[0], part[2]), (part[0, 1:], part[0, :-1])):
            assert float((one == other).double().mean()) == pytest.approx(chance, abs=0.015)


def test_a_view_depends_on_neither_slot_nor_width_nor_order() -> None:
    seen = views(KEYS, EPOCHS, ROWS, (32, 32), 4)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    for member in range(3):
        one = slice(member, member + 1)
        alone = views(KEYS[one], EPOCHS[one], ROWS[one][:, order], (32, 32), 4)
        assert all(torch.equal(a, b[one][:, order]) for a, b in zip(alone, seen, strict=True))
    turned = views(KEYS.flip(0), EPOCHS.flip(0), ROWS.flip(0), (32, 32), 4)
    assert all(torch.equal(a.flip(0), b) for a, b in zip(turned, seen, strict=True))


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"crop of \(9, 4\) does not fit images of \(6, 6\) padded by 1"):
        views(KEYS, EPOCHS, ROWS, (6, 6), 1, (9, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_devices_see_the_same() -> None:
    images = drawn(50, 3, 8, 8)
    places = KEYS.cuda(), EPOCHS.cuda(), ROWS.cuda()
    here, there = views(KEYS, EPOCHS, ROWS, (8, 8), 2), views(*places, (8, 8), 2)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(there, here, strict=True))
    assert torch.equal(crop_flip(images.cuda(), places[2], *there, 2).cpu(), crop_flip(images, ROWS, *here, 2))
