from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from kdsearch.training.schedules import Cosine, Plateau, Schedule, StepDecay


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


def test_a_plateau_takes_no_notice_of_epochs() -> None:
    plateau, untouched = Plateau(0.1, 0), Plateau(0.1, 0)
    for epoch in range(1, 5):
        plateau.epoch_ended(epoch)
    assert plateau == untouched


OfTorch = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


def rates_by_epoch(schedule: Schedule, epochs: int) -> list[float]:
    rates = []
    for epoch in range(1, epochs + 1):
        rates.append(schedule.learning_rate)
        schedule.step(0.5)
        schedule.epoch_ended(epoch)
        assert not schedule.exhausted
    return rates


def torchs_by_epoch(make: OfTorch, epochs: int, learning_rate: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=learning_rate)
    schedule = make(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("milestones", [(4, 9), (1,), (9, 4), (3, 3, 5), ()])
def test_milestones_equal_torchs(milestones: tuple[int, ...]) -> None:
    expected = torchs_by_epoch(lambda o: lr_scheduler.MultiStepLR(o, list(milestones), 0.2), 12, 0.03)
    assert rates_by_epoch(StepDecay(0.03, milestones=milestones, factor=0.2), 12) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("epochs", [1, 2, 15])
def test_the_cosine_equals_torchs(epochs: int) -> None:
    expected = torchs_by_epoch(lambda o: lr_scheduler.CosineAnnealingLR(o, epochs), epochs, 0.03)
    assert rates_by_epoch(Cosine(0.03, epochs), epochs) == pytest.approx(expected, rel=1e-12)


def test_rates_by_hand() -> None:
    assert rates_by_epoch(StepDecay(1.0, milestones=(1, 4), factor=0.5), 6) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]
    # Half way down after half the epochs; 0 is what would come next, and it stays.
    assert rates_by_epoch(Cosine(1.0, 4), 7) == pytest.approx(
        [1, 0.5 + 0.5 * 0.5**0.5, 0.5, 0.5 - 0.5 * 0.5**0.5, 0, 0, 0]
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: Plateau(rate, 1),
        lambda rate: StepDecay(rate, milestones=(2, 6)),
        lambda rate: Cosine(rate, 12),
    ],
)
@pytest.mark.parametrize("ended", [2, 5])
def test_a_checkpoint_continues(make: Callable[[float], Schedule], ended: int) -> None:
    whole, first = make(0.1), make(0.1)
    values = np.random.default_rng(1).random(12).tolist()
    for epoch, value in enumerate(values, start=1):
        for schedule in (whole, first) if epoch <= ended else (whole,):
            schedule.step(value)
            schedule.epoch_ended(epoch)
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second = make(99.0)
    second.load(torch.load(file, weights_only=True))
    for epoch, value in list(enumerate(values, start=1))[ended:]:
        second.step(value)
        second.epoch_ended(epoch)
    assert second == whole
