from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.training.schedules import Plateau


def rates_of_torch(values: list[float], patience: int, learning_rate: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=patience)
    rates = []
    for value in values:
        schedule.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("patience", [0, 1, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_equals_torch_over_random_sequences(seed: int, patience: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(0.7 + 0.05 * rng.standard_normal(80).cumsum() * 0.3, int(rng.integers(2, 6))).tolist()
    values[10] = values[9] * (1 + 1e-4)
    values[20] = float("nan")
    plateau = Plateau(0.03, patience, reductions=1000)
    rates = []
    for value in values:
        plateau.step(value)
        rates.append(plateau.learning_rate)
    assert rates == rates_of_torch(values, patience, 0.03)


def test_the_plateau_after_the_last_reduction_ends_the_run() -> None:
    plateau = Plateau(1.0, patience=1, reductions=2)
    history = []
    for _ in range(7):
        plateau.step(0.5)
        history.append((round(plateau.learning_rate, 6), plateau.exhausted))
    # The first evaluation is the best; then every second one without improvement ends a plateau.
    assert history == [(1, 0), (1, 0), (0.1, 0), (0.1, 0), (0.01, 0), (0.01, 0), (0.01, 1)]


def test_best_before_sees_a_plateau_one_evaluation_late() -> None:
    values = [0.1, 0.3, 0.2, 0.2, 0.2, 0.2]
    current, late = Plateau(1.0, 1), Plateau(1.0, 1, plateau_input="best_before")
    reduced = {"current": [], "late": []}
    for place, value in enumerate(values):
        for name, plateau in (("current", current), ("late", late)):
            before = plateau.learning_rate
            plateau.step(value)
            if plateau.learning_rate < before:
                reduced[name].append(place)
    assert reduced == {"current": [3, 5], "late": [4]}


def test_best_before_equals_torch_fed_as_the_original_does() -> None:
    values = np.random.default_rng(0).random(40).round(2).tolist()
    # The original steps with its running best, 0 before the first evaluation.
    fed = [max([0.0, *values[:i]]) for i in range(40)]
    plateau = Plateau(0.03, 3, reductions=1000, plateau_input="best_before")
    rates = []
    for value in values:
        plateau.step(value)
        rates.append(plateau.learning_rate)
    assert rates == rates_of_torch(fed, 3, 0.03)


def test_state_continues() -> None:
    values = np.random.default_rng(1).random(30).tolist()
    whole, first = Plateau(0.1, 2), Plateau(0.1, 2)
    for value in values:
        whole.step(value)
    for value in values[:13]:
        first.step(value)
    second = Plateau(99.0, 2)
    second.load(first.state())
    for value in values[13:]:
        second.step(value)
    assert second == whole
