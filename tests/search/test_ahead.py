"""Many runs in flight: the same worth as run by run, counted in few updates, and once for two questions."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import kdsearch as kd
from kdsearch.search.ahead import Ahead
from kdsearch.search.policy import New
from kdsearch.search.policy import Setting
from kdsearch.search.pooled import Pooled
from kdsearch.space import Dimension

SPACE: dict[str, Dimension] = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}


def settings_with(pending: Sequence[int], *, without_result: int = 3, draws: int = 0) -> list[Setting]:
    """Settings of two or three seeds with so many runs in flight each; the last ones have no result yet."""
    random = np.random.default_rng(draws)
    found = []
    for place, flying in enumerate(pending):
        seeds = 0 if place >= len(pending) - without_result else 2 + place % 2
        params = {"x": float(random.random()), "y": float(random.random())}
        values = {seed: -((params["x"] - 0.6) ** 2) + 0.1 * float(random.normal()) for seed in range(seeds)}
        found.append(Setting(params, values, frozenset(range(seeds, seeds + flying))))
    return found


def grow(policy: Any, choices: int) -> list[tuple[Mapping[str, Any] | int, ...]]:
    """Batches of three: the first run of each batch ends at once, the others with the next."""
    settings: list[Setting] = []
    answers = []
    for number in range(choices):
        picks = policy.choose(settings, 3)
        answers.append(tuple(pick.params if isinstance(pick, New) else pick.setting for pick in picks))
        random = np.random.default_rng(number)
        for pick in picks:
            if isinstance(pick, New):
                settings.append(Setting(dict(pick.params)))
            place = len(settings) - 1 if isinstance(pick, New) else pick.setting
            row = settings[place]
            value = -((float(row.params["x"]) - 0.6) ** 2) + 0.1 * float(random.normal())
            settings[place] = Setting(row.params, {**row.objectives, row.next_seed: value})
    return answers


def test_where_no_setting_has_two_runs_in_flight_it_answers_as_the_policy_that_counts_run_by_run() -> None:
    assert grow(Ahead(SPACE, 0), 12) == grow(Pooled(SPACE, 0), 12)
    settings = settings_with([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1])
    assert Ahead(SPACE, 4).choose(settings, 20) == Pooled(SPACE, 4).choose(settings, 20)
    assert Ahead(SPACE, 4).gain_left(settings) == Pooled(SPACE, 4).gain_left(settings)
    assert Ahead(SPACE, 4).beliefs(settings) == Pooled(SPACE, 4).beliefs(settings)


@pytest.mark.parametrize("draws", [0, 1, 2])
def test_runs_in_flight_counted_together_tell_what_they_tell_one_by_one(draws: int) -> None:
    settings = settings_with([7, 0, 1, 40, 2, 0, 3, 0, 5, 2, 1], draws=draws)
    together, one_by_one = Ahead(SPACE, 0)._view(settings, []), Pooled(SPACE, 0)._view(settings, [])
    assert together.names == one_by_one.names
    named = np.ix_(range(len(together.names)), range(len(together.names)))  # the others are drawn anew
    np.testing.assert_allclose(together.covariance[named], one_by_one.covariance[named], rtol=0, atol=1e-10)
    np.testing.assert_allclose(together.mean[named[1][0]], one_by_one.mean[named[1][0]], rtol=0, atol=1e-10)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """What this function is called with from now on."""
    module, _, attribute = name.rpartition(".")
    real = getattr(importlib.import_module(module), attribute)
    calls: list[tuple[Any, ...]] = []

    def recorded(*given: Any) -> Any:
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(name, recorded)
    return calls


def test_a_thousand_runs_in_flight_take_two_updates_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with([100] * 11)
    first = counted(monkeypatch, "kdsearch.search.pooled.after_run")
    others = counted(monkeypatch, "kdsearch.search.ahead.after_run")
    view = Ahead(SPACE, 0)._view(settings, [])
    assert sorted(position for _, position, _ in first) == [*range(len(settings))]
    assert sorted(position for _, position, _ in others) == [*range(len(settings))]
    alone = [float(view.covariance[place, place]) for place in range(len(settings))]
    assert max(alone) <= view.noise / 100, "a hundred runs leave at most their own mean's variance"


def test_what_is_left_to_gain_and_what_comes_next_are_read_off_one_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    proposed = counted(monkeypatch, "kdsearch.search.pooled.propose")
    settings = settings_with([3, 0, 0, 2, 0, 0, 3, 0, 0, 2, 1])
    policy = Ahead(SPACE, 0)
    gain = policy.gain_left(settings)
    picks = policy.choose(settings, 5)
    assert len(proposed) == 1
    assert policy.gain_left(settings) == gain == Ahead(SPACE, 0).gain_left(settings)
    assert policy.choose(settings, 5) == picks == Ahead(SPACE, 0).choose(settings, 5)

    settings[0] = Setting(settings[0].params, {**settings[0].objectives, 9: 5.0})
    assert policy.choose(settings, 5) != picks, "the same list, but not as it was"
