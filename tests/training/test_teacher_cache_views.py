"""A table of what a frozen network says: the same answers, each asked for once, within bounds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kdsearch.training import teacher_cache
from kdsearch.training.teacher_cache import Space, ViewCache, concatenated

CLIPS = torch.tensor([2, 5, 9])
VIEWS = 4


class Network:
    """Says the sample and its square, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, samples: Tensor) -> Tensor:
        self.asked += samples.tolist()
        return torch.stack([samples, samples**2], 1).float()


def test_each_view_is_asked_for_once_and_answered_in_place() -> None:
    network = Network()
    cache = ViewCache(network, Space(CLIPS, VIEWS), 2)
    samples = torch.tensor([[5 * 4 + 1, 2 * 4], [9 * 4 + 3, 5 * 4 + 1]])
    for _ in range(2):
        said = cache(samples)
        assert torch.equal(said, torch.stack([samples, samples**2], -1).float())
    assert sorted(network.asked) == [8, 21, 39]
    every = (CLIPS.unsqueeze(1) * VIEWS + torch.arange(VIEWS)).flatten()
    cache(every)
    assert sorted(network.asked) == every.tolist()
    assert cache.left == 0


def test_a_table_that_is_too_large_is_not_kept() -> None:
    network = Network()
    cache = ViewCache(network, Space(CLIPS, VIEWS), 2, limit=3 * 4 * 2 * 4 - 1)
    assert not cache.kept
    assert cache.table.numel() == 0
    for _ in range(2):
        assert torch.equal(cache(torch.tensor([8])), torch.tensor([[8.0, 64.0]]))
    assert network.asked == [8, 8]
    assert ViewCache(network, Space(CLIPS, VIEWS), 2, limit=3 * 4 * 2 * 4).kept


def test_clips_that_it_was_not_made_for_are_refused() -> None:
    cache = ViewCache(Network(), Space(CLIPS, VIEWS), 2)
    with pytest.raises(ValueError, match="clips that are not among those"):
        cache(torch.tensor([3 * VIEWS]))


def test_all_tables_together_leave_memory_to_train_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 96 bytes; of 1,000 free ones 300 are for tables: three, and a fourth once one is gone."""
    monkeypatch.setattr(teacher_cache, "_LIVE", teacher_cache.weakref.WeakSet())

    def free(device: torch.device) -> int:
        return 1000 - sum(cache.table.nbytes for cache in teacher_cache._LIVE)

    monkeypatch.setattr(teacher_cache, "free_memory", free)
    monkeypatch.setattr(teacher_cache, "SHARE", 0.2)
    caches = [ViewCache(Network(), Space(CLIPS, VIEWS), 2) for _ in range(4)]
    assert [cache.kept for cache in caches] == [True, True, True, False]
    del caches[0]
    assert ViewCache(Network(), Space(CLIPS, VIEWS), 2).kept


def test_several_networks_stand_side_by_side() -> None:
    one, two = ViewCache(Network(), Space(CLIPS, VIEWS), 2), ViewCache(Network(), Space(CLIPS, VIEWS), 2)
    said = concatenated([one, two])(torch.tensor([8, 9]))
    assert torch.equal(said, torch.tensor([[8.0, 64.0, 8.0, 64.0], [9.0, 81.0, 9.0, 81.0]]))
