"""The planner's policy: worth by hand, starts, batches, odd spaces."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

import kdsearch as kd
from kdsearch.search.gp.acquisition import after_run, augmented_improvement, expected_gain
from kdsearch.search.gp.priors import REPORTING_PRIOR, SEARCH_PRIOR
from kdsearch.search.policies.adaptive import CONTENDERS, SEEDS, STRIDE, AdaptivePolicy
from kdsearch.search.policies.base import Configuration, Further, New, Pick
from kdsearch.search.policies.fixed import FixedSeeds
from kdsearch.search.policies.subset import imputed, modelled
from kdsearch.search.replay import SyntheticWorld, simulate
from kdsearch.space import Dimension
from tests.benchmarks.planner.folds import Folded, Unaware

SPACE: dict[str, Dimension] = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}


def search(
    policy: Any,
    truth: Callable[[Mapping[str, Any]], float],
    runs: int,
    *,
    at_once: int = 1,
    noise: float = 0.3,
    seed: int = 0,
) -> list[Configuration]:
    """A search whose runs come back in batches of ``at_once``."""
    tried: list[Configuration] = []
    while sum(len(row.objectives) for row in tried) < runs:
        picks: list[Pick] = policy.choose(tried, at_once)
        assert 0 < len(picks) <= at_once
        for pick in picks:
            if isinstance(pick, New):
                tried.append(Configuration(dict(pick.params), {}))
            place = len(tried) - 1 if isinstance(pick, New) else pick.position
            row = tried[place]
            index = row.next_seed
            drawn = float(np.random.default_rng([seed, place, index]).normal())
            tried[place] = Configuration(row.params, {**row.objectives, index: truth(row.params) + noise * drawn})
    return tried


def bump(params: Mapping[str, Any]) -> float:
    return 1 - 4 * (params["x"] - 0.7) ** 2 - 4 * (params["y"] - 0.2) ** 2


def test_augmented_improvement_by_hand() -> None:
    # mu = 1, reference 0.5, s = 0.5, s_e = 1: z = 1, (0.5 * 0.841345 + 0.5 * 0.241971) * (1 - 1 / sqrt(1.25))
    value = augmented_improvement(np.array([1.0]), np.array([0.5]), 0.5, 1.0)
    assert value[0] == pytest.approx(0.541658 * 0.105573, rel=1e-5)


def test_improvement_without_noise_is_the_expectation() -> None:
    draws = 0.2 + 0.7 * np.random.default_rng(0).standard_normal(400_000)
    expected = np.maximum(draws - 0.4, 0).mean()
    assert augmented_improvement(np.array([0.2]), np.array([0.7]), 0.4, 1e-9)[0] == pytest.approx(expected, rel=0.01)


def test_a_run_in_flight_shrinks_what_is_unknown_around_it() -> None:
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    after = after_run(covariance, 0, 1.0)
    assert after == pytest.approx(np.array([[0.5, 0.25], [0.25, 0.875]]))  # 1 - 1/2, 0.5 - 0.5/2, 1 - 0.25/2


def test_gain_left_of_two_equal_settings_by_hand() -> None:
    # E[max(X, Y)] of independent N(0, 1) is 1 / sqrt(pi)
    gain = expected_gain(np.zeros(2), np.eye(2), np.random.default_rng(0), samples=200_000)
    assert gain == pytest.approx(1 / math.sqrt(math.pi), abs=0.005)
    sure = expected_gain(np.array([3.0, 0.0]), 1e-6 * np.eye(2), np.random.default_rng(0))
    assert sure < 1e-3


def test_it_finds_the_top_and_gives_it_seeds() -> None:
    tried = search(AdaptivePolicy(SPACE, 0), bump, 60)
    leader = AdaptivePolicy(SPACE, 0).leader(tried)
    assert bump(tried[leader.position].params) > 0.9
    assert leader.estimate == pytest.approx(bump(tried[leader.position].params), abs=0.25)
    counts = [len(row.objectives) for row in tried]
    assert counts[leader.position] >= 4
    assert np.median(counts) <= 2, "poor configurations keep one or two seeds"


def test_a_batch_spreads_over_what_a_single_choice_would_repeat() -> None:
    tried = search(AdaptivePolicy(SPACE, 0), bump, 20)
    picks = AdaptivePolicy(SPACE, 0).choose(tried, 16)
    assert len(picks) == 16
    new = [tuple(pick.params.values()) for pick in picks if isinstance(pick, New)]
    assert len(set(new)) == len(new)
    further = Counter(pick.position for pick in picks if isinstance(pick, Further))
    assert max(further.values(), default=0) <= 8
    assert len(new) + len(further) >= 6


def test_pending_runs_are_not_asked_for_again_as_if_they_were_not() -> None:
    tried = search(AdaptivePolicy(SPACE, 0), bump, 20)
    (first,) = AdaptivePolicy(SPACE, 0).choose(tried, 1)
    place = len(tried) if isinstance(first, New) else first.position
    if isinstance(first, New):
        tried.append(Configuration(dict(first.params), {}, frozenset(range(6))))
    else:
        row = tried[place]
        tried[place] = Configuration(row.params, row.objectives, frozenset(range(row.next_seed, row.next_seed + 6)))
    (second,) = AdaptivePolicy(SPACE, 0).choose(tried, 1)
    assert not (isinstance(second, Further) and second.position == place)


def test_the_same_settings_give_the_same_answer_from_a_fresh_object() -> None:
    tried = search(AdaptivePolicy(SPACE, 3), bump, 25)
    assert AdaptivePolicy(SPACE, 3).choose(tried, 4) == AdaptivePolicy(SPACE, 3).choose(tried, 4)
    assert AdaptivePolicy(SPACE, 3).summaries(tried) == AdaptivePolicy(SPACE, 3).summaries(tried)


@pytest.mark.parametrize("failed", [False, True])
def test_what_was_asked_before_changes_no_choice(failed: bool) -> None:
    """Also where configurations of the start have failed: others are begun in their place, which count as made."""
    tried = search(AdaptivePolicy(SPACE, 3), bump, 21)
    tried = [Configuration(row.params, {}) if failed and len(row.objectives) == 1 else row for row in tried]
    asked = AdaptivePolicy(SPACE, 3)
    asked.gain_left(tried)
    assert asked.choose(tried, 12) == AdaptivePolicy(SPACE, 3).choose(tried, 12)


def test_beliefs_are_ranked_and_the_leader_is_not_better_than_itself() -> None:
    summaries = AdaptivePolicy(SPACE, 0).summaries(search(AdaptivePolicy(SPACE, 0), bump, 40))
    tried = search(AdaptivePolicy(SPACE, 0), bump, 40)
    keys = [(len(tried[row.position].objectives) < 2, -row.estimate) for row in summaries]
    assert keys == sorted(keys)
    assert summaries[0].better == pytest.approx(0.5)
    repeated = [row for row in summaries if len(tried[row.position].objectives) > 1]
    assert all(row.better < 0.5 for row in repeated[1:])
    # P(theta_i > theta_leader) is of their difference, so it is below what the means alone would say
    assert summaries[-1].better < norm.cdf(0)


def test_a_small_budget_starts_with_few_settings_so_that_some_are_repeated() -> None:
    tried = search(AdaptivePolicy(SPACE, 0, budget=8), bump, 8)
    assert max(len(row.objectives) for row in tried) >= 2


def test_an_exhausted_space_gets_further_seeds() -> None:
    space: dict[str, Dimension] = {"n": kd.integer(1, 3)}
    policy = AdaptivePolicy(space, 0)
    tried = [Configuration({"n": n}, {0: float(n), 1: n + 0.1}) for n in (1, 2, 3)]
    tried += [Configuration({"n": 4}, {0: 0.2})] * 7  # outside the space: added by hand
    assert all(isinstance(pick, Further) for pick in policy.choose(tried, 4))


def test_mixed_and_conditional_spaces_work() -> None:
    space: dict[str, Dimension] = {
        "mode": kd.categorical(["cse", "mse"]),
        "temperature": kd.when(kd.log(1, 16), mode="cse"),
        "patience": kd.integer(1, 10),
    }

    def truth(params: Mapping[str, Any]) -> float:
        if params["mode"] == "mse":
            return 0.2
        return 1 - abs(math.log(params["temperature"] / 4)) - 0.02 * abs(params["patience"] - 5)

    tried = search(AdaptivePolicy(space, 1), truth, 60, noise=0.1)
    assert all(("temperature" in row.params) == (row.params["mode"] == "cse") for row in tried)
    leader = AdaptivePolicy(space, 1).leader(tried)
    assert truth(tried[leader.position].params) > 0.75


@pytest.mark.parametrize(
    "space",
    [
        {"mode": kd.categorical(["a", "b", "c", "d"])},
        {"mode": kd.categorical(["a", "b"]), "x": kd.when(kd.uniform(0, 1), mode="b")},
        {"m": kd.integer(1, 3), "n": kd.integer(1, 3)},
        {"n": kd.integer(1, 20)},
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_start_that_meets_known_settings_goes_on(space: dict[str, Dimension], seed: int) -> None:
    def truth(params: Mapping[str, Any]) -> float:
        return {"a": 0.0, "b": 1.0}.get(params.get("mode", ""), 0.5) + 0.1 * params.get("n", 0)

    tried = search(AdaptivePolicy(space, seed), truth, 40)
    numbers = [tuple(sorted(row.params.items())) for row in tried]
    assert len(set(numbers)) == len(numbers)
    counts = np.array([len(row.objectives) for row in tried])
    truths = np.array([truth(row.params) for row in tried])
    assert counts[truths == truths.max()].mean() > counts.mean()
    assert counts[truths == truths.min()].max() <= 10


def test_a_region_in_which_every_run_fails_is_left() -> None:
    tried: list[Configuration] = []
    policy, failed = AdaptivePolicy(SPACE, 0), 0
    for _ in range(80):
        (pick,) = policy.choose(tried, 1)
        if isinstance(pick, New):
            tried.append(Configuration(dict(pick.params)))
        place = len(tried) - 1 if isinstance(pick, New) else pick.position
        row, index = tried[place], tried[place].next_seed
        if row.params["x"] > 0.6:  # just below the best of the rest
            tried[place] = Configuration(row.params, row.objectives, failed=row.failed | {index})
            failed += 1
        else:
            value = row.params["x"] + 0.05 * float(np.random.default_rng([place, index]).normal())
            tried[place] = Configuration(row.params, {**row.objectives, index: value})
    assert failed < 25
    assert all(len(row.failed) <= 1 for row in tried), "a configuration that failed is not tried again"
    assert tried[policy.leader(tried).position].params["x"] > 0.5


def test_one_exploded_value_does_not_hide_the_rest() -> None:
    def cliff(params: Mapping[str, Any]) -> float:
        return -1e6 if params["x"] > 0.8 else bump(params)

    tried = search(AdaptivePolicy(SPACE, 0), cliff, 60)
    assert sum(len(row.objectives) for row in tried if row.params["x"] > 0.8) < 15
    assert bump(tried[AdaptivePolicy(SPACE, 0).leader(tried).position].params) > 0.75


@pytest.mark.parametrize("seed", range(4))
def test_a_region_in_which_some_runs_diverge_is_as_good_as_its_mean(seed: int) -> None:
    draws = np.random.default_rng(seed)
    tried = []
    for place, (x, y) in enumerate(draws.random((24, 2))):
        values = (0.76 if x > 0.5 else 0.70) + 0.01 * draws.normal(size=8)
        if x > 0.5:
            values[place % 8] = values[(place + 3) % 8] = 0.1  # a quarter at chance: mean 0.595
        tried.append(Configuration({"x": float(x), "y": float(y)}, dict(enumerate(values.tolist()))))
    leader = AdaptivePolicy(SPACE, seed).leader(tried)
    assert tried[leader.position].params["x"] <= 0.5
    assert leader.estimate == pytest.approx(0.70, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_estimates_stay_near_what_repeated_seeds_show_where_half_of_the_settings_diverge(seed: int) -> None:
    draws = np.random.default_rng(seed)
    tried = []
    for place, (x, y) in enumerate(draws.random((30, 2))):
        level = 0.1 if place % 2 else 0.6
        values = level + 0.02 * draws.normal(size=2) * (level > 0.1)
        tried.append(Configuration({"x": float(x), "y": float(y)}, dict(enumerate(values.tolist()))))
    summaries = AdaptivePolicy(SPACE, seed).summaries(tried)
    best = tried[summaries[0].position].objectives
    # The most probable explanation is configurations of their own and little noise, not noise alone.
    assert summaries[0].estimate == pytest.approx(sum(best.values()) / 2, abs=0.05)
    assert min(row.estimate for row in summaries) == pytest.approx(0.1, abs=0.05)


def test_gain_left_counts_from_what_would_win_now() -> None:
    tried = [Configuration({"x": 0.1 * i, "y": 0.5}, {0: 0.5 + 0.001 * i, 1: 0.5 - 0.001 * i}) for i in range(8)]
    before = AdaptivePolicy(SPACE, 0).gain_left(tried)
    tried.append(Configuration({"x": 0.95, "y": 0.95}, {0: 0.9}))
    after = AdaptivePolicy(SPACE, 0).gain_left(tried)
    assert before is not None
    assert after is not None
    assert after > 0.2, "one seed leads nobody: a second one may make it the winner"


def test_gain_left_is_in_units_of_the_objective_also_with_settings_that_failed() -> None:
    draws = np.random.default_rng(0)
    tried = [
        Configuration({"x": float(x), "y": float(y)}, {j: float(x + 0.3 * draws.normal()) for j in range(2)})
        for x, y in draws.random((12, 2))
    ]
    tried.append(Configuration({"x": 0.99, "y": 0.01}, {}, failed=frozenset({0})))
    small = [
        Configuration(row.params, {seed: 0.01 * value for seed, value in row.objectives.items()}, failed=row.failed)
        for row in tried
    ]
    gain, scaled = AdaptivePolicy(SPACE, 0).gain_left(tried), AdaptivePolicy(SPACE, 0).gain_left(small)
    assert gain is not None
    assert scaled == pytest.approx(0.01 * gain, rel=1e-6)


def test_one_seed_leads_nobody() -> None:
    tried = [Configuration({"x": 0.1 * i, "y": 0.5}, {0: 0.5, 1: 0.55}) for i in range(6)]
    tried.append(Configuration({"x": 0.9, "y": 0.9}, {0: 3.0}))
    summaries = AdaptivePolicy(SPACE, 0).summaries(tried)
    assert summaries[-1].position == 6
    assert AdaptivePolicy(SPACE, 0).leader(tried).position == summaries[0].position != 6
    assert summaries[0].better == pytest.approx(0.5), "it is against the leader that is shown"


def test_what_looks_best_by_one_run_gets_its_second_at_once() -> None:
    tried = [Configuration({"x": 0.1 * i, "y": 0.5}, {0: 0.5, 1: 0.55}) for i in range(9)]
    tried += [Configuration({"x": 0.1 * i, "y": 0.1}, {0: 0.5}) for i in range(2)]
    tried.append(Configuration({"x": 0.9, "y": 0.9}, {0: 0.75}))
    assert AdaptivePolicy(SPACE, 0).choose(tried, 1) == [Further(11)]
    tried[-1] = Configuration(tried[-1].params, {0: 0.75}, pending=frozenset({1}))
    assert Further(11) not in AdaptivePolicy(SPACE, 0).choose(tried, 1), "it is under way"


def test_what_is_stated_is_less_than_what_is_hoped_for() -> None:
    draws = np.random.default_rng(2)
    tried = [
        Configuration({"x": float(x), "y": float(y)}, {j: float(x + draws.normal()) for j in range(2)})
        for x, y in draws.random((40, 2))
    ]
    policy, known = AdaptivePolicy(SPACE, 0), list(range(len(tried)))
    hoped, _ = policy.model(tried, known, SEARCH_PRIOR)
    stated, _ = policy.model(tried, known, REPORTING_PRIOR)
    best = int(np.argmax(hoped.posterior.mean))
    assert policy.leader(tried).position == best
    estimate = stated.raw(float(stated.posterior.mean[best]))
    assert estimate < hoped.raw(float(hoped.posterior.mean[best])) - 0.02
    assert policy.leader(tried).estimate == pytest.approx(estimate)
    summaries = policy.summaries(tried)
    assert summaries[0].estimate == pytest.approx(estimate)
    assert [row.estimate for row in summaries] == sorted((row.estimate for row in summaries), reverse=True)


def test_a_whole_budget_in_flight_at_once_still_repeats_settings() -> None:
    picks = AdaptivePolicy(SPACE, 0, budget=4).choose([], 4)
    assert [type(pick) for pick in picks] == [New, New, Further, Further]


def test_an_exhausted_design_asks_for_nothing() -> None:
    space: dict[str, Dimension] = {"mode": kd.categorical(["a", "b", "c"])}
    policy = FixedSeeds(space, 0, seeds=2)
    tried = search(policy, lambda params: 0.5, 6)
    assert [len(row.objectives) for row in tried] == [2, 2, 2]
    assert policy.choose(tried, 4) == []


def test_contenders_are_those_that_may_be_best_and_those_in_flight() -> None:
    """By mean plus two standard deviations: what is known well to be average is no contender."""
    policy = AdaptivePolicy(SPACE, seed=0)
    count = CONTENDERS + 12
    sd = np.array([0.1, 0.2, 0.3, *([1.0] * (count - 3))])
    mean = np.zeros(count)
    mean[1] = 3.0  # well known to be good
    model: Any = SimpleNamespace(posterior=SimpleNamespace(mean=mean, sd=sd))
    tried = [Configuration({}, {0: 0.5}, frozenset({1} if i in (2, count - 1) else ())) for i in range(count)]
    rows = policy._contenders(model, tried, list(range(count)), frozenset({5})).tolist()
    assert rows[0] == 1
    assert sorted(rows[:CONTENDERS]) == [1, 3, 4, *range(6, CONTENDERS + 3)]
    assert rows[CONTENDERS:] == [2, count - 1]


def test_equal_values_everywhere_break_nothing() -> None:
    tried = search(AdaptivePolicy(SPACE, 0), lambda params: 0.5, 30, noise=0.0)
    assert AdaptivePolicy(SPACE, 0).leader(tried).estimate == pytest.approx(0.5, abs=1e-6)
    assert AdaptivePolicy(SPACE, 0).gain_left(tried) is None, "without a spread there is no scale to judge by"


def test_very_many_settings_are_thinned_and_the_best_stay() -> None:
    draws = np.random.default_rng(0)
    tried = [
        Configuration(
            {"x": float(x), "y": float(y)}, {j: bump({"x": x, "y": y}) + 0.1 * draws.normal() for j in range(2)}
        )
        for x, y in draws.random((600, 2))
    ]
    truths = [bump(row.params) for row in tried]
    leader = AdaptivePolicy(SPACE, 0).leader(tried)
    assert truths[leader.position] > np.quantile(truths, 0.98)
    assert len(AdaptivePolicy(SPACE, 0).choose(tried, 50)) == 50


EFFECTS = (0.0, 3.0, -3.0, 1.0, -1.0)


def in_folds(truths: Sequence[float], seeds: int = 2, noise: float = 0.1) -> list[Configuration]:
    """Configurations at random whose seeds begin with folds in turn; fold f gives all of them ``EFFECTS[f]``."""
    draws = np.random.default_rng(0)
    return [
        Configuration(
            {"x": float(draws.random()), "y": float(draws.random())},
            {seed: truth + EFFECTS[seed % 5] + noise * float(draws.normal()) for seed in range(66 * n, 66 * n + seeds)},
        )
        for n, truth in enumerate(truths)
    ]


def test_a_setting_does_not_lead_for_the_folds_that_it_met() -> None:
    truths = np.random.default_rng(1).random(20)
    tried = in_folds(truths.tolist())
    leader = AdaptivePolicy(SPACE, 0, folds=5).leader(tried)
    assert truths[leader.position] > 0.85
    assert leader.estimate == pytest.approx(truths[leader.position], abs=0.3)
    assert truths[AdaptivePolicy(SPACE, 0).leader(tried).position] < 0.85, "it is the one of the easiest folds"
    summaries = AdaptivePolicy(SPACE, 0, folds=5).summaries(tried)
    assert np.corrcoef([row.estimate for row in summaries], [truths[row.position] for row in summaries])[0, 1] > 0.9
    assert max(row.sd for row in summaries) < 0.3


def test_a_search_in_folds_that_differ_finds_what_one_finds_in_folds_that_do_not() -> None:
    regret: dict[str, list[float]] = {"with": [], "without": []}
    for index in range(4):
        world = Folded(SyntheticWorld("smooth", 0.5, 0.0, index), 5.0, index)
        for name, policy in (
            ("with", AdaptivePolicy(world.space, index, 45, folds=5)),
            ("without", Unaware(world.space, index, 45, 5)),
        ):
            regret[name].append(world.best - float(simulate(policy, world, 45).truth[-1]))
    assert np.mean(regret["with"]) < 0.3
    assert np.mean(regret["with"]) < np.mean(regret["without"]) - 0.3


def test_second_seeds_are_for_the_best_of_each_fold() -> None:
    truths = [0.0, 5.0, 0.0, 5.0, 0.0, 5.0, 0.0, 5.0, 0.0, 5.0]  # configurations n and n + 5 are of one fold
    tried = in_folds(truths, seeds=1, noise=0.0)
    picks = AdaptivePolicy(SPACE, 0, folds=5).choose(tried, 5)
    assert sorted(pick.position for pick in picks if isinstance(pick, Further)) == [1, 3, 5, 7, 9]
    unaware = AdaptivePolicy(SPACE, 0).choose(tried, 5)
    assert sorted(pick.position for pick in unaware if isinstance(pick, Further)) == [1, 3, 5, 6, 9], "8, 6, 5, 3 and 4"


def test_what_stands_for_failed_runs_is_the_worst_of_their_fold() -> None:
    tried = in_folds([0.0, 0.5, 0.2, 0.4, 0.3] * 8, seeds=1, noise=0.0)
    tried.append(Configuration({"x": 0.5, "y": 0.5}, failed=frozenset({6})))
    (stand_in,) = imputed(tried, frozenset({40}), 5)[40].objectives.values()
    assert stand_in == pytest.approx(3.0, abs=0.5), "as bad as any configuration is, in the fold in which runs gain 3"
    assert imputed(tried, frozenset({40}))[40].objectives == {6: pytest.approx(-2.8)}
    assert all(isinstance(pick, New | Further) for pick in AdaptivePolicy(SPACE, 0, folds=5).choose(tried, 3))


def test_of_very_many_settings_the_best_stay_and_not_those_of_an_easy_fold() -> None:
    truths = np.random.default_rng(2).random(600)
    tried = in_folds(truths.tolist(), seeds=1)
    kept = modelled(tried, 0, 5)
    assert len(kept) == 400
    assert np.isin(np.argsort(-truths)[:100], kept).all()
    assert not np.isin(np.argsort(-truths)[:100], modelled(tried, 0)).all()


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_settings_that_are_equal_but_for_their_folds_break_nothing(noise: float) -> None:
    tried = in_folds([0.5] * 25, seeds=2, noise=noise)
    assert AdaptivePolicy(SPACE, 0, folds=5).leader(tried).estimate == pytest.approx(0.5, abs=0.3)
    assert len(AdaptivePolicy(SPACE, 0, folds=5).choose(tried, 4)) == 4
    gain = AdaptivePolicy(SPACE, 0, folds=5).gain_left(tried)
    assert gain is not None
    assert gain < 0.1, "what is not known of all alike is nothing to gain"


def test_first_seeds_of_settings_meet_the_folds_in_turn() -> None:
    def firsts(policy: AdaptivePolicy, wanted: int) -> list[int]:
        return [pick.seed for pick in policy.choose([], wanted) if isinstance(pick, New)]

    assert firsts(AdaptivePolicy(SPACE, 0), 4) == [0, 64, 128, 192]
    assert firsts(AdaptivePolicy(SPACE, 0, folds=5), 7) == [0, 66, 132, 198, 264, 325, 391]  # 65 n + n mod 5
    assert firsts(AdaptivePolicy(SPACE, 0, folds=100), 3) == [0, 101, 202]
    assert firsts(AdaptivePolicy(SPACE, 0, folds=5, common_seeds=True), 3) == [0, 0, 0]
    tried = search(AdaptivePolicy(SPACE, 0, folds=5), bump, 20)
    picks = AdaptivePolicy(SPACE, 0, folds=5).choose(tried, 16)
    later = [pick.seed for pick in picks if isinstance(pick, New)]
    assert len(later) >= 4
    assert later == [65 * number + number % 5 for number in range(len(tried), len(tried) + len(later))]
    assert Configuration({}, {66: 0.5}, frozenset({67})).next_seed == 68, "further seeds meet the other folds"
    with pytest.raises(ValueError, match="one fold or more"):
        AdaptivePolicy(SPACE, 0, folds=0)


@pytest.mark.parametrize("folds", [1, 3, 5, 7, 64, 100])
def test_seeds_that_wrap_keep_to_their_fold_and_below_those_of_the_preflight(folds: int) -> None:
    policy = AdaptivePolicy(SPACE, 0, folds=folds)
    seeds = [policy.first_seed(number) for number in range(30_000)]
    assert all(seed % folds == number % folds for number, seed in enumerate(seeds))
    assert 890_000 < max(seeds) < SEEDS
    assert min(abs(after - before) for before, after in itertools.pairwise(seeds)) >= STRIDE - folds + 1
    if folds == 1:
        assert seeds == [number * 64 % 900_000 for number in range(30_000)]


def test_a_fixed_design_fills_settings_before_it_begins_new_ones() -> None:
    policy = FixedSeeds(SPACE, 0, seeds=3)
    picks = policy.choose([], 5)
    assert [type(pick) for pick in picks] == [New, Further, Further, New, Further]
    tried = search(policy, bump, 12, at_once=5)
    assert [len(row.objectives) for row in tried] == [3] * 5
    spread = [tuple(row.params.values()) for row in tried]
    assert all(math.dist(a, b) > 0.1 for a, b in itertools.combinations(spread, 2))  # type: ignore[arg-type]


def test_a_fixed_design_says_how_probably_each_is_better_than_its_leader() -> None:
    """By the posterior normal of their difference; a leader is as good as itself, and so is what equals it."""
    policy = FixedSeeds(SPACE, 0, seeds=2)
    tried = [
        Configuration({"x": x, "y": 0.5}, dict(enumerate(values)))
        for x, values in ((0.1, (0.5, 0.6)), (0.5, (0.9, 0.8)), (0.9, (0.7, 0.8)))
    ]
    found = policy.summaries(tried)
    assert [row.position for row in found] == [1, 2, 0]
    lead = found[0]
    for row in found:
        gap = (row.estimate - lead.estimate) / math.hypot(row.sd, lead.sd)
        assert row.better == pytest.approx(0.5 * math.erfc(-gap / math.sqrt(2)))
    assert lead.better == 0.5
    same = policy.summaries([Configuration({"x": x, "y": 0.5}, {0: 0.5, 1: 0.5}) for x in (0.1, 0.9)])
    assert [row.better for row in same] == [0.5, 0.5]


def test_estimates_that_studies_have_stored_stay_what_they_were() -> None:
    """Golden values: another prior, or another rule, would tell another estimate of the same runs."""
    space: dict[str, Dimension] = {"alpha": kd.uniform(0, 1), "rate": kd.log(1e-3, 1)}
    runs = [
        (0.1, 0.01, (0.61, 0.64, 0.60)),
        (0.5, 0.1, (0.70, 0.72)),
        (0.9, 0.5, (0.66,)),
        (0.4, 0.2, (0.71, 0.69, 0.74)),
        (0.7, 0.003, (0.58, 0.62)),
    ]
    tried = [Configuration({"alpha": a, "rate": rate}, dict(enumerate(values))) for a, rate, values in runs]
    found = AdaptivePolicy(space, 0, 20).summaries(tried)
    assert [row.position for row in found] == [3, 1, 0, 4, 2]
    assert [row.estimate for row in found] == pytest.approx(
        [0.703911, 0.697654, 0.618927, 0.603865, 0.668744], abs=2e-5
    )
    assert [row.sd for row in found] == pytest.approx([0.012829, 0.014382, 0.013849, 0.016693, 0.021126], abs=2e-5)
    assert [row.better for row in found] == pytest.approx([0.5, 0.347616, 0, 0, 0.061824], abs=1e-4)
