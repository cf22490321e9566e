"""Whole studies of a toy task through planner, ledger and debug engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.data.folds import FIRST
from kdsearch.engines.artifacts import MissingArtifact
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import ChooseWinner, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ENDED, RunRecord, SearchRun, StudyResults
from kdsearch.search.manual import add_configuration
from kdsearch.search.observations import observed
from kdsearch.search.planner import StudyPlanner
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Configuration, New
from kdsearch.search.policies.subset import broken_in

NO_TEACHER = {"alpha": 0, "rate": 0.3}


def finish(ledger: Ledger, study: kd.Study, capacity: int = 4) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, capacity), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def pool(results: StudyResults, name: str) -> list[RunRecord]:
    return [run for run in results.runs if run.pool == name]


def test_a_study_ends_with_everything_compared_on_the_same_fresh_seeds(ledger: Ledger) -> None:
    results = finish(ledger, toy_study())
    study = results.study
    assert study.phase == "finished"
    assert all(run.state == "done" for run in results.runs)
    assert len(pool(results, "search")) == 40
    assert len(pool(results, "teacher")) == 1
    assert len(pool(results, "preflight")) == 3
    compared = Counter(run.configuration_id for run in pool(results, "confirm"))
    baselines = [row.id for row in results.configurations.values() if row.kind == "baseline"]
    primary = {study.winner_id, study.ablation_id, study.best_without_id}
    assert len(primary) == 3
    assert set(compared) == {*primary, *baselines, *study.finalist_ids}
    assert len(study.finalist_ids) == 2
    assert set(compared.values()) == {4}
    assert {run.seed for run in pool(results, "confirm")} == {2**30 + index for index in range(4)}


def test_winner_is_the_highest_posterior_mean_of_search_seeds(ledger: Ledger) -> None:
    results = finish(ledger, toy_study())
    searched, tried = observed(results.configurations, results.runs, sign=1.0)
    summaries = AdaptivePolicy(toy_study().space, toy_study().seed).summaries(tried)
    order = [searched[row.position].id for row in summaries if len(tried[row.position].objectives) > 1]
    assert results.study.winner_id == order[0]
    assert list(results.study.finalist_ids) == order[1:3]


def test_the_ablation_is_the_winner_with_every_teacher_weight_zero(ledger: Ledger) -> None:
    results = finish(ledger, toy_study())
    assert results.study.winner_id is not None
    assert results.study.ablation_id is not None
    winner = results.configurations[results.study.winner_id].params
    ablation = results.configurations[results.study.ablation_id]
    assert ablation.kind == "ablation"
    assert ablation.params == {**winner, "alpha": 0}
    assert all(run.needs is None for run in results.runs if run.configuration_id == ablation.id)


def test_a_winner_without_teacher_weights_is_its_own_ablation(ledger: Ledger) -> None:
    space, budget = {"rate": kd.uniform(0, 1)}, kd.Budget(runs=40, without=0)
    results = finish(ledger, toy_study(space=space, task=ToyTask(parameters=NO_TEACHER), budget=budget))
    assert results.study.ablation_id == results.study.winner_id
    assert results.study.best_without_id is None
    assert not any(row.name == "winner without distillation" for row in results.configurations.values())
    assert len(pool(results, "confirm")) == 4 * (1 + 2 + 2)


def test_seeds_go_where_they_decide_and_are_a_settings_own(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(budget=kd.Budget(runs=64, without=0)))
    seeds = Counter(run.configuration_id for run in pool(results, "search"))
    assert sum(seeds.values()) == 64
    assert results.study.winner_id is not None

    def mean(id_: int) -> float:
        values = [run.objective for run in pool(results, "search") if run.configuration_id == id_]
        return sum(value for value in values if value is not None) / len(values)

    ranked = sorted(seeds, key=mean)
    half = len(ranked) // 2
    worse, better = ranked[:half], ranked[-half:]
    assert sum(seeds[id_] for id_ in better) > 1.5 * sum(seeds[id_] for id_ in worse)
    for id_ in seeds:
        own = sorted(run.seed for run in pool(results, "search") if run.configuration_id == id_)
        assert own == list(range(own[0], own[0] + seeds[id_]))
    firsts = [min(run.seed for run in pool(results, "search") if run.configuration_id == id_) for id_ in seeds]
    assert len(set(firsts)) == len(firsts), "what one seed does to a whole neighbourhood must not look like the truth"


def test_the_stored_space_keeps_its_order_and_its_conditions(ledger: Ledger) -> None:
    space = {"rate": kd.uniform(0, 1), "alpha": kd.categorical([0.0, 0.5]), "Z": kd.when(kd.uniform(0, 1), alpha=0.5)}
    parameters = {"alpha": 0.5, "rate": 0.3, "Z": 0.25}
    study = toy_study(space=space, task=ToyTask(parameters=parameters), budget=kd.Budget(runs=24), baselines={})
    results = finish(ledger, study)
    assert list(results.study.settings.space) == ["rate", "alpha", "Z"]
    searched = [row.params for row in results.configurations.values() if row.kind == "searched"]
    assert {row["Z"] for row in searched if row["alpha"] == 0.0} == {0.25}, "an idle number keeps its default"
    assert len({row["Z"] for row in searched if row["alpha"] == 0.5}) > 3
    first = AdaptivePolicy(space, 0, 24).choose([], 1)[0]
    assert isinstance(first, New)
    assert searched[0]["rate"] == first.params["rate"]


def test_fresh_seeds_are_trained_one_after_the_other_each_behind_its_teacher(ledger: Ledger) -> None:
    """A study that is stopped half-way still compares on common seeds."""
    study = toy_study(budget=kd.Budget(runs=12), confirm=kd.Confirm(seeds=3, finalists=2), teachers="per-seed")
    record = finish(ledger, study).study
    statement = sa.text(
        "SELECT r.priority, r.seed, t.priority AS teacher FROM kdsearch.run r LEFT JOIN kdsearch.run t "
        "ON t.id = r.needs WHERE r.study_id = :study AND r.pool = 'confirm' ORDER BY r.priority"
    )
    with ledger.database.engine.connect() as connection:
        runs = connection.execute(statement, {"study": record.id}).all()
    priorities = [run.priority for run in runs]
    seeds = [run.seed for run in runs]
    assert len(set(priorities)) == len(runs)
    assert seeds == sorted(seeds)
    assert set(Counter(seeds).values()) == {len(runs) // 3}
    taught = [run for run in runs if run.teacher is not None]
    assert {run.seed for run in taught} == set(seeds)
    for run in taught:
        before = [other.priority for other in runs if other.seed < run.seed]
        own = [other.priority for other in runs if other.seed == run.seed]
        assert max(before, default=0) < run.teacher < min(own)


def test_a_fixed_design_gives_every_setting_its_seeds(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(budget=kd.Budget(runs=20), search=kd.Fixed(seeds=4)))
    seeds = Counter(run.configuration_id for run in pool(results, "search"))
    assert list(seeds.values()) == [4] * 5
    assert results.study.phase == "finished"


def test_the_search_ends_early_when_little_is_left_to_gain_and_says_so(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=400), min_effect=5.0)
    results = finish(ledger, study)
    assert len(pool(results, "search")) < 100
    (event,) = [event for event in results.events if event.kind == "search ended"]
    assert "stopped early" in event.message
    assert "min_effect = 5" in event.message
    assert results.study.phase == "finished"


def test_it_may_be_told_not_to_end_early(ledger: Ledger) -> None:
    search = kd.Adaptive(stop_early=False)
    results = finish(ledger, toy_study(budget=kd.Budget(runs=30), min_effect=5.0, search=search))
    assert len(pool(results, "search")) == 30


def test_whether_to_end_is_asked_again_only_when_results_have_come_in(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ToyTask(has_teacher=False, parameters=NO_TEACHER)
    study = toy_study(task=task, space={"rate": kd.uniform(0, 1)}, budget=kd.Budget(runs=40, without=0))
    record, _ = ledger.open_study(declaration(study))
    asked: list[int] = []

    def gain_left(self: AdaptivePolicy, tried: list[Configuration]) -> float:
        asked.append(sum(len(row.objectives) for row in tried))
        return 0.0 if asked[-1] >= 4 else 1.0

    monkeypatch.setattr(AdaptivePolicy, "gain_left", gain_left)
    coordinator = Coordinator(ledger, study, record, 2)
    for ended in range(1, 5):
        while coordinator.advance():
            pass
        (lease,) = ledger.claim(record.id, "somebody")
        ledger.finish([Outcome(lease, "done", {"objective": 0.5, "seconds": 1.0})])
        assert bool(coordinator.advance()) == (ended < 4)
        assert asked[-1] == ended
        before = len(asked)
        coordinator.planner.capacity += 1  # one more is wanted, and nothing new is known
        assert bool(coordinator.advance()) == (ended < 4)
        assert len(asked) == before


def test_a_budget_of_gpu_hours_ends_the_search(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(budget=kd.Budget(gpu_hours=1e-9), confirm=kd.Confirm(2, 0)))
    assert 0 < len(pool(results, "search")) <= 8, "what was ordered before the first time was known"
    (event,) = [event for event in results.events if event.kind == "search ended"]
    assert "GPU-hours is spent" in event.message


def test_queued_runs_are_taken_back_once_the_hours_are_spent(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(gpu_hours=1e-9, without=0))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 6)
    coordinator.advance()
    for run in ledger.claim(record.id, "trains the teacher", limit=20):
        ledger.finish([Outcome(run, "done", {"objective": 0.7, "artifact": "weights"})])
    while ledger.study_by_id(record.id).phase != "search":
        coordinator.advance()
    coordinator.advance()
    (held,) = ledger.claim(record.id, "worker")
    ledger.finish([Outcome(held, "done", {"objective": 0.5, "seconds": 10.0})])
    coordinator.advance()
    counts = Counter(run.state for run in pool(ledger.results(record.id), "search"))
    assert counts == {"done": 1, "cancelled": 5}
    coordinator.advance()
    (event,) = [event for event in ledger.results(record.id).events if event.kind == "winner"]
    assert "chosen by one run" in event.data["rule"]


def test_what_was_taken_back_is_no_evidence_and_is_ordered_again_when_there_is_time(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(gpu_hours=1e-9, without=0), task=ToyTask(folds=5))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 6)
    coordinator.advance()
    for run in ledger.claim(record.id, "trains the teachers", limit=20):
        ledger.finish([Outcome(run, "done", {"objective": 0.7, "artifact": "weights"})])
    while ledger.study_by_id(record.id).phase != "search":
        coordinator.advance()
    coordinator.advance()
    ordered = {(run.configuration_id, run.seed, run.fold) for run in pool(ledger.results(record.id), "search")}
    (held,) = ledger.claim(record.id, "worker")
    ledger.finish([Outcome(held, "done", {"objective": 0.5, "seconds": 10.0})])
    coordinator.advance()
    state = ledger.search_state(record.id)
    assert sum(run.state == "cancelled" for run in state.runs) == 5
    _, tried = observed(state.configurations, state.runs, sign=1.0)
    assert {row.failed for row in tried} == {frozenset()}
    assert broken_in(tried) == frozenset(), "nothing is known of them, least of all that they fail"
    ledger.change_settings(record.id, {"budget": {"runs": None, "hours": None, "gpu_hours": 1.0}}, "more hours")
    while coordinator.advance():
        pass
    runs = pool(ledger.results(record.id), "search")
    again = {(run.configuration_id, run.seed, run.fold) for run in runs}
    assert again >= ordered
    assert {run.state for run in runs} == {"done", "queued"}
    assert all(sum(row[0] == id_ for row in again) == 1 for id_, _, _ in ordered), "on their own seeds, so their folds"


def test_no_decision_reads_a_score_or_a_confirm_objective(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    deciding: list[str] = []
    planning = False

    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if planning:
            deciding.append(statement)

    sa.event.listen(ledger.database.engine, "before_cursor_execute", listen)
    advance = coordinator.advance

    def watched() -> int:
        nonlocal planning
        planning = True
        try:
            return advance()
        finally:
            planning = False

    coordinator.advance = watched  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    assert len(deciding) > 50
    assert [statement for statement in deciding if "score" in statement] == []
    assert "score" not in SearchRun.__dataclass_fields__
    seen = ledger.search_state(record.id)
    assert all(run.objective is None for run in seen.runs if run.pool == "confirm")
    assert all(run.objective is not None for run in seen.runs if run.pool == "search")


def test_no_confirm_run_exists_before_the_winner_is_fixed(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    phases: list[tuple[int | None, int]] = []
    engine = DebugEngine(coordinator, Loaded(study))  # type: ignore[arg-type]
    advance = coordinator.advance

    def watched() -> int:
        count = advance()
        state = ledger.search_state(record.id)
        phases.append((state.study.winner_id, sum(run.pool == "confirm" for run in state.runs)))
        return count

    coordinator.advance = watched  # type: ignore[method-assign]
    engine.run()
    assert all(confirm == 0 for winner, confirm in phases if winner is None)
    winners = {winner for winner, _ in phases if winner is not None}
    assert len(winners) == 1, "the winner stays the winner"


def test_the_same_ledger_gives_the_same_proposals(ledger: Ledger, database_url: str) -> None:
    first = finish(ledger, toy_study(name="one"))
    second = finish(ledger, toy_study(name="two"))

    def params(results: StudyResults) -> list[Any]:
        return [row.params for row in results.configurations.values() if row.kind == "searched"]

    assert params(first) == params(second)


def test_preflight_warns_with_numbers_when_there_is_no_gap(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(task=ToyTask(gap=-0.1)))
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert event.data["warning"] is True
    assert "hardly a gap" in event.message
    assert event.data["difference"] < 0
    assert len(event.data["teacher"]) == 1
    assert "gap" not in event.data, "of one teacher there is no interval"
    assert "without an interval, for there is one teacher" in event.message


def test_preflight_may_ask_for_no_student(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(preflight_seeds=0))
    assert pool(results, "preflight") == []
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert event.message.startswith("teacher on its objective: ")
    assert "no student was asked for beside it (preflight_seeds=0)" in event.message


def test_preflight_is_quiet_when_there_is_a_gap(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(task=ToyTask(gap=0.3)))
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert event.data["warning"] is False
    assert 0.2 < event.data["difference"] < 0.6


def test_one_teacher_is_trained_and_kept_and_chosen_by_nothing(ledger: Ledger) -> None:
    results = finish(ledger, toy_study())
    (teacher,) = pool(results, "teacher")
    assert (teacher.seed, teacher.fold) == (2_000_000, FIRST)
    assert results.study.teacher_run_id == teacher.id
    assert {run.needs for run in results.runs} == {None, teacher.id}
    assert sum(run.needs == teacher.id for run in results.runs) > 40


def test_each_seed_may_have_its_own_teacher(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(teachers="per-seed", budget=kd.Budget(runs=16)))
    assert results.study.phase == "finished"
    by_id = {run.id: run for run in results.runs}
    served: dict[int, set[int]] = {}
    for run in results.runs:
        if run.pool in ("search", "confirm") and run.needs is not None:
            served.setdefault(run.seed, set()).add(run.needs)
    assert all(len(teachers) == 1 for teachers in served.values()), "one teacher a seed, common to all configurations"
    used = [by_id[next(iter(teachers))].seed for teachers in served.values()]
    assert len(set(used)) == len(served)


def test_a_teacher_that_cannot_be_trained_ends_the_study_with_a_message(ledger: Ledger) -> None:
    broken = toy_study(task=ToyTask(teacher_fails=True))
    with pytest.raises(
        KdsearchError,
        match=r"3 runs in a row ended with the same error .*\n  RuntimeError: the teacher cannot be trained",
    ):
        finish(ledger, broken)
    for _ in range(3):  # four teachers, three attempts each, and five in a row end a worker
        with pytest.raises(KdsearchError) as refused:
            finish(ledger, broken)
    assert "4 teachers of fold 0 diverged or failed, one after another" in str(refused.value)
    study = toy_study(task=ToyTask(teacher_fails=False))
    record, _ = ledger.open_study(declaration(study))
    assert ledger.retry_failed(record.id) == 4
    assert finish(ledger, study).study.phase == "finished"


def test_diverged_runs_count_at_chance_and_do_not_win(ledger: Ledger) -> None:
    results = finish(ledger, toy_study(task=ToyTask(diverges_above=0.4)))
    diverged = [run for run in results.runs if run.state == "diverged"]
    assert diverged
    assert all(run.objective == 0.1 and run.attempt == 1 for run in diverged)
    winner = results.study.winner_id
    assert winner is not None
    assert float(results.configurations[winner].params["rate"]) <= 0.4


def test_a_task_that_always_fails_stops_the_study(ledger: Ledger) -> None:
    def broken(params: dict[str, Any], seed: int, report: Any) -> float:
        raise ValueError("no such layer")

    study = kd.Study(name="broken", task=broken, space={"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=30))
    with pytest.raises(
        KdsearchError, match=r"3 runs in a row ended with the same error .*\n  ValueError: no such layer"
    ):
        finish(ledger, study)
    for _ in range(8):  # whoever launches again and again is stopped by the planner
        with pytest.raises(KdsearchError) as refused:
            finish(ledger, study)
        if "so the study stops here" in str(refused.value):
            break
    assert "6 of 6 runs failed" in str(refused.value)
    run = next(run for run in ledger.results(ledger.study("broken").id).runs if run.state == "failed")
    assert run.error is not None
    assert "ValueError: no such layer" in run.error


def test_a_plain_function_is_a_task(ledger: Ledger) -> None:
    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        report(1, 0.5)
        return float("nan") if seed == 1 else 1 - abs(params["x"] - 0.5)

    study = kd.Study(name="plain", task=train, space={"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=8))
    results = finish(ledger, study)
    assert results.study.phase == "finished"
    assert {run.state for run in results.runs if run.seed == 1} == {"diverged"}
    done = next(run for run in results.runs if run.state == "done")
    assert done.curve == {"epoch": [1.0], "objective": [0.5]}


def test_extended_confirm_seeds_go_on_with_the_same_winner(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    before = finish(ledger, study)
    confirm = before.study.settings.confirm_with(6)
    ledger.change_settings(before.study.id, {"confirm": confirm}, "extended")
    after = finish(ledger, study)
    assert after.study.winner_id == before.study.winner_id
    assert len(pool(after, "confirm")) == len(pool(before, "confirm")) * 6 // 4
    assert after.study.phase == "finished"


def test_a_small_discrete_space_gets_seeds_instead_of_duplicates(ledger: Ledger) -> None:
    study = toy_study(space={"alpha": kd.categorical([0.0, 0.7]), "rate": kd.categorical([0.4, 0.5])})
    results = finish(ledger, study)
    searched = [tuple(row.params.items()) for row in results.configurations.values() if row.kind == "searched"]
    assert len(searched) == len(set(searched)) <= 4
    assert len([run for run in pool(results, "search") if run.state in ENDED]) == 40


def test_a_student_that_fails_is_found_before_the_budget_is_gone(ledger: Ledger) -> None:
    study = toy_study(task=ToyTask(student_fails=True))
    with pytest.raises(KdsearchError, match="3 runs in a row ended with the same error"):
        finish(ledger, study)
    assert sum(run.attempt for run in ledger.results(ledger.study("toy").id).runs if run.pool != "teacher") <= 8


@pytest.mark.parametrize("high", [20, 40])
def test_many_workers_on_a_whole_numbered_space(ledger: Ledger, high: int) -> None:
    study = toy_study(
        task=ToyTask(parameters={"alpha": 0, "rate": 0.3}),
        space={"rate": kd.integer(1, high)},
        budget=kd.Budget(runs=120),
        search=kd.Adaptive(stop_early=False),
    )
    results = finish(ledger, study, capacity=32)
    searched = [row for row in results.configurations.values() if row.kind == "searched"]
    assert len({row.name for row in searched}) == len(searched)
    assert len({row.params["rate"] for row in searched}) == len(searched)
    assert len(pool(results, "search")) == 120


def test_somebody_elses_workers_find_runs_waiting(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=60))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, capacity=2)
    coordinator.tick()
    for run in ledger.claim(record.id, "trains the teacher", limit=20):
        outcome = {"objective": 0.7, "artifact": "weights"}
        ledger.finish([Outcome(run, "done", outcome)])
    held = 0
    for number in range(12):
        coordinator.tick()
        held += len(ledger.claim(record.id, f"worker {number}"))
    assert held == 12, "each of twelve workers got a run, though the launcher has none itself"


def test_a_lost_teacher_is_said_and_can_be_trained_again(ledger: Ledger, home: Path) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    advance = coordinator.advance

    def until_search() -> int:
        count = advance()
        if ledger.study_by_id(record.id).phase == "search":
            raise KeyboardInterrupt
        return count

    coordinator.advance = until_search  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    for file in (home / "artifacts").iterdir():
        file.unlink()
    with pytest.raises(MissingArtifact, match="--retry-failed"):
        finish(ledger, study)
    assert not any(run.state == "failed" for run in ledger.results(record.id).runs), "no run pays for a lost file"
    ledger.requeue_teachers([run.id for run in ledger.results(record.id).runs if run.pool == "teacher"])
    assert finish(ledger, study).study.phase == "finished"


def test_a_mirror_that_cannot_be_drawn_never_ends_a_study(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=8))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    sync, calls = coordinator.mirror.sync, []

    def failing() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))
        return sync()

    coordinator.mirror.sync = failing  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    assert ledger.study_by_id(record.id).phase == "finished"
    assert len(calls) >= 3


def test_what_a_planner_remembers_is_what_a_whole_read_says(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=16))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    engine = DebugEngine(coordinator, Loaded(study))  # type: ignore[arg-type]
    advance, compared = coordinator.advance, 0

    def watched() -> int:
        nonlocal compared
        count = advance()
        remembered: list[Any] = []
        ledger.decide(record.id, lambda state: remembered.append(state) or [], coordinator.memory)  # type: ignore[func-returns-value]
        assert remembered[0] == ledger.search_state(record.id)
        compared += 1
        return count

    coordinator.advance = watched  # type: ignore[method-assign]
    engine.run()
    assert compared > 10
    teacher = next(run.id for run in ledger.results(record.id).runs if run.pool == "teacher")
    ledger.requeue_teachers([teacher])
    remembered: list[Any] = []
    ledger.decide(record.id, lambda state: remembered.append(state) or [], coordinator.memory)  # type: ignore[func-returns-value]
    assert remembered[0] == ledger.search_state(record.id), "a run that ended well may be queued again"


def test_runs_in_which_other_streams_vary_take_no_part_in_the_search(ledger: Ledger) -> None:
    numbers = {"alpha": 0, "representation": 0, "rate": 0.3, "vary": "initialisation+order"}
    study = toy_study(task=ToyTask(parameters=numbers), budget=kd.Budget(runs=10))
    results = finish(ledger, study)
    params = {**study.complete({"rate": 0.4}), "vary": "order"}
    name = add_configuration(ledger, study, results.study.id, params, 3)
    again = finish(ledger, study)
    assert name == "v0"
    added = next(row for row in again.configurations.values() if row.name == "v0")
    assert added.kind == "ablation"
    assert [run.seed for run in again.runs if run.configuration_id == added.id] == [0, 1, 2]
    assert again.study.winner_id == results.study.winner_id


def test_the_whole_study_may_vary_one_stream(ledger: Ledger) -> None:
    numbers = {"alpha": 0, "representation": 0, "rate": 0.3, "vary": "initialisation+order"}
    study = toy_study(task=ToyTask(parameters=numbers), budget=kd.Budget(runs=10), vary=("order",))
    results = finish(ledger, study)
    students = [row for row in results.configurations.values() if row.kind != "teacher"]
    assert {row.params["vary"] for row in students} == {"order"}
    with pytest.raises(StudyFileError, match="out of initialisation, order; got 'weather'"):
        toy_study(task=ToyTask(parameters=numbers), vary=("weather",))


def test_a_plan_from_memory_sees_a_run_whatever_its_clock_says(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=8))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    coordinator.tick()
    for run in ledger.claim(record.id, "trains the teacher", limit=20):
        ledger.finish([Outcome(run, "done", {"objective": 0.7, "artifact": "weights"})])
    coordinator.tick()
    (held,) = ledger.claim(record.id, "slow worker")
    coordinator.tick()  # remembers it as leased
    ledger.finish([Outcome(held, "done", {"objective": 0.5})])
    with ledger.database.engine.begin() as connection:
        early = "UPDATE kdsearch.run SET finished_at = finished_at - interval '1 hour' WHERE id = :id"
        connection.execute(sa.text(early), {"id": held.run_id})
    seen: list[Any] = []
    ledger.decide(record.id, lambda state: seen.append(state) or [], coordinator.memory)  # type: ignore[func-returns-value]
    assert next(run for run in seen[0].runs if run.id == held.run_id).state == "done"
    assert seen[0] == ledger.search_state(record.id)


def test_a_conditional_teacher_weight_is_zero_in_the_ablation_and_stays_so_in_training(ledger: Ledger) -> None:
    space = {"mode": kd.categorical(["kd", "off"]), "alpha": kd.when(kd.uniform(0.2, 1), mode="kd")}
    task = ToyTask(parameters={"alpha": 0.5, "rate": 0.3, "mode": "kd"})
    study = toy_study(task=task, space=space, baselines={}, budget=kd.Budget(runs=24))
    assert study.without_teacher({"alpha": 0.7, "rate": 0.3, "mode": "off"})["alpha"] == 0
    results = finish(ledger, study)
    alone = next(row for row in results.configurations.values() if row.name == "student alone (pre-flight)")
    assert alone.params["alpha"] == 0
    runs = [run for run in results.runs if run.configuration_id == alone.id]
    assert runs
    assert all(run.needs is None and run.state == "done" for run in runs)


def test_finalists_have_two_seeds_or_more_so_that_the_best_trial_is_the_winner(ledger: Ledger) -> None:
    for seed in range(3):
        results = finish(ledger, toy_study(name=f"s{seed}", seed=seed, budget=kd.Budget(runs=12)))
        seeds = Counter(run.configuration_id for run in pool(results, "search"))
        assert results.study.winner_id is not None
        assert all(seeds[id_] > 1 for id_ in (results.study.winner_id, *results.study.finalist_ids))


def test_where_few_settings_have_two_seeds_there_are_fewer_finalists(ledger: Ledger) -> None:
    confirm = kd.Confirm(seeds=2, finalists=10)
    results = finish(ledger, toy_study(budget=kd.Budget(runs=12, without=0), confirm=confirm, preflight_seeds=0))
    seeds = Counter(run.configuration_id for run in pool(results, "search"))
    twice = {id_ for id_, count in seeds.items() if count > 1}
    assert len(seeds) > len(twice), "some settings have one seed"
    assert {results.study.winner_id, *results.study.finalist_ids} == twice


def test_the_choice_follows_from_the_ledger_and_not_from_what_a_planner_remembers(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=40), search=kd.Adaptive(stop_early=False), preflight_seeds=0)
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    plan, choices = coordinator.planner.plan, []

    def watched(state: SearchState) -> Sequence[Order]:
        orders = plan(state)
        if any(isinstance(order, ChooseWinner) for order in orders):
            choices.append((orders, StudyPlanner(study, 4).plan(state)))
        return orders

    coordinator.planner.plan = watched  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    ((warm, fresh),) = choices
    assert warm == fresh, "to the last digit of the estimates that are stored with it"


def test_a_small_space_is_tried_whole_and_ends(ledger: Ledger) -> None:
    space = {"rate": kd.categorical([0.1, 0.3, 0.6])}
    task = ToyTask(parameters={"alpha": 0, "rate": 0.3})
    budget = kd.Budget(runs=50, without=0)
    fixed = toy_study(task=task, space=space, baselines={}, budget=budget, search=kd.Fixed(seeds=3))
    results = finish(ledger, fixed)
    assert Counter(run.configuration_id for run in pool(results, "search")).most_common() == [
        (row.id, 3) for row in results.configurations.values() if row.kind == "searched"
    ]
    (event,) = [event for event in results.events if event.kind == "search ended"]
    assert "the space holds no further configuration" in event.message


def test_each_time_all_confirm_runs_have_ended_is_a_look(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    before = finish(ledger, study)
    confirm = before.study.settings.confirm_with(6)
    ledger.change_settings(before.study.id, {"confirm": confirm}, "confirm seeds extended from 4 to 6")
    after = finish(ledger, toy_study(budget=kd.Budget(runs=12), confirm=kd.Confirm(seeds=6, finalists=2)))
    assert [event.data["seeds"] for event in after.events if event.kind == "look"] == [4, 6]


def test_a_search_in_which_all_diverge_stops_instead_of_crowning_one(ledger: Ledger) -> None:
    def broken(params: dict[str, Any], seed: int, report: Any) -> float:
        return float("nan")

    study = kd.Study("nan", broken, {"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=60))
    with pytest.raises(KdsearchError, match=r"all of the first 1[6-9] search runs diverged"):
        finish(ledger, study)
