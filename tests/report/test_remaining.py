"""What is left of a study: the same for launch and status, steady whatever limits the budget."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from kdsearch.cli import progress as view
from kdsearch.engines.coordinator import Progress
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ConfigurationRecord, RunRecord, StudyResults
from kdsearch.report import status
from kdsearch.search.remaining import pace, remaining

Make = Callable[..., StudyResults]
START = datetime(2026, 11, 2, tzinfo=UTC)
WINNER = 10


def ended(id_: int, end: float, seconds: float, **changes: Any) -> RunRecord:
    at = START + timedelta(seconds=end)
    run = RunRecord(id_, WINNER, "search", id_, "done", 0.7, seconds=seconds, finished_at=at)
    return replace(run, **changes)


def training(id_: int) -> RunRecord:
    return RunRecord(id_, WINNER, "search", id_, "leased", None)


def history(workers: int, length: float, until: float) -> list[RunRecord]:
    """Search runs of about ``length`` seconds that so many workers have ended by ``until``, and those they train."""
    draw = random.Random(workers)
    runs: list[RunRecord] = []
    for _ in range(workers):
        now = 0.0
        while (seconds := length * draw.uniform(0.5, 1.5)) + now <= until:
            now += seconds
            runs.append(ended(len(runs) + 1, now, seconds))
    return [*runs, *(training(9000 + index) for index in range(workers))]


def left(results: Make, history: list[RunRecord], /, **budget: float) -> Any:
    full = results("search")
    # Fresh seeds left out, so that the search is all that is to come.
    settings = full.study.settings.changed(budget=budget, confirm={"seeds": 0, "finalists": 0})
    return remaining(replace(full.study, settings=settings), full.configurations, history)


@pytest.mark.parametrize("workers", [1, 2, 16])
@pytest.mark.parametrize("passed", [100.0, 400.0, 1800.0, 3000.0])
def test_a_budget_in_hours_is_a_time(results: Make, workers: int, passed: float) -> None:
    found = left(results, history(workers, 10, passed), hours=1.0)
    assert found.seconds == pytest.approx(3600 - passed, abs=20)
    assert found.runs == pytest.approx((3600 - passed) * workers / 10, rel=0.35)


@pytest.mark.parametrize("workers", [1, 2, 16])
@pytest.mark.parametrize("shorter", [1.0, 0.25])
def test_two_searches_share_the_hours(results: Make, workers: int, shorter: float) -> None:
    full = results("search")
    other = ConfigurationRecord(50, "without", "w0", {}, "sampler")
    runs: list[RunRecord] = []
    trained = {WINNER: 0.0, 50: 0.0}
    for worker in range(workers):
        now = 0.3 * worker
        while now < 1800:
            id_ = min(trained, key=lambda id_: trained[id_] / (0.1 if id_ == 50 else 0.9))
            seconds = 10 * (shorter if id_ == 50 else 1.0)
            now, trained[id_] = now + seconds, trained[id_] + seconds
            runs.append(ended(len(runs) + 1, now, seconds, configuration_id=id_))
    space = {name: {"kind": "uniform", "low": 0.0, "high": 1.0} for name in ("alpha", "rate")}
    searching = {"space": space, "dimensions": ["alpha", "rate"], "teacher_parameters": ["alpha"], "without": 0.1}
    limits = {"budget": {"hours": 1.0}, "confirm": {"seeds": 0, "finalists": 0}}
    study = replace(full.study, settings=full.study.settings.changed(**searching, **limits))
    found = remaining(study, {**full.configurations, 50: other}, runs)
    assert found.seconds == pytest.approx(1800, rel=0.1)


def test_whoever_holds_a_lease_just_now_changes_hardly_anything(results: Make) -> None:
    runs = history(2, 10, 1800)
    found = [left(results, [*runs[:-2], *map(training, range(9000, 9000 + held))], hours=1.0) for held in range(17)]
    assert max(row.seconds for row in found) - min(row.seconds for row in found) < 1
    assert max(row.runs for row in found) - min(row.runs for row in found) <= 1


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_other_limits_become_a_time_at_the_pace_of_all_workers(results: Make, workers: int) -> None:
    runs = history(workers, 10, 2000)
    done = len(runs) - workers
    found = left(results, runs, runs=done + workers + 100)
    assert found.runs == 100 + workers, "those that train now are to end as well"
    assert found.seconds == pytest.approx(found.runs * 10 / workers, rel=0.35)
    found = left(results, runs, gpu_hours=2 * sum(run.seconds or 0 for run in runs) / 3600)
    assert found.seconds == pytest.approx(2000, rel=0.25)
    assert left(results, runs, gpu_hours=1000.0, hours=1.0).seconds == pytest.approx(1600, abs=20), "the first limit"


def test_what_waits_is_still_trained_when_the_hours_are_over(results: Make) -> None:
    found = left(results, history(2, 10, 3700), hours=1.0)
    assert found.runs == 2
    assert found.seconds == pytest.approx(10, rel=0.5)


def test_a_pause_is_no_pace() -> None:
    runs = [ended(index, 10.0 * index + (86_400 if index > 20 else 0), 10) for index in range(1, 41)]
    assert pace(runs) == pytest.approx(10, rel=0.05)


def test_runs_that_are_stored_together_took_the_time_of_all() -> None:
    runs = [ended(100 * batch + index, 0.5 * batch, 0.01) for batch in range(1, 9) for index in range(32)]
    assert pace(runs) == pytest.approx(0.5 / 32, rel=0.2)


def test_workers_in_step_count_each() -> None:
    runs = [ended(100 * batch + index, 10.0 * batch, 10) for batch in range(1, 9) for index in range(64)]
    assert pace(runs) == pytest.approx(10 / 64, rel=0.01)
    first = [ended(1, 10, 10), *(training(index) for index in range(2, 66))]
    assert pace(first) == pytest.approx(10 / 64), "the first of 64 to end says how long each takes"


def test_the_pace_follows_workers_that_join() -> None:
    alone = [ended(index, 10.0 * index, 10) for index in range(1, 101)]
    together = [ended(100 + index, 1000 + 10 * (index / 4), 10) for index in range(1, 61)]
    assert pace([*alone, *together]) == pytest.approx(2.5, rel=0.05)


def test_runs_that_took_an_unknown_time_are_no_pace() -> None:
    """Ones that an older program has stored; and one that was taken back took none."""
    runs = [ended(index, 10.0 * index, 10) for index in range(1, 9)]
    unknown = [
        replace(ended(20, 85.0, 0), seconds=None),
        replace(ended(21, 85.0, 3), finished_at=None),
        replace(ended(22, 85.0, 0.1), state="cancelled"),
    ]
    assert pace([*runs, *unknown]) == pace(runs) == pytest.approx(10, rel=0.05)


def test_nothing_is_known_before_a_run_has_ended(results: Make) -> None:
    assert left(results, [training(1)], hours=1.0).seconds is None
    assert left(results, [training(1)], runs=20).runs == 20
    full = results("search")
    study = replace(full.study, settings=full.study.settings.changed(budget={"hours": 2.0}))
    note = status(replace(full, study=study, runs=(training(1),))).notes[-1]
    # the run that trains, and 3 seeds for winner, ablation, 2 baselines, 2 finalists
    assert note == "About 19 runs left and a search of 2 hours; none has ended yet, so the time is not known."


@pytest.mark.parametrize("seeds", [1, 3, 4])
def test_a_study_of_before_there_were_draws_begins_with_three_teachers(results: Make, seeds: int) -> None:
    """It had one teacher, the middle one of three, and so many seeds of the pre-flight."""
    full = results("search")
    settings = full.study.settings.changed(
        budget={"runs": 10}, confirm={"seeds": 0, "finalists": 0}, teachers="one", preflight={"seeds": seeds}
    )
    study = replace(full.study, settings=settings, phase="teacher", version=1)
    assert remaining(study, full.configurations, []).runs == 3 + seeds + 10


@pytest.mark.parametrize(("version", "weight", "taught"), [(1, 0, 0), (1, 1, 3), (2, 0, 0), (2, 1, 3)])
def test_fresh_teachers_come_with_configurations_that_use_one(
    results: Make, version: int, weight: int, taught: int
) -> None:
    """Winner and ablation on three fresh seeds; a weight of zero needs no teacher, one of one does."""
    full = results("confirm")
    settings = full.study.settings.changed(teachers="per-seed", confirm={"seeds": 3, "finalists": 0})
    study = replace(full.study, settings=settings, version=version, finalist_ids=())
    params = {WINNER: {"alpha": weight, "representation_weight": weight}, 20: {"alpha": 0, "representation_weight": 0}}
    rows = {id_: replace(full.configurations[id_], params=params[id_]) for id_ in params}
    assert remaining(study, rows, []).runs == 6 + taught


@pytest.mark.parametrize("budget", [{"runs": 400}, {"hours": 1.0}, {"gpu_hours": 2.0}])
def test_launch_and_status_say_the_same(
    results: Make, budget: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = results("search")
    study = replace(full.study, settings=full.study.settings.changed(budget=budget))
    runs = tuple(history(3, 10, 600))
    table = status(replace(full, study=study, runs=runs))  # type: ignore[arg-type]
    (note,) = [note for note in table.notes if note.startswith("Left:")]
    count, time = re.fullmatch(r"Left: about (\d+) runs, (.*) at the pace of the runs that ended last\.", note).groups()  # type: ignore[union-attr]

    monkeypatch.setattr(view, "_LINE_SECONDS", -1.0)
    printed = io.StringIO()
    state = SearchState(study, full.configurations, runs)
    progress = Progress("search", {"done": len(runs) - 3}, None, state)
    with view.View(Console(file=printed, width=200), NoEvents(), 1) as shown:  # type: ignore[arg-type]
        shown.show(progress)
    assert printed.getvalue() == f"search: {len(runs) - 3}/{len(runs) - 3 + int(count)} runs, about {time} left\n"


class NoEvents:
    """A ledger in which nothing happens."""

    def events_after(self, study_id: int, last: int) -> list[object]:
        return []
