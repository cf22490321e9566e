from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kdsearch.training.randomness import FIXED, ORDER, build_seeded, order, stream, varied


def test_order_is_a_stateless_permutation() -> None:
    first = order(3, 7, 50)
    assert sorted(first.tolist()) == list(range(50))
    assert np.array_equal(first, order(3, 7, 50))
    others = [order(3, 8, 50), order(4, 7, 50)]
    assert not any(np.array_equal(first, other) for other in others)


def test_order_is_what_the_documented_stream_gives() -> None:
    want = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(1, 7))).permutation(50)
    assert ORDER == 1
    assert np.array_equal(order(3, 7, 50), want)


def test_confirm_seeds_have_streams_of_their_own() -> None:
    states = {tuple(stream(seed, 0).generate_state(4)) for seed in (0, 1, 2147483648, 2**63)}
    assert len(states) == 4


def test_building_is_seeded_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    first = build_seeded(1, lambda: nn.Linear(4, 4))
    assert torch.equal(torch.rand(3), want)
    torch.rand(17)
    assert torch.equal(first.weight, build_seeded(1, lambda: nn.Linear(4, 4)).weight)
    assert not torch.equal(first.weight, build_seeded(2, lambda: nn.Linear(4, 4)).weight)


def test_streams_that_do_not_vary_stay_as_they_are() -> None:
    assert varied("order", 7, "initialisation+order") == 7
    assert varied("order", 7, "initialisation") == FIXED
    assert varied("initialisation", 7, "initialisation") == 7
    assert varied("initialisation", 7, "nothing") == FIXED
    with pytest.raises(ValueError, match="vary names initialisation, order"):
        varied("order", 7, "weather")
