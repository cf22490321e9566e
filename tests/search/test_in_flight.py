"""Many runs in flight: the same worth as run by run, counted in one update, and once for two questions."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import kdsearch as kd
from kdsearch.search.gp.acquisition import after_run
from kdsearch.search.policies.adaptive import AdaptivePolicy, JointView
from kdsearch.search.policies.base import Configuration, Further, New, Pick
from kdsearch.space import Dimension

SPACE: dict[str, Dimension] = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}


class OneByOne(AdaptivePolicy):
    """One update a run, and nothing kept: what the policy's answers are held against."""

    def joint_view(self, tried: Sequence[Configuration], picked: Sequence[Pick]) -> JointView:
        self._kept = None
        view = super().joint_view([once(row) for row in tried], [pick for pick in picked if isinstance(pick, New)])
        further = [pick.position for pick in picked if isinstance(pick, Further)]
        for position, name in enumerate(view.names):
            more = max(0, len(tried[name].pending) - 1) if name < len(tried) else 0
            for _ in range(more + further.count(name)):
                view.covariance = after_run(view.covariance, position, view.noise)
        return view


def once(row: Configuration) -> Configuration:
    """It with at most one run in flight, and as many seeds spent: random proposals follow from that number."""
    first = frozenset(sorted(row.pending)[:1])
    return replace(row, pending=first, failed=row.failed | (row.pending - first))


def settings_with(pending: Sequence[int], *, without_result: int = 3, draws: int = 0) -> list[Configuration]:
    """Configurations of two or three seeds with so many runs in flight each; the last ones have no result yet."""
    random = np.random.default_rng(draws)
    found = []
    for place, flying in enumerate(pending):
        seeds = 0 if place >= len(pending) - without_result else 2 + place % 2
        params = {"x": float(random.random()), "y": float(random.random())}
        values = {seed: -((params["x"] - 0.6) ** 2) + 0.1 * float(random.normal()) for seed in range(seeds)}
        found.append(Configuration(params, values, frozenset(range(seeds, seeds + flying))))
    return found


def grow(policy: Any, choices: int) -> list[tuple[Any, ...]]:
    """Answers of a search by batches of five: the first run of a batch ends at once, the others with the next batch."""
    tried: list[Configuration] = []
    answers = []
    for number in range(choices):
        random = np.random.default_rng(number)
        for place, row in enumerate(tried):
            tried[place] = ended(row, row.pending, random)
        picks = policy.choose(tried, 5)
        answers.append((policy.gain_left(tried), *picks))
        for position, pick in enumerate(picks):
            if isinstance(pick, New):
                tried.append(Configuration(dict(pick.params)))
            place = len(tried) - 1 if isinstance(pick, New) else pick.position
            row = tried[place]
            flying = replace(row, pending=row.pending | {row.next_seed})
            tried[place] = ended(flying, [row.next_seed], random) if position == 0 else flying
        answers.append((policy.gain_left(tried), *policy.choose(tried, 3)))  # with four runs in flight
    return answers


def ended(row: Configuration, seeds: Iterable[int], random: np.random.Generator) -> Configuration:
    """The configuration once these of its runs have ended."""
    seeds = list(seeds)
    mean = -((float(row.params["x"]) - 0.6) ** 2)
    values = {seed: mean + 0.1 * float(random.normal()) for seed in seeds}
    return replace(row, objectives={**row.objectives, **values}, pending=row.pending - set(seeds))


@pytest.mark.parametrize("folds", [1, 5])
def test_searches_with_runs_in_flight_are_those_of_a_policy_that_counts_run_by_run(folds: int) -> None:
    ours, other = grow(AdaptivePolicy(SPACE, 0, folds=folds), 12), grow(OneByOne(SPACE, 0, folds=folds), 12)
    assert [answer[1:] for answer in ours] == [answer[1:] for answer in other]
    gains = [answer[0] for answer in ours if answer[0] is not None]
    assert len(gains) > 10
    np.testing.assert_allclose(gains, [answer[0] for answer in other if answer[0] is not None], rtol=1e-9)


@pytest.mark.parametrize("draws", [0, 1, 2])
def test_runs_in_flight_counted_together_tell_what_they_tell_one_by_one(draws: int) -> None:
    tried = settings_with([7, 0, 1, 40, 2, 0, 3, 0, 5, 2, 1], draws=draws)
    tried[1] = replace(tried[1], objectives={}, failed=frozenset({0, 1}))  # a configuration of which all runs failed
    tried[3] = replace(tried[3], failed=frozenset({100, 101}))
    started: list[Pick] = [New({"x": 0.1, "y": 0.9}), Further(3), Further(len(tried)), Further(9)]
    nothing: list[Pick] = []
    for picked in (nothing, started):
        together, one_by_one = (kind(SPACE, 0).joint_view(tried, picked) for kind in (AdaptivePolicy, OneByOne))
        assert together.names == one_by_one.names
        np.testing.assert_array_equal(together.fresh, one_by_one.fresh)
        np.testing.assert_array_equal(together.mean, one_by_one.mean)
        np.testing.assert_allclose(together.covariance, one_by_one.covariance, rtol=0, atol=1e-12)
    assert AdaptivePolicy(SPACE, 0).choose(tried, 20) == OneByOne(SPACE, 0).choose(tried, 20)


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


def test_a_thousand_runs_in_flight_take_one_update_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = settings_with([100] * 11)
    updates = counted(monkeypatch, "kdsearch.search.policies.adaptive.after_run")
    view = AdaptivePolicy(SPACE, 0).joint_view(tried, [])
    assert sorted(position for _, position, _ in updates) == [*range(len(tried))]
    alone = [float(view.covariance[place, place]) for place in range(len(tried))]
    assert max(alone) <= view.noise / 100, "a hundred runs leave at most their own mean's variance"


def test_what_is_left_to_gain_and_what_comes_next_are_read_off_one_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    proposed = counted(monkeypatch, "kdsearch.search.policies.adaptive.propose")
    tried = settings_with([3, 0, 0, 2, 0, 0, 3, 0, 0, 2, 1])
    policy = AdaptivePolicy(SPACE, 0)
    gain = policy.gain_left(tried)
    assert gain is not None
    assert gain > 0
    assert len(proposed) == 1
    picks = policy.choose(tried, 5)
    assert len(proposed) == 1
    assert picks == AdaptivePolicy(SPACE, 0).choose(tried, 5)
    assert policy.choose(tried, 5) == picks, "runs that were counted as made are not kept so"

    assert policy.gain_left(tried) == gain
    tried[0] = Configuration(tried[0].params, {**tried[0].objectives, 9: 5.0})
    assert policy.choose(tried, 5) != picks, "the same list, but not as it was"


def test_what_was_kept_is_not_changed_by_counting_runs() -> None:
    tried = settings_with([3, 0, 0, 2, 0, 0, 3, 0, 0, 2, 1])
    policy = AdaptivePolicy(SPACE, 0)
    assert policy.gain_left(tried) is not None
    first = policy.joint_view(tried, [])
    before = first.covariance
    first.run(0)
    second = policy.joint_view(tried, [])
    second.run(1, 3)
    np.testing.assert_array_equal(policy.joint_view(tried, []).covariance, before)
