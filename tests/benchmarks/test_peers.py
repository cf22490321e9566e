"""The planner's peers keep the protocol and follow the rules that they claim to follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

import kdsearch as kd
from benchmarks.planner.peers import PEERS, SLOW
from benchmarks.planner.peers.botorch import pooled_variance
from benchmarks.planner.peers.cube import from_unit, to_unit
from benchmarks.planner.peers.elites import Elites, truncated
from benchmarks.planner.peers.fixed import Fixed
from benchmarks.planner.peers.friedman import rank_sums
from benchmarks.planner.peers.friedman import survivors as friedman_survivors
from benchmarks.planner.peers.halving import Halving, bracket_cost, survivors
from benchmarks.planner.peers.irace import Irace
from benchmarks.planner.peers.landings import landings
from benchmarks.planner.peers.optional import optional
from benchmarks.planner.peers.rungs import Rungs
from benchmarks.planner.peers.sources import Random
from benchmarks.planner.peers.wilcoxon import Wilcoxon
from kdsearch.search.policies.base import Configuration, Further, New, Pick, Policy
from kdsearch.space import Range
from kdsearch.tasks.base import Scalar

SPACE: dict[str, Range] = {
    "x": kd.uniform(0, 1),
    "rate": kd.log(1e-3, 10),
    "width": kd.integer(1, 9),
    "kind": kd.categorical(["a", "b"]),
}
CHEAP = sorted(PEERS.keys() - SLOW)
NEEDS = {"gp_sampler_x1": "torch", "gp_sampler_x5": "torch", "smac3": "smac", "botorch_qlognei": "botorch"}

Params = dict[str, Scalar]
Place = Callable[[Params], Params]


def truth(params: Params) -> float:
    """A bowl with its top at x = .3, rate = .1, width = 5, kind = a; a random configuration is at -.9, on average."""
    u = to_unit(SPACE, params)
    return -2 * float(((u[:3] - [0.3, 0.5, 0.5]) ** 2).sum()) - 0.5 * (params["kind"] == "b")


def drive(
    policy: Policy, runs: int, wanted: int = 1, late: int = 0, sigma: float = 0.1, place: Place = dict
) -> tuple[list[Configuration], list[list[Pick]]]:
    """``runs`` runs, ``wanted`` at a time, results ``late`` answers later; returns configurations and answers."""
    tried: list[Configuration] = []
    waiting: list[list[tuple[int, int]]] = []
    answers: list[list[Pick]] = []
    asked = 0
    while asked < runs or waiting:
        room = min(wanted, runs - asked)
        picks = policy.choose(tuple(tried), room) if room else []
        assert len(picks) <= room
        answers.append(picks)
        positions = list(range(len(tried)))
        batch: list[tuple[int, int]] = []
        for pick in picks:
            if isinstance(pick, New):
                params = place(dict(pick.params))
                assert all(SPACE[name].contains(pick.params[name]) for name in SPACE)
                same = [index for index, row in enumerate(tried) if row.params == params]
                positions += same or [len(tried)]
                tried += [] if same else [Configuration(params)]
            position = positions[pick.position if isinstance(pick, Further) else -1]
            row = tried[position]
            batch.append((position, row.next_seed))
            tried[position] = replace(row, pending=row.pending | {row.next_seed})
        waiting += [batch] if batch else []
        asked += len(picks)
        assert waiting, "nothing is asked for and nothing is under way"
        if len(waiting) > late or asked >= runs or not picks:
            for position, seed in waiting.pop(0):
                row = tried[position]
                value = truth(dict(row.params)) + sigma * np.random.default_rng([position, seed]).normal()
                tried[position] = replace(row, objectives={**row.objectives, seed: value}, pending=row.pending - {seed})
    return tried, answers


def setting(*values: float, pending: Sequence[int] = (), failed: Sequence[int] = ()) -> Configuration:
    return Configuration({"x": 0.5}, dict(enumerate(values)), frozenset(pending), frozenset(failed))


@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.parametrize(("wanted", "late"), [(1, 0), (1, 2), (7, 0), (5, 2)])
def test_a_cheap_peer_keeps_the_protocol_and_finds_a_good_setting(name: str, wanted: int, late: int) -> None:
    policy = PEERS[name](SPACE, 3)
    tried, _ = drive(policy, 200, wanted, late)
    assert sum(len(row.objectives) for row in tried) == 200
    leader = policy.leader(tried)
    assert truth(dict(tried[leader.position].params)) > -0.25
    assert leader.estimate == pytest.approx(truth(dict(tried[leader.position].params)), abs=0.4)
    assert leader == policy.leader(tried)


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_peer_is_a_function_of_its_seed(name: str) -> None:
    first, second, other = (drive(PEERS[name](SPACE, seed), 60, 3, 1)[1] for seed in (5, 5, 6))
    assert first == second
    assert first != other


@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.parametrize("wanted", [1, 6])
def test_a_proposal_that_is_there_already_is_one_more_seed_and_stops_no_peer(name: str, wanted: int) -> None:
    rows = [from_unit(SPACE, point) for point in np.random.default_rng(0).random((9, len(SPACE)))]
    units = np.array([to_unit(SPACE, row) for row in rows])

    def nearest(params: Params) -> Params:
        return rows[int(np.abs(units - to_unit(SPACE, params)).sum(axis=1).argmin())]

    policy = PEERS[name](SPACE, 1)
    tried, _ = drive(policy, 120, wanted, place=nearest)
    assert len(tried) <= 9
    assert truth(dict(tried[policy.leader(tried).position].params)) >= sorted(map(truth, rows))[-3]


@pytest.mark.parametrize("name", sorted(SLOW))
@pytest.mark.parametrize("wanted", [1, 4])
def test_a_slow_peer_keeps_the_protocol(name: str, wanted: int) -> None:
    pytest.importorskip(NEEDS[name])
    policy = PEERS[name](SPACE, 3, 60)
    tried, answers = drive(policy, 24, wanted, late=int(wanted > 1))
    assert sum(len(row.objectives) for row in tried) == 24
    leader = policy.leader(tried)
    assert tried[leader.position].objectives
    assert np.isfinite(leader.estimate)
    assert answers == drive(PEERS[name](SPACE, 3, 60), 24, wanted, late=int(wanted > 1))[1]


@pytest.mark.parametrize("name", sorted(PEERS.keys()))
def test_a_space_with_conditions_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no conditional dimensions, got \\['x'\\]"):
        PEERS[name]({"kind": kd.categorical(["a", "b"]), "x": kd.when(kd.uniform(0, 1), kind="a")}, 0)


def test_no_result_has_no_leader() -> None:
    for name in CHEAP:
        with pytest.raises(ValueError, match="no configuration has a result"):
            PEERS[name](SPACE, 0).leader([])


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(ImportError, match=r"peer 'smac3' needs 'no_such_package'.*\[benchmarks\]"):
        optional("no_such_package", "smac3")


@pytest.mark.parametrize(("name", "seeds"), [(n, int(n[-1])) for n in CHEAP if n[-3:] in ("_x1", "_x5")])
def test_fixed_numbers_of_seeds(name: str, seeds: int) -> None:
    tried, _ = drive(PEERS[name](SPACE, 0), 40, 3)
    assert {len(row.objectives) for row in tried} == {seeds}
    assert all(sorted(row.objectives) == list(range(seeds)) for row in tried)


def test_the_fixed_leader_has_all_its_seeds_and_a_failed_one_is_spent() -> None:
    policy = Fixed(Random(SPACE, 0), 3)
    tried = [setting(1.0, 2.0, 3.0), setting(9.0, 9.0), setting(2.0, 3.0, failed=[2])]
    assert policy.choose(tried, 1) == [Further(1)]
    assert (policy.leader(tried).position, policy.leader(tried).estimate) == (2, 2.5)
    assert policy.leader(tried[1:2]).position == 0


def test_tpe_learns_means_of_complete_seed_sets_once() -> None:
    policy = PEERS["tpe_x5"](SPACE, 0)
    assert isinstance(policy, Fixed)
    tried, _ = drive(policy, 30)
    policy.choose(tried, 2)
    study = policy.source._memory.study  # type: ignore[attr-defined]
    told = [trial.value for trial in study.trials if trial.state.is_finished()]
    assert told == pytest.approx([np.mean(list(row.objectives.values())) for row in tried])
    assert [dict(trial.params) for trial in study.trials[:6]] == [dict(row.params) for row in tried]


def test_wilcoxon_prunes_with_the_fourth_seed_that_is_worse() -> None:
    policy = Wilcoxon({"x": kd.uniform(0, 1)}, 0)
    good, bad = [1.0, 1.1, 0.9, 1.2, 1.0], [0.5, 0.3, 0.2, 0.4]
    tried: list[Configuration] = []
    for number, values in enumerate([good, bad]):
        (pick,) = policy.choose(tried, 1)
        assert isinstance(pick, New)
        tried.append(Configuration(pick.params, {}, frozenset({0})))
        for index, value in enumerate(values):
            tried[number] = Configuration(pick.params, {**tried[number].objectives, index: value})
            answer = policy.choose(tried, 1) if index + 1 < len(values) else []
            assert answer in ([], [Further(number)])  # one-sided p = 1/8 with three pairs, 1/16 < .1 with four
    assert isinstance(policy.choose(tried, 1)[0], New)
    told = [trial.value for trial in policy._memory.study.trials if trial.state.is_finished()]
    assert told == pytest.approx([1.04, 0.35])
    assert policy.leader(tried).position == 0


def test_halving_keeps_the_better_half_on_its_first_seeds() -> None:
    tried = [setting(1.0, 0.0), setting(3.0, 9.0), setting(2.0, 0.0), setting(2.0, 9.0), setting(0.0)]
    assert survivors(tried, range(5), 1) == [1, 2]  # 3 is level with 2 and comes later
    assert survivors(tried, range(4), 2) == [1, 3]


def test_halving_fills_the_budget_with_doubling_rungs() -> None:
    assert bracket_cost(8, 1) == 8 + 4 * 1 + 2 * 2
    assert bracket_cost(20, 2) == 20 * 2 + 10 * 2 + 5 * 4 + 2 * 8
    policy = Halving(Random(SPACE, 0), 40)
    assert bracket_cost(policy.starters, 1) <= 40 < bracket_cost(policy.starters + 1, 1)
    tried, _ = drive(Halving(Random(SPACE, 0), 16), 18, 4)
    counts = sorted(len(row.objectives) for row in tried)
    assert counts == [
        1,
        1,
        1,
        1,
        2,
        2,
        5,
        5,
    ]  # 8, 4 and 2 configurations with 1, 2 and 4 seeds; two runs were left over


def test_rungs_promote_and_leave_the_last_fifth_to_leaders() -> None:
    policy = Rungs({"x": kd.uniform(0, 1)}, 0, budget=100)
    rows = [setting(1.0, 1.1), setting(0.0, 0.1), setting(0.5, 0.6), setting(0.2)]
    assert policy.choose(rows, 4)[:3] == [Further(3), Further(0), Further(0)]
    late = Rungs({"x": kd.uniform(0, 1)}, 0, budget=8)
    assert all(isinstance(pick, Further) for pick in late.choose(rows, 6))
    assert late.leader(rows).position == 0
    assert late.leader(rows).estimate < 1.05


def test_friedman_eliminates_as_conover_says() -> None:
    rng = np.random.default_rng(4)
    results = rng.normal(size=(8, 5)) + np.array([3.0, 2.6, 0.0, 0.2, -2.0])
    assert friedmanchisquare(*results.T).pvalue < 0.05
    stays = friedman_survivors(results)
    sums = rank_sums(results)
    ranks = np.argsort(np.argsort(-results, axis=1), axis=1) + 1
    assert sums == pytest.approx(ranks.sum(axis=0))
    # Conover's margin by hand: t(.975, 28) = 2.0484, A = 8 * (1 + 4 + 9 + 16 + 25) = 440.
    margin = 2.0484 * np.sqrt(2 * (8 * 440 - (sums**2).sum()) / 28)
    assert stays.tolist() == (sums - sums.min() <= margin).tolist()
    assert stays[0]
    assert not stays[4]


def test_friedman_where_all_seeds_agree_and_where_all_is_level() -> None:
    agreed = np.tile([3.0, 2.0, 1.0], (5, 1))  # chi2 = 10, p = .0067; no spread of ranks: all but the first go
    assert friedman_survivors(agreed).tolist() == [True, False, False]
    assert friedman_survivors(np.ones((5, 3))).all()
    assert friedman_survivors(agreed[:, :2]).all()
    assert friedman_survivors(agreed[:2]).all()  # chi2 = 4, p = .135


def test_irace_tests_after_five_seeds_and_then_after_each() -> None:
    policy = Irace(SPACE, 0, 200)
    tried, answers = drive(policy, 200, sigma=0.02)
    first = [sum(isinstance(pick, New) for pick in answer) for answer in answers]
    assert sum(first[:8]) == 8  # B_1 = 50 runs at 5 + 1 each: eight configurations
    counts = [len(row.objectives) for row in tried]
    assert min(counts[:8]) >= 5  # the first race is over, the last may be under way
    assert max(counts) == counts[policy.leader(tried).position]
    assert sum(counts) == 200


def test_irace_draws_around_elites_with_a_shrinking_spread() -> None:
    model = Elites(SPACE, races=4)
    elite: Params = {"x": 0.5, "rate": 0.1, "width": 5, "kind": "a"}
    model.sharpen({0: elite}, race=2, new=16)
    assert model.sigma == pytest.approx(0.25)  # 1/2 * (1/16)^(1/4)
    rng = np.random.default_rng(0)
    drawn = [model.child({0: elite}, [0], rng)[1] for _ in range(400)]
    assert np.mean([row["kind"] == "a" for row in drawn]) == pytest.approx(0.625, abs=0.06)  # 1/2 * 3/4 + 1/4
    values = [truncated(0.9, 0.25, rng) for _ in range(2000)]
    assert 0 <= min(values) <= max(values) <= 1
    assert np.mean(values) == pytest.approx(0.760, abs=0.02)  # .9 - .25 * phi(.4) / Phi(.4)


def test_landings_find_new_further_and_merged_picks() -> None:
    space: dict[str, Range] = {"x": kd.uniform(0, 1)}
    before = [Configuration({"x": 0.1}, {0: 1.0}), Configuration({"x": 0.9}, {0: 1.0})]
    picks: list[Pick] = [New({"x": 0.5}), Further(2), Further(0), New({"x": 0.88})]
    after = [
        replace(before[0], pending=frozenset({1})),
        replace(before[1], pending=frozenset({1})),
        Configuration({"x": 0.5}, {}, frozenset({0, 1})),
    ]
    assert landings(space, before, before, picks) == []
    assert landings(space, before, after, picks) == [(2, 0), (2, 1), (0, 1), (1, 1)]


def test_the_cube_and_back() -> None:
    for point in np.random.default_rng(0).random((50, len(SPACE))):
        params = from_unit(SPACE, point)
        assert all(SPACE[name].contains(params[name]) for name in SPACE)
        assert from_unit(SPACE, to_unit(SPACE, params)) == pytest.approx(params)
    assert from_unit(SPACE, [0, 0, 0, 0]) == pytest.approx({"x": 0, "rate": 1e-3, "width": 1, "kind": "a"})
    assert from_unit(SPACE, [1, 1, 1, 1]) == pytest.approx({"x": 1, "rate": 10, "width": 9, "kind": "b"})


def test_noise_is_pooled_within_settings() -> None:
    assert pooled_variance([[1.0, 3.0], [5.0], [0.0, 0.0, 3.0]]) == pytest.approx((2 + 6) / 3)
    assert pooled_variance([[1.0], [2.0]]) is None
