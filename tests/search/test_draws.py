"""Whole studies whose runs draw folds and teachers, through planner, ledger and debug engine."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from support import Loaded, ToyTask, declaration, runs_expected, toy_study

import kdsearch as kd
from kdsearch.data.folds import FIRST, Fold
from kdsearch.draws import Draw, Draws
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import RunRecord, StudyResults
from kdsearch.report.build import build
from kdsearch.search.manual import add_configuration

BOTH = frozenset({"split", "teacher"})
FIVE = Draws(folds=5)
POOLS = ("search", "confirm")
FIRST_TEACHER, ONE_FOLD, REPLACED = 2_000_000, 49_152, 12_288


def folded(**changes: Any) -> kd.Study:
    """Five folds; seven fresh seeds of the primary comparison and four of the others; few runs."""
    task = ToyTask(folds=5, fold_effect=0.02, teacher_effect=0.02, **changes.pop("task", {}))
    fields = {"budget": kd.Budget(runs=40), "confirm": kd.Confirm(seeds=7, finalists=1, others=4)}
    return toy_study(task=task, **{**fields, **changes})


def finish(ledger: Ledger, study: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def pool(results: StudyResults, name: str) -> list[RunRecord]:
    return [run for run in results.runs if run.pool == name]


def kind(results: StudyResults, run: RunRecord) -> str:
    return results.configurations[run.configuration_id].kind


def test_folds_and_teachers_follow_from_pool_and_seed(ledger: Ledger) -> None:
    results = finish(ledger, folded())
    study, teachers = results.study, {run.id: run for run in pool(results, "teacher")}
    assert study.phase == "finished"
    assert study.teacher_run_id is None, "none of several teachers is chosen"
    assert {run.state for run in results.runs} == {"done"}
    for run in pool(results, "search"):
        assert run.fold == Fold(0, run.seed % 5)
    assert {run.fold.number for run in pool(results, "search")} == {0, 1, 2, 3, 4}
    for run in pool(results, "confirm"):
        index = run.seed - 2**30
        assert run.fold == Fold(1 + index // 5, index % 5)
    for run in results.runs:
        if run.needs is not None:
            teacher = teachers[run.needs]
            assert teacher.fold == run.fold, "trained outside the fold that validates its student"
            assert teacher.seed == FIVE.teacher_seed(FIVE.draw(run.pool, run.seed, BOTH))
    search = {FIRST_TEACHER + fold * ONE_FOLD + 1 + fold for fold in range(5)}
    fresh = {FIRST_TEACHER + (5 + index) * ONE_FOLD + 8192 + index for index in range(7)}
    assert {run.seed for run in teachers.values()} == search | fresh
    assert {teachers[run.needs].seed for run in pool(results, "confirm") if run.needs} == fresh
    assert {teachers[run.needs].seed for run in pool(results, "search") if run.needs} == search


def test_both_arms_share_seed_and_fold_and_the_one_without_touches_no_teacher(ledger: Ledger) -> None:
    results = finish(ledger, folded())
    study = results.study
    confirm = pool(results, "confirm")

    def of(id_: int | None) -> dict[int, Fold]:
        return {run.seed: run.fold for run in confirm if run.configuration_id == id_}

    assert len(of(study.winner_id)) == 7
    assert of(study.winner_id) == of(study.ablation_id) == of(study.best_without_id)
    assert all(run.needs is not None for run in confirm if run.configuration_id == study.winner_id)
    without = (study.ablation_id, study.best_without_id)
    assert all(run.needs is None for run in confirm if run.configuration_id in without)
    # Initialisation and order follow from the seed alone: baselines and finalists have the first four of these seeds.
    others = [row.id for row in results.configurations.values() if row.kind == "baseline"] + list(study.finalist_ids)
    assert len(others) == 3
    for id_ in others:
        assert of(id_) == {seed: fold for seed, fold in of(study.winner_id).items() if seed < 2**30 + 4}
    assert set(results.queries) == {run.id for run in confirm if run.configuration_id in (study.winner_id, *without)}
    (look,) = [event for event in results.events if event.kind == "look"]
    assert look.data == {"seeds": 7}


def test_a_share_of_the_budget_searches_without_any_teacher(ledger: Ledger) -> None:
    results = finish(ledger, folded(budget=kd.Budget(runs=60)))
    spent = Counter(kind(results, run) for run in pool(results, "search"))
    assert spent == {"searched": 54, "without": 6}
    rows = [row for row in results.configurations.values() if row.kind == "without"]
    assert [row.name for row in rows] == [f"w{number}" for number in range(len(rows))]
    assert {row.params["alpha"] for row in rows} == {0}
    assert len({row.params["rate"] for row in rows}) == len(rows)
    runs = [run for run in results.runs if kind(results, run) == "without"]
    assert all(run.needs is None for run in runs)
    assert {run.fold for run in runs if run.pool == "search"} > {FIRST}
    best = results.configurations[results.study.best_without_id or 0]
    assert best.kind == "without"
    seeds = Counter(run.configuration_id for run in runs if run.pool == "search")
    assert seeds[best.id] >= 2, "one seed leads nobody"
    (event,) = [event for event in results.events if event.kind == "winner"]
    assert event.data["without"]["name"] == best.name
    assert event.data["without"]["search_seeds"] == seeds[best.id]
    ended = {event.kind: event.message for event in results.events if event.kind.endswith("ended")}
    assert ended["search ended"] == "search ended: the budget of 54 search runs is spent"
    assert ended["search without teacher ended"] == (
        "search without distillation ended: the budget of 6 search runs is spent"
    )


def test_both_searches_go_on_side_by_side(ledger: Ledger) -> None:
    results = finish(ledger, folded(budget=kd.Budget(runs=60)))
    order = [kind(results, run) for run in pool(results, "search")]
    places = [index for index, name in enumerate(order) if name == "without"]
    for number, place in enumerate(places):  # the n-th of six stands at about n + 1/2 sixths of all
        assert abs(place - 60 * (number + 0.5) / 6) <= 6


def test_each_search_may_end_early_by_itself(ledger: Ledger) -> None:
    study = folded(budget=kd.Budget(runs=400), min_effect=5.0)
    results = finish(ledger, study)
    spent = Counter(kind(results, run) for run in pool(results, "search"))
    assert spent["searched"] < 100
    assert spent["without"] < 40
    ended = {event.kind: event.message for event in results.events if event.kind.endswith("ended")}
    assert "stopped early, for more runs are expected to add" in ended["search ended"]
    assert "to the best configuration, less than" in ended["search without teacher ended"]
    assert results.study.best_without_id is not None


def test_an_exhausted_space_of_one_search_does_not_keep_the_other_waiting(ledger: Ledger) -> None:
    space = {"alpha": kd.categorical([0.4, 0.7]), "rate": kd.categorical([0.2, 0.4])}
    study = folded(space=space, budget=kd.Budget(runs=50), search=kd.Fixed(seeds=3), confirm=kd.Confirm(2, 0))
    results = finish(ledger, study)
    spent = Counter(kind(results, run) for run in pool(results, "search"))
    assert spent == {"searched": 12, "without": 5}
    ended = {event.kind: event.message for event in results.events if event.kind.endswith("ended")}
    assert ended["search ended"] == "search ended: the space holds no further configuration"
    assert "the budget of 5 search runs is spent" in ended["search without teacher ended"]


@pytest.mark.parametrize(
    "changes", [{"budget": kd.Budget(runs=20, without=0)}, {"space": {"alpha": kd.uniform(0.1, 1)}}]
)
def test_without_a_share_or_anything_to_search_there_is_no_such_search(ledger: Ledger, changes: dict[str, Any]) -> None:
    results = finish(ledger, folded(**{"budget": kd.Budget(runs=20), **changes}))
    assert results.study.best_without_id is None
    assert Counter(kind(results, run) for run in pool(results, "search")) == {"searched": 20}
    assert "without" not in {row.kind for row in results.configurations.values()}


def test_equal_numbers_are_one_configuration(ledger: Ledger) -> None:
    # The winner has alpha 0.7; without distillation it has the numbers that the other search must find.
    space = {"alpha": kd.categorical([0.6, 0.7]), "rate": kd.categorical([0.1, 0.5])}
    task = {"gain": 0.3, "noise": 0.001}
    results = finish(ledger, folded(space=space, task=task, baselines={}, budget=kd.Budget(runs=40)))
    study = results.study
    assert study.ablation_id == study.best_without_id
    row = results.configurations[study.ablation_id or 0]
    assert (row.kind, row.params["rate"]) == ("without", 0.5)
    assert len([run for run in pool(results, "confirm") if run.configuration_id == row.id]) == 7
    assert not any(row.name == "winner without distillation" for row in results.configurations.values())


def test_a_winner_that_is_the_best_without_distillation_stands_for_it(ledger: Ledger) -> None:
    space = {"alpha": kd.categorical([0.0, 0.7]), "rate": kd.categorical([0.1, 0.5])}
    results = finish(ledger, folded(space=space, task={"gain": -0.3, "noise": 0.001}, baselines={}))
    study = results.study
    assert results.configurations[study.winner_id or 0].params == {"alpha": 0.0, "rate": 0.5}
    assert study.winner_id == study.ablation_id == study.best_without_id


def test_a_number_of_teachers_is_shared_by_the_fresh_seeds_in_turn(ledger: Ledger) -> None:
    results = finish(ledger, folded(teachers=3))
    by_id = {run.id: run for run in results.runs}
    served = {run.seed - 2**30: by_id[run.needs].seed for run in pool(results, "confirm") if run.needs is not None}
    assert sorted(served) == list(range(7))
    assert [served[index] for index in range(7)] == [served[index % 3] for index in range(7)]
    assert len(set(served.values())) == 3
    assert {run.fold for run in pool(results, "confirm")} == {Fold(1, 0), Fold(1, 1), Fold(1, 2)}
    (look,) = [event for event in results.events if event.kind == "look"]
    assert look.data == {"seeds": 7, "teachers": 3}
    assert look.message == "all confirm runs have ended: a look at 7 common fresh seeds of 3 teachers"


def test_one_teacher_serves_all_pools_and_the_split_is_held(ledger: Ledger) -> None:
    task = ToyTask(folds=1, parameters={"alpha": 0.5, "rate": 0.3, "vary": "initialisation+split+teacher"})
    study = toy_study(task=task, teachers="one", budget=kd.Budget(runs=20))
    results = finish(ledger, study)
    (teacher,) = pool(results, "teacher")
    assert (teacher.seed, teacher.fold, results.study.teacher_run_id) == (FIRST_TEACHER, FIRST, teacher.id)
    assert {run.fold for run in results.runs} == {FIRST}
    assert {run.needs for run in pool(results, "confirm")} == {None, teacher.id}


def test_a_given_teacher_is_no_run(ledger: Ledger) -> None:
    study = folded(budget=kd.Budget(runs=12), confirm=kd.Confirm(seeds=2, finalists=0))
    record, _ = ledger.open_study(declaration(study))
    ledger.change_settings(record.id, {"teachers": "given"}, "a file")
    coordinator = Coordinator(ledger, study, ledger.study_by_id(record.id), 4)
    while coordinator.advance():
        pass
    results = ledger.results(record.id)
    assert results.study.phase == "search"
    assert len(results.runs) == len(pool(results, "search")) == 4
    assert {run.needs for run in results.runs} == {None}
    assert {run.fold.number for run in results.runs} > {0}


def test_streams_that_are_held_are_held_for_all_runs(ledger: Ledger) -> None:
    names = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+split+teacher"}
    split = folded(name="split", task={"parameters": names}, vary=("split",), budget=kd.Budget(runs=12))
    results = finish(ledger, split)
    by_id = {run.id: run for run in results.runs}
    for run in results.runs:
        if run.needs is not None:  # each fold has one teacher, trained with the same initialisation
            assert by_id[run.needs].seed == FIVE.teacher_seed(Draw(run.fold, 0))
    assert len({run.fold for run in pool(results, "confirm")}) == 7
    held = folded(name="held", task={"parameters": names}, vary=("teacher",), budget=kd.Budget(runs=12))
    results = finish(ledger, held)
    assert {run.fold for run in results.runs} == {FIRST}
    served = {run.seed: run.needs for run in pool(results, "confirm") if run.needs is not None}
    assert len(set(served.values())) == len(served) == 7


def test_the_preflight_compares_on_the_same_folds(ledger: Ledger) -> None:
    results = finish(ledger, folded(task={"gap": 0.3}, budget=kd.Budget(runs=12), preflight_seeds=4))
    students = pool(results, "preflight")
    assert [(run.seed, run.fold.number, run.needs) for run in students] == [(1_000_000 + i, i, None) for i in range(4)]
    teachers = {run.fold.number: run.objective for run in pool(results, "teacher") if run.fold.partition == 0}
    assert sorted(teachers) == [0, 1, 2, 3, 4]
    (event,) = [event for event in results.events if event.kind == "preflight"]
    gaps = [(teachers[run.fold.number] or 0) - (run.objective or 0) for run in students]
    assert event.data["gap"] == pytest.approx(sum(gaps) / 4)
    assert event.data["folds"] == 4
    assert "(n=5)" in event.message
    assert "paired on 4 folds" in event.message
    assert event.data["warning"] is False


def test_a_teacher_of_the_search_that_diverges_is_replaced(ledger: Ledger) -> None:
    # Number 3 is that of fold 2; its replacement's seed diverges too, the one after it does not.
    first = FIRST_TEACHER + 3
    results = finish(ledger, folded(task={"teacher_diverges": (first, first + REPLACED)}))
    teachers = [run for run in pool(results, "teacher") if run.fold == Fold(0, 2)]
    base = FIRST_TEACHER + 2 * ONE_FOLD + 3
    assert [(run.seed, run.state) for run in teachers] == [
        (base, "diverged"),
        (base + REPLACED, "diverged"),
        (base + 2 * REPLACED, "done"),
    ]
    served = [run for run in pool(results, "search") if run.fold == Fold(0, 2) and run.needs is not None]
    assert served
    assert {run.needs for run in served} == {teachers[-1].id}
    assert all(run.state == "done" for run in pool(results, "search"))
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert "(n=5)" in event.message, "what did not serve is no part of the finding"


def test_after_four_teachers_of_a_fold_the_study_stops_and_says_why(ledger: Ledger) -> None:
    seeds = tuple(FIRST_TEACHER + 3 + number * REPLACED for number in range(4))
    with pytest.raises(KdsearchError, match="4 teachers of fold 2 diverged or failed, one after another"):
        finish(ledger, folded(task={"teacher_diverges": seeds}))


def fresh_teachers(results: StudyResults, index: int) -> list[RunRecord]:
    """Those that were trained for a fresh seed, in turn."""
    first = FIRST_TEACHER + (5 + index) * ONE_FOLD + 8192 + index
    return [run for run in pool(results, "teacher") if run.seed in range(first, first + 4 * REPLACED, REPLACED)]


def test_the_teacher_of_a_fresh_seed_is_replaced_as_in_the_search(ledger: Ledger) -> None:
    # Training seeds of the first two teachers of fresh seed 2, and of the first of seed 5.
    diverging = (FIRST_TEACHER + 8192 + 2, FIRST_TEACHER + 8192 + 2 + REPLACED, FIRST_TEACHER + 8192 + 5)
    results = finish(ledger, folded(task={"teacher_diverges": diverging}))
    assert results.study.phase == "finished"
    assert [run.state for run in fresh_teachers(results, 2)] == ["diverged", "diverged", "done"]
    assert [run.state for run in fresh_teachers(results, 5)] == ["diverged", "done"]
    confirm = pool(results, "confirm")
    assert {run.state for run in confirm} == {"done"}, "no pair is lost"
    for index in (2, 5):
        taught = [run for run in confirm if run.seed == 2**30 + index and run.needs is not None]
        assert {run.needs for run in taught} == {fresh_teachers(results, index)[-1].id}, "all arms have the same one"
        assert {run.fold for run in taught} == {Fold(1 + index // 5, index % 5)}
    (look,) = [event for event in results.events if event.kind == "look"]
    assert look.data == {"seeds": 7}
    told = [event for event in results.events if event.kind == "teacher replaced"]
    lost = [run.id for run in pool(results, "teacher") if run.state == "diverged"]
    assert sorted(event.data["teacher"] for event in told) == sorted(lost)
    assert all(event.data["pool"] == "confirm" for event in told)
    assert f"teacher run {fresh_teachers(results, 5)[0].id} is diverged: another is trained for fresh seed 5" in {
        event.message for event in told
    }
    said = "3 of 10 teachers of fresh seeds diverged or failed, and another was trained in its place"
    assert any(note.startswith(said) for note in build(results).notes)


def test_replaced_teachers_have_seeds_that_no_other_draw_has() -> None:
    draws = [
        FIVE.draw(name, FIVE.first_confirm_seed * (name == "confirm") + index, BOTH)
        for name in POOLS
        for index in range(200)
    ]
    held = [FIVE.draw("confirm", FIVE.first_confirm_seed + index, frozenset({"teacher"})) for index in range(200)]
    every = set(draws) | set(held)
    seeds = {FIVE.teacher_seed(draw, number): draw for draw in every for number in range(4)}
    assert len(seeds) == 4 * len(every)


def test_after_four_teachers_a_fresh_seed_is_dropped_and_said(ledger: Ledger) -> None:
    first = FIRST_TEACHER + 8192 + 2
    results = finish(ledger, folded(task={"teacher_diverges": tuple(range(first, first + 4 * REPLACED, REPLACED))}))
    assert results.study.phase == "finished"
    tried = fresh_teachers(results, 2)
    assert [run.state for run in tried] == ["diverged"] * 4
    confirm = pool(results, "confirm")
    winner = {run.seed - 2**30: run for run in confirm if run.configuration_id == results.study.winner_id}
    assert winner[2].state == "failed"
    assert f"the teacher run {tried[-1].id} of this run is diverged" in (winner[2].error or "")
    assert {index for index, run in winner.items() if run.state == "done"} == {0, 1, 3, 4, 5, 6}
    ablation = [run for run in confirm if run.configuration_id == results.study.ablation_id]
    assert {run.state for run in ablation} == {"done"}
    (event,) = [event for event in results.events if event.kind == "pair lost"]
    assert event.message.startswith(f"teacher run {tried[-1].id} is diverged and no other may follow it: fresh seed 2")
    (look,) = [event for event in results.events if event.kind == "look"]
    assert look.data == {"seeds": 6}
    notes = build(results).notes
    assert f"T{event.message[1:]}." in notes
    assert any(note.startswith("3 of 10 teachers of fresh seeds diverged or failed") for note in notes)


def test_a_teacher_that_the_search_orders_on_its_way_is_replaced_for_those_that_wait(ledger: Ledger) -> None:
    # The split is held, so that 16 teachers serve in turn; those of seeds 5 to 15 are ordered when a run needs them.
    names = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+split+teacher"}
    diverging = tuple(FIRST_TEACHER + 4096 + index for index in range(5, 16))
    task = {"parameters": names, "teacher_diverges": diverging}
    results = finish(ledger, folded(task=task, vary=("teacher",), budget=kd.Budget(runs=24, without=0)))
    lost = {run.id for run in pool(results, "teacher") if run.state == "diverged"}
    assert lost
    search = pool(results, "search")
    assert {run.state for run in search} == {"done"}, "no seed is spent on a teacher"
    assert len(search) == 24
    by_id = {run.id: run for run in results.runs}
    listening = [run for run in search if run.needs is not None and run.seed % 16 >= 5]
    assert listening
    for run in listening:
        assert by_id[run.needs or 0].seed == FIRST_TEACHER + 4096 + run.seed % 16 + REPLACED
    told = [event.data for event in results.events if event.kind == "teacher replaced"]
    assert {data["teacher"] for data in told} == lost
    assert {data["pool"] for data in told} == {"search"}
    assert not any("of fresh seeds diverged" in note for note in build(results).notes)


def test_the_question_says_which_seeds_a_look_counts(ledger: Ledger) -> None:
    study = folded(question="best without", budget=kd.Budget(runs=20))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    advance, failed = coordinator.advance, 0

    def watched() -> int:
        nonlocal failed
        found = ledger.study_by_id(record.id).best_without_id
        if found is not None and not failed:
            with ledger.database.engine.begin() as connection:
                done = connection.execute(
                    sa.text("UPDATE kdsearch.run SET state = 'failed' WHERE configuration_id = :id AND seed = :seed"),
                    {"id": found, "seed": 2**30 + 6},
                )
                failed = done.rowcount
        return advance()

    coordinator.advance = watched  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    assert failed == 1
    (look,) = [event for event in ledger.results(record.id).events if event.kind == "look"]
    assert look.data == {"seeds": 6}


def test_runs_expected_are_those_that_come(ledger: Ledger) -> None:
    study = folded()
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    seen: list[tuple[str, int]] = []
    advance = coordinator.advance

    def watched() -> int:
        state = ledger.search_state(record.id)
        seen.append((state.study.phase, runs_expected(state.study, state.configurations, state.runs)))
        return advance()

    coordinator.advance = watched  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    # teachers, pre-flight, both searches, primary three on 7 seeds with 7 teachers, two baselines and a finalist on 4
    total = 5 + 3 + 40 + 3 * 7 + 7 + 3 * 4
    assert len(ledger.results(record.id).runs) == total
    assert {count for _, count in seen} == {total}
    assert {phase for phase, _ in seen} >= {"teacher", "search", "confirm"}


def test_an_added_setting_has_the_folds_and_teachers_of_its_seeds(ledger: Ledger) -> None:
    study = folded(budget=kd.Budget(runs=12))
    before = finish(ledger, study)
    name = add_configuration(ledger, study, before.study.id, study.complete({"alpha": 0.25, "rate": 0.4}), 6)
    alone = add_configuration(ledger, study, before.study.id, study.complete({"alpha": 0, "rate": 0.45}), 2)
    after = finish(ledger, study)
    rows = {row.name: row for row in after.configurations.values()}
    assert (rows[name].kind, rows[alone].kind) == ("searched", "searched"), "a setting without teacher may win too"
    by_id = {run.id: run for run in after.runs}
    added = [run for run in after.runs if run.configuration_id == rows[name].id]
    assert [run.fold.number for run in added] == [0, 1, 2, 3, 4, 0]
    assert [by_id[run.needs or 0].fold for run in added] == [run.fold for run in added]
    assert len(pool(after, "teacher")) == len(pool(before, "teacher")), "the teachers of the search serve it"
    assert {run.needs for run in after.runs if run.configuration_id == rows[alone].id} == {None}


def test_extended_seeds_take_the_next_partition(ledger: Ledger) -> None:
    study = folded(budget=kd.Budget(runs=12))
    before = finish(ledger, study)
    confirm = before.study.settings.confirm_with(11)
    ledger.change_settings(before.study.id, {"confirm": confirm}, "confirm seeds extended from 7 to 11")
    after = finish(ledger, study)
    winner = [run for run in pool(after, "confirm") if run.configuration_id == after.study.winner_id]
    assert [(run.fold.partition, run.fold.number) for run in winner][-5:] == [(2, 1), (2, 2), (2, 3), (2, 4), (3, 0)]
    assert len(pool(after, "confirm")) == len(pool(before, "confirm")) + 3 * 4, "the others keep their four"
    assert [event.data["seeds"] for event in after.events if event.kind == "look"] == [7, 11]


def test_no_decision_of_either_search_reads_a_score(ledger: Ledger) -> None:
    study = folded(budget=kd.Budget(runs=20))
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
    assert [statement for statement in deciding if "score" in statement or "queries" in statement] == []
