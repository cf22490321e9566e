"""Fresh seeds looked at more than once: which looks, at which level, and that all numbers of a table say the same."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from scipy import optimize, stats

from kdsearch.draws import FIRST_CONFIRM_SEED
from kdsearch.ledger.records import EventRecord, StudyResults
from kdsearch.report import Estimate, Table, build, render
from kdsearch.report.comparisons import at_look, confidence_at, earlier_looks, looks_at, resolving, seeds_for_next_look
from kdsearch.report.selection import select
from kdsearch.statistics import look_level, paired_difference, paired_power

Make = Callable[..., StudyResults]
CHOSEN_AT = datetime(2026, 11, 2, tzinfo=UTC)
WINNER, ABLATION = 10, 20
CHOICE = EventRecord(CHOSEN_AT, "winner", "winner chosen: #10", data={"search_seeds": 3})
SIX = [0.001, 0.005, 0.010, 0.012, 0.016, 0.022]


def changed(message: str, hours: float = 1, kind: str = "changed") -> EventRecord:
    return EventRecord(CHOSEN_AT + timedelta(hours=hours), kind, message)


def extended(before: int, after: int) -> EventRecord:
    return changed(f"confirm seeds extended from {before} to {after} after confirm runs were ordered")


def with_gains(results: StudyResults, gains: list[float], *events: EventRecord) -> StudyResults:
    """Winner and winner without distillation on as many fresh seeds as there are gains; nothing else is compared."""
    kept = [run for run in results.runs if run.pool != "confirm"]
    first = next(run for run in results.runs if run.pool == "confirm")
    for index, gain in enumerate(gains):
        score = 0.70 + 0.001 * (index % 3)
        for configuration, value in ((WINNER, score + gain), (ABLATION, score)):
            seed = FIRST_CONFIRM_SEED[1] + index
            number = 1000 * configuration + index
            kept.append(replace(first, id=number, configuration_id=configuration, seed=seed, score=value))
    return replace(results, runs=tuple(kept), events=(CHOICE, *events))


def cell(table: Table, key: str, row: int = 1) -> Estimate:
    found = table.column(key)[row]
    assert isinstance(found, Estimate)
    return found


def second_level(first: int, now: int) -> float:
    """The level of a second look, from the normal distribution of both means: 0.80 of 5 % are spent at the first."""
    bound = stats.norm.isf(0.05 * 0.80 / 2)
    share = 0.05 * (0.93 - 0.13 * (first / now) ** 2) - 0.05 * 0.80
    rho = math.sqrt(first / now)
    both = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])

    def excess(c: float) -> float:
        inside = both.cdf([bound, c], lower_limit=[-bound, -c])
        return float(1 - 2 * stats.norm.sf(bound) - inside) - share

    return float(2 * stats.norm.sf(optimize.brentq(excess, 1.5, 5)))


def test_the_first_look_spends_four_of_five_percent(results: Make) -> None:
    table = build(with_gains(results(), SIX)).table("comparison")
    assert (
        "Look 1 at fresh seeds: intervals of winner - row and of P(winner > row) are 96 % and this table's p "
        "values are adjusted, so that all looks together, also later ones after kdsearch extend, err in at most 5 % "
        "where differences are about normal, as the t test assumes."
    ) in table.notes
    got = cell(table, "difference")
    half = stats.t.ppf(0.98, 5) * stats.tstd(SIX) / math.sqrt(6)
    mean = sum(SIX) / 6
    assert (got.value, got.low, got.high) == pytest.approx((mean, mean - half, mean + half))
    assert table.column("t_p")[1] == pytest.approx(stats.ttest_1samp(SIX, 0).pvalue / 0.8)
    assert table.column("flip_p")[1] == pytest.approx(2 / 64 / 0.8)  # six of six: two of 64 flips are as far out
    chance = stats.binomtest(6, 6).proportion_ci(0.96)
    assert (cell(table, "probability").low, cell(table, "probability").high) == pytest.approx((chance.low, chance.high))
    assert table.column("verdict")[1] == "better"


def test_a_second_look_is_named_and_stricter(results: Make) -> None:
    full = with_gains(results(), SIX, extended(3, 6))
    report = build(full)
    table = report.table("comparison")
    assert any(note.startswith("Look 2 at fresh seeds after 1 look at 3 seeds: intervals of") for note in table.notes)
    assert any("P(winner > row) are 99 %" in note for note in table.notes)
    level = second_level(3, 6)
    half = stats.t.ppf(1 - level / 2, 5) * stats.tstd(SIX) / math.sqrt(6)
    got = cell(table, "difference")
    assert (got.low, got.high) == pytest.approx((got.value - half, got.value + half), rel=1e-3)
    # better at one look, undecided at two: the same six seeds
    assert table.column("verdict")[1] == "undecided"
    assert any("undecided: not distinguishable from the winner without distillation" in note for note in report.notes)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("events", [(), (extended(3, 6),), (extended(3, 5), extended(5, 6))])
def test_interval_p_and_verdict_never_part(results: Make, scale: float, events: tuple[EventRecord, ...]) -> None:
    gains = [0.012 * scale + (gain - 0.011) for gain in SIX]
    table = build(with_gains(results(), gains, *events)).table("comparison")
    difference, p, word = cell(table, "difference"), table.column("t_p")[1], table.column("verdict")[1]
    assert isinstance(p, float)
    assert (p < 0.05) == (difference.low > 0)
    assert (word == "better") == (difference.low > 0)


def test_looks_are_read_from_the_words_of_the_log(results: Make) -> None:
    def looks(*events: EventRecord) -> tuple[int, ...]:
        return earlier_looks(select(replace(results(), events=events)))

    assert looks(CHOICE, extended(20, 30), changed("confirm.seeds: 30 before, 45 now")) == (20, 30)
    assert looks(CHOICE, extended(30, 45), extended(20, 30), extended(20, 30)) == (20, 30)
    assert looks(CHOICE, changed("confirm seeds extended from 5 to 10", hours=-1)) == (), "before the choice"
    assert looks(CHOICE, changed("budget extended to 30 runs"), changed("budget.runs: 20 before, 30 now")) == ()
    assert looks(CHOICE, changed("confirm seeds extended from 5 to 10", kind="note")) == ()
    assert looks(extended(20, 30)) == (), "no winner, no fresh seeds"


def test_looks_at_more_seeds_than_there_are_do_not_count(results: Make) -> None:
    selection = select(replace(results(), events=(CHOICE, extended(20, 30), extended(30, 45))))
    assert looks_at(selection, 45) == (20, 30, 45)
    assert looks_at(selection, 30) == (20, 30), "asked for 45, none has run"
    assert looks_at(selection, 18) == (18,)
    assert looks_at(selection, 1) == ()
    assert confidence_at(()) == 0.95


def test_runs_that_are_going_are_no_look(results: Make) -> None:
    going = build(replace(results("confirm"), events=(CHOICE, extended(2, 3)))).table("comparison")
    (sentence,) = [note for note in going.notes if "no look yet" in note]
    assert sentence.startswith("Confirm runs are still going after 1 look at 2 seeds, so this is no look yet")
    assert going.column("t_p") == going.column("flip_p") == going.column("holm_p") == [None] * 5


def test_one_seed_has_no_level(results: Make) -> None:
    table = build(with_gains(results(), [0.01])).table("comparison")
    assert "Differences have no interval: fewer than two common fresh seeds have ended." in table.notes
    assert table.columns[2].confidence == 0.95
    assert math.isnan(cell(table, "difference").low)


def test_every_format_says_which_interval_it_is(results: Make) -> None:
    full = with_gains(results(), SIX, extended(3, 6))
    report = build(full)
    confidence = 1 - second_level(3, 6)
    heading = next(line for line in render(report, "md").splitlines() if "winner - row |" in line)
    assert "test mAP (mean ± sd) | 95 % interval | winner - row | 99 % interval |" in heading
    assert r"test mAP (mean $\pm$ sd) [95 \%] & winner - row [99 \%]" in render(report, "latex")
    columns = {column["key"]: column for column in json.loads(render(report, "json"))["tables"][0]["columns"]}
    assert columns["score"]["confidence"] == 0.95
    assert columns["difference"]["confidence"] == pytest.approx(confidence, abs=1e-4)
    assert columns["verdict"]["confidence"] is None
    rows = list(csv.DictReader(StringIO(render(report, "csv"))))
    found = {row["column"]: row for row in rows if row["table"] == "comparison" and row["row"].startswith("winner w")}
    assert float(found["probability"]["confidence"]) == pytest.approx(confidence, abs=1e-4)
    assert float(found["t_p"]["value"]) == build(full).table("comparison").column("t_p")[1]
    assert found["t_p"]["confidence"] == ""


@pytest.mark.parametrize("looks", [(6,), (3, 6)])
@pytest.mark.parametrize("family", [1, 3])
def test_seeds_of_the_next_look_have_the_power_they_promise(looks: tuple[int, ...], family: int) -> None:
    difference = paired_difference(SIX, [0.0] * 6)
    seeds = seeds_for_next_look(difference, 0.005, looks, family)

    def power(n: int) -> float:
        return paired_power(n, difference.sd, 0.005, look_level((*looks, n), 0.05 / family))

    assert power(seeds) >= 0.8 > power(seeds - 2)
    words = resolving(difference, 0.005, looks, family)
    assert words == f"to resolve 0.005, about {seeds} seeds in all (power 0.8)"


def test_seeds_that_are_there_already(results: Make) -> None:
    difference = paired_difference(SIX, [0.0] * 6)
    assert seeds_for_next_look(difference, 0.05, (6,)) <= 6
    assert resolving(difference, 0.05, (6,)) == (
        "6 seeds find a true difference of 0.05 with power 0.8, so it may well be smaller"
    )
    assert resolving(difference, 0.0, (6,)) == ""
    assert resolving(paired_difference([0.1], [0.0]), 0.01, ()) == ""


@pytest.mark.parametrize("n", [2, 3])
def test_the_spread_of_two_or_three_seeds_tells_no_number(n: int) -> None:
    difference = paired_difference(SIX[:n], [0.0] * n)
    for effect in (0.05, 0.001):
        expected = f"{n} seeds are too few to tell how many resolve {effect:g}"
        assert resolving(difference, effect, (n,)) == expected
    assert "seeds in all" in resolving(paired_difference(SIX[:4], [0.0] * 4), 0.001, (4,))


def test_without_looks_a_difference_is_as_it_came() -> None:
    difference = paired_difference(SIX, [0.0] * 6)
    assert at_look(difference, ()) is difference
    assert at_look(difference, (6,)).mean == difference.mean
