from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsearch.metrics.chance import chance_average_precision
from kdsearch.metrics.retrieval import (
    expected_average_precision,
    hamming,
    mean_average_precision,
    mean_over_queries,
    sign_codes,
    stable_average_precision,
)


def average_precision(relevant: list[bool]) -> float:
    """The definition, in plain Python."""
    hits, total = 0, 0.0
    for place, is_hit in enumerate(relevant, 1):
        if is_hit:
            hits += 1
            total += hits / place
    return total / hits


def tie_orders(distance: list[int], relevant: list[bool]) -> list[float]:
    """Average precision of every ranking that is sorted by distance."""
    found = []
    for order in itertools.permutations(range(len(distance))):
        ranked = [distance[i] for i in order]
        if ranked == sorted(ranked):
            found.append(average_precision([relevant[i] for i in order]))
    return found


def test_hamming_counts_differing_bits() -> None:
    query = torch.tensor([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    database = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])
    assert hamming(query, database).tolist() == [[0, 2], [2, 2]]


def test_hamming_equals_comparison_over_leading_dimensions() -> None:
    codes = sign_codes(torch.randn(2, 3, 9, 48))
    other = sign_codes(torch.randn(2, 3, 11, 48))
    assert torch.equal(hamming(codes, other), (codes.unsqueeze(-2) != other.unsqueeze(-3)).sum(-1))


def test_sign_of_zero_is_plus_one() -> None:
    assert sign_codes(torch.tensor([0.0, -0.0, 1e-9, -1e-9])).tolist() == [1.0, 1.0, 1.0, -1.0]


def test_golden_value_without_ties() -> None:
    # Ranks 1, 3 and 4 are relevant: (1/1 + 2/3 + 3/4) / 3 = 29/36.
    distance = torch.tensor([[0, 1, 2, 3]])
    relevant = torch.tensor([[True, False, True, True]])
    assert expected_average_precision(distance, relevant, 3).item() == pytest.approx(29 / 36, abs=1e-15)
    assert stable_average_precision(distance, relevant).item() == pytest.approx(29 / 36, abs=1e-15)


def test_golden_value_with_ties() -> None:
    # One relevant of two at distance 0: precision 1 or 1/2, on average 3/4. One more, alone at distance 1: 2/3.
    distance = torch.tensor([[0, 0, 1]])
    relevant = torch.tensor([[False, True, True]])
    assert expected_average_precision(distance, relevant, 1).item() == pytest.approx((3 / 4 + 2 / 3) / 2, abs=1e-15)
    assert stable_average_precision(distance, relevant).item() == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-15)


@pytest.mark.parametrize("seed", range(12))
def test_expectation_equals_mean_over_all_tie_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 8))
    distance = rng.integers(0, 3, count).tolist()
    relevant = (rng.random(count) < 0.5).tolist()
    relevant[0] = True
    got = expected_average_precision(torch.tensor([distance]), torch.tensor([relevant]), 2).item()
    assert got == pytest.approx(np.mean(tie_orders(distance, relevant)), abs=1e-14)


def test_expectation_equals_shuffles_on_a_realistic_case() -> None:
    rng = np.random.default_rng(0)
    labels, queries = np.repeat(np.arange(10), 20), np.arange(10)
    centres = rng.normal(size=(10, 12))
    codes = np.sign(centres[labels] + 1.5 * rng.normal(size=(200, 12)))
    distance = (np.sign(centres)[:, None] != codes[None]).sum(-1)
    relevant = queries[:, None] == labels[None]
    expected = expected_average_precision(torch.from_numpy(distance), torch.from_numpy(relevant), 12).numpy()
    draws = np.empty((1000, 10))
    places = np.arange(1, 201)
    for draw in draws:
        order = np.argsort(distance + rng.random((10, 200)), axis=1)
        hits = np.take_along_axis(relevant, order, 1)
        draw[:] = (hits.cumsum(1) / places * hits).sum(1) / hits.sum(1)
    assert (np.abs(draws.mean(0) - expected) < 4 * draws.std(0, ddof=1) / np.sqrt(1000)).all()


def test_leading_dimensions_are_members() -> None:
    codes, other = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    relevant = torch.rand(5, 7) < 0.5
    relevant[:, 0] = True
    for stable in (False, True):
        together = mean_average_precision(codes, other, relevant, stable_ties=stable)
        alone = [mean_average_precision(codes[i], other[i], relevant, stable_ties=stable) for i in range(3)]
        assert torch.equal(together, torch.stack(alone))


def test_queries_without_relevant_items_are_left_out() -> None:
    distance = torch.tensor([[0, 1], [0, 1]])
    relevant = torch.tensor([[True, False], [False, False]])
    for precision in (expected_average_precision(distance, relevant, 1), stable_average_precision(distance, relevant)):
        assert precision[0].item() == 1
        assert precision[1].isnan()
        assert mean_over_queries(precision).item() == 1


def test_chance_equals_constant_codes() -> None:
    rng = np.random.default_rng(1)
    query, database = rng.integers(0, 5, 30), rng.integers(0, 4, 60)
    relevant = torch.from_numpy(query[:, None] == database)
    got = mean_average_precision(torch.ones(30, 8), torch.ones(60, 8), relevant).item()
    assert chance_average_precision(query, database) == pytest.approx(got, abs=1e-14)


def test_chance_without_any_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of 1 queries"):
        chance_average_precision(np.array([3]), np.array([1, 2]))


def test_stable_order_flatters_constant_codes_in_a_sorted_database() -> None:
    labels = np.repeat(np.arange(14), 30)
    relevant = torch.from_numpy(labels[::5, None] == labels)
    codes, other = torch.ones(len(relevant), 48), torch.ones(len(labels), 48)
    honest = mean_average_precision(codes, other, relevant).item()
    assert mean_average_precision(codes, other, relevant, stable_ties=True).item() > 1.8 * honest


@pytest.mark.real_data
@pytest.mark.skipif("KDSEARCH_DATA" not in os.environ, reason="KDSEARCH_DATA names no folder with the real archives")
def test_constant_codes_on_real_poses() -> None:
    (file,) = list(Path(os.environ["KDSEARCH_DATA"]).rglob("jhmdb_pose.npz"))[:1]
    archive = np.load(file)
    labels, split = archive["label"].astype(int), archive["split"][:, 0]
    query, database = labels[split == 2], np.sort(labels[split == 1])
    relevant = torch.from_numpy(query[:, None] == database)
    codes, other = torch.ones(len(query), 48), torch.ones(len(database), 48)
    assert mean_average_precision(codes, other, relevant, stable_ties=True).item() == pytest.approx(0.1697, abs=1e-3)
    assert mean_average_precision(codes, other, relevant).item() == pytest.approx(0.0845, abs=1e-3)
