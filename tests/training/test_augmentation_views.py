"""Crops of random size: against crop and scale one image after the other, and torchvision's distribution."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from kdsearch.torchvision_compat import import_torchvision
from kdsearch.training.augmentation import ResizedCrop, boxes
from kdsearch.training.feeds import ImageFeed
from kdsearch.training.randomness import views_key


def words(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 2**32, (count,), generator=torch.Generator().manual_seed(seed))


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(24, 3, 20, 28), (24, 3, 4, 16, 16)])
def test_equals_crop_and_scale_of_one_image_after_the_other(shape: tuple[int, ...]) -> None:
    raw, view = pixels(*shape), words(shape[0])
    height, width = shape[-2:]
    found = ResizedCrop().cut(raw, view)
    (tops, heights, lefts, widths), flips = boxes(view, height, width)
    assert len(set(flips.tolist())) == 2
    for i in range(shape[0]):
        top, h, left, w = int(tops[i]), int(heights[i]), int(lefts[i]), int(widths[i])
        planes = raw[i].flatten(0, -3)[None, :, top : top + h, left : left + w].float()
        want = F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
        want = want.flip(-1) if flips[i] else want
        torch.testing.assert_close(found[i], want[0].view(raw[i].shape), rtol=0, atol=2e-3)


def test_boxes_are_distributed_as_torchvisions() -> None:
    import_torchvision()
    from torchvision.transforms import RandomResizedCrop

    height, width, count = 90, 120, 3000
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    ).double()
    (top, h, left, w), flip = boxes(words(count), height, width)
    ours = torch.stack([top, left, h, w], 1).double()

    def compared(rows: torch.Tensor) -> list[torch.Tensor]:
        y, x, tall, wide = rows.unbind(1)
        return [tall * wide, wide / tall, y / (height - tall + 1), x / (width - wide + 1)]

    for own, other in zip(compared(ours), compared(theirs), strict=True):
        assert stats.ks_2samp(own.numpy(), other.numpy()).pvalue > 1e-3
    assert abs(float(flip.double().mean()) - 0.5) < 0.04
    assert bool(((top + h <= height) & (left + w <= width) & (h >= 1) & (w >= 1)).all())


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4)])
def test_where_nothing_fits_the_middle_is_shown_as_torchvision_does(height: int, width: int) -> None:
    # An area of 8 % and more has a shorter side of at least 9 pixels, of which there are 4.
    import_torchvision()
    from torchvision.transforms import RandomResizedCrop

    image = torch.zeros(3, height, width)
    top, left, tall, wide = RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])
    box, _ = boxes(words(50), height, width)
    assert box.unique(dim=1).T.tolist() == [[top, tall, left, wide]]


@pytest.mark.parametrize(("height", "width"), [(10, 20), (20, 10)])
def test_a_box_may_be_as_high_or_as_wide_as_the_image(height: int, width: int) -> None:
    """Then it lies anywhere along the other side, and not in the middle as where nothing fits."""
    (top, h, left, w), _ = boxes(words(3000), height, width)
    whole = h == height if height < width else w == width
    begins = (left if height < width else top)[whole]
    length = (w if height < width else h)[whole]
    assert int(whole.sum()) > 100
    assert len(begins[length == 9].unique()) > 8
    assert int((top + h).max()) == height
    assert int((left + w).max()) == width


def test_views_and_boxes_are_those_of_earlier_versions() -> None:
    """Stored runs are reproduced by the same numbers."""
    keys = torch.tensor([views_key(1), views_key(2)])
    view = ResizedCrop().draw(torch.arange(3).expand(2, -1), keys, torch.tensor([0, 5]))
    assert view.tolist() == [[57628557, 896889979, 3916095460], [3873169153, 3092650633, 3996541257]]
    (top, h, left, w), flip = boxes(view.flatten(), 90, 120)
    assert (top.tolist(), h.tolist()) == ([9, 25, 2, 19, 33, 28], [81, 41, 84, 69, 50, 59])
    assert (left.tolist(), w.tolist()) == ([6, 49, 9, 58, 32, 39], [93, 33, 68, 61, 64, 62])
    assert flip.tolist() == [False, False, True, True, True, True]


def test_a_feed_shows_them_by_key_epoch_and_clip_and_evaluates_clean_images() -> None:
    raw = pixels(6, 3, 16, 16)
    feed = ImageFeed(raw, (0.1, 0.2, 0.3), (0.5, 0.5, 0.5), seen=ResizedCrop())
    clean = feed.take(feed.clean(torch.arange(6)), torch.device("cpu"))
    plain = ImageFeed(raw, (0.1, 0.2, 0.3), (0.5, 0.5, 0.5)).take(torch.arange(6), torch.device("cpu"))
    torch.testing.assert_close(clean, plain)
    keys = torch.tensor([views_key(1), views_key(2)])
    clips = torch.arange(6).expand(2, -1)
    first = feed.draw(clips, keys, torch.tensor([0, 0]))
    again = feed.draw(clips[:, :3], keys, torch.tensor([0, 0]))
    assert torch.equal(first[:, :3], again), "a view does not depend on the rest of the batch"
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, feed.draw(clips, keys, torch.tensor([1, 0])))
    assert torch.equal(feed.clips(first), clips)
    assert not torch.allclose(feed.take(first[0], torch.device("cpu")), plain)
