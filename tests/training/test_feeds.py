"""Views of clips: what a sample is, and that steppers, teachers and labels read the same one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.models.classifiers.cifar import ClassifierOutput
from kdsearch.training.augmentation import CropFlip
from kdsearch.training.feeds import Feed, ImageFeed, TensorFeed, as_feed
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.randomness import views_key
from kdsearch.training.steppers import PlainStepper, Views

CPU = torch.device("cpu")
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.4, 0.2)


def images(count: int = 3, side: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def by_hand(image: torch.Tensor, dy: int, dx: int, flip: bool, padding: int) -> torch.Tensor:
    """Pad, cut, mirror, normalise, one step after the other."""
    side = image.shape[-1]
    padded = nn.functional.pad(image, (padding,) * 4)[:, dy : dy + side, dx : dx + side]
    shown = (padded.flip(-1) if flip else padded).double() / 255
    return (shown - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_every_sample_is_its_view_made_by_hand() -> None:
    raw = images()
    feed = ImageFeed(raw, MEAN, STD, seen=CropFlip(1, flip=True), dtype=torch.float64)
    assert feed.views == 18
    found = feed.take(torch.arange(3 * 18), CPU)
    for sample in range(3 * 18):
        clip, view = divmod(sample, 18)
        want = by_hand(raw[clip], view // 2 // 3, view // 2 % 3, view % 2 == 1, 1)
        torch.testing.assert_close(found[sample], want, rtol=1e-6, atol=1e-6)
    assert feed.clips(torch.tensor([0, 17, 18, 53])).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(("padding", "flip"), [(0, False), (0, True), (2, False), (2, True)])
def test_the_clean_view_is_the_image_itself(padding: int, flip: bool) -> None:
    raw = images()
    feed = ImageFeed(raw, MEAN, STD, seen=CropFlip(padding, flip=flip), dtype=torch.float64)
    found = feed.take(feed.clean(torch.arange(3)), CPU)
    want = torch.stack([by_hand(image, 0, 0, False, 0) for image in raw])
    torch.testing.assert_close(found, want, rtol=1e-6, atol=1e-6)


def test_views_follow_key_epoch_and_clip_and_are_fair() -> None:
    feed = ImageFeed(images(64), MEAN, STD, seen=CropFlip(1, flip=True))
    clips = torch.arange(64).expand(2, -1)
    keys, epochs = torch.tensor([views_key(1), views_key(2)]), torch.tensor([3, 3])
    first = feed.draw(clips, keys, epochs)
    assert torch.equal(feed.clips(first), clips)
    assert torch.equal(first, feed.draw(clips, keys, epochs)), "no generator is moved"
    assert torch.equal(first[1:], feed.draw(clips[1:], keys[1:], epochs[1:])), "not a function of the slot"
    assert torch.equal(first[:, 5:], feed.draw(clips[:, 5:], keys, epochs)), "not a function of the batch"
    assert (first[0] != first[1]).float().mean() > 0.8, "18 views: two runs agree in one of 18"
    assert (first != feed.draw(clips, keys, epochs + 1)).float().mean() > 0.8
    many = feed.draw(torch.zeros(4000, 1, dtype=torch.int64), torch.arange(4000), torch.ones(4000, dtype=torch.int64))
    counts = torch.bincount(many.flatten() % 18, minlength=18)
    # Each is binomial(4000, 1/18): mean 222, sd 14.5; no flip makes nine of them 0.
    assert 222 - 5 * 14.5 < counts.min() <= counts.max() < 222 + 5 * 14.5


class Mean(nn.Module):
    """Logits: the channels' means times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, given: torch.Tensor) -> ClassifierOutput:
        return ClassifierOutput(given.mean((2, 3)) * self.weight)


def test_a_step_trains_on_the_view_that_its_loss_is_told() -> None:
    feed = ImageFeed(images(), MEAN, STD, seen=CropFlip(2, flip=True))
    seen: list[torch.Tensor] = []

    def loss(outputs: ClassifierOutput, samples: torch.Tensor) -> torch.Tensor:
        seen.append(samples)
        want = feed.take(samples, CPU).mean((2, 3))
        torch.testing.assert_close(outputs.logits.detach(), want)
        return outputs.logits.sum() * 0

    model = Mean()
    stepper = PlainStepper(model, make_optimizer("sgd", model.parameters(), 0.0), feed, loss)
    clips = torch.tensor([[2, 0, 1]])
    with pytest.raises(ValueError, match="begin the epoch with the runs' keys"):
        stepper.step(clips)
    views = Views.of([views_key(0)], [1], CPU)
    stepper.begin([0.1], views)
    stepper.step(clips)
    assert torch.equal(seen[0], feed.draw(clips, *views)[0])
    want = feed.take(feed.clean(torch.arange(3)), CPU).mean((2, 3))
    torch.testing.assert_close(stepper.outputs([0], torch.arange(3)).logits[0], want)


def test_a_bare_tensor_is_a_feed_of_one_view_each() -> None:
    inputs = torch.arange(6.0).view(3, 2)
    feed: Feed = as_feed(inputs)
    assert isinstance(feed, TensorFeed)
    assert as_feed(feed) is feed
    assert (feed.values, feed.views) == (2, 1)
