"""Studies of functions from end to end: without distillation, folds and defaults, interrupted, compared."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support import Loaded, declaration, draw, end_a_run

import kdsearch as kd
from kdsearch.data.folds import Fold as Place
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError, StudyMismatch
from kdsearch.integrations.optuna_objective import evaluate
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, build_across_studies
from kdsearch.report.configurations import best_without_id, primary_id, void_primary
from kdsearch.report.selection import select
from kdsearch.space import Dimension
from kdsearch.tasks import FunctionTask

LABELS = [row % 4 for row in range(40)]
SEEN: dict[tuple[float, float, int], kd.Fold] = {}
GAIN = {"kd": 0.1, "none": 0.0, "harmful": -0.3}


def reached(params: dict[str, Any], seed: int, fold: kd.Fold | None = None) -> tuple[float, float]:
    """Truth and noise: distillation adds up to 0.1, a fold moves the objective alone."""
    alpha, rate = float(params["alpha"]), float(params["rate"])
    truth = 0.5 + GAIN[params.get("mode", "kd")] * min(alpha, 1.0) - (rate - 0.4) ** 2
    key = (seed, int(alpha * 1e6), int(rate * 1e6))
    place = 0.0 if fold is None else 0.05 * draw(fold.partition, fold.number)
    return truth + place + 0.01 * draw(*key, 1), truth + 0.01 * draw(*key, 2)


def train(params: dict[str, Any], seed: int, report: Any, fold: kd.Fold) -> tuple[float, float]:
    assert params["width"] == 8, "a default that nobody sets"
    SEEN[float(params["alpha"]), float(params["rate"]), seed] = fold
    _, held = fold.split(LABELS)
    counts = [sum(LABELS[row] == label for row in held) for label in range(4)]
    assert set(counts) <= {10 // fold.folds, 10 // fold.folds + 1}, "of ten samples of each class alike"
    report(1, 0.3)
    return reached(params, seed, fold)


def plain(params: dict[str, Any], seed: int, report: Any) -> tuple[float, float]:
    return reached(params, seed)


SPACE: dict[str, Dimension] = {"alpha": kd.log(0.1, 1), "rate": kd.uniform(0, 1)}


def study(**changes: Any) -> kd.Study:
    fields: dict[str, Any] = {
        "name": "mine",
        "task": train,
        "space": SPACE,
        "without": {"alpha": 0},
        "folds": 3,
        "defaults": {"width": 8},
        "baselines": {"paper": {"alpha": 0.5, "rate": 0.1}},
        "budget": kd.Budget(runs=30, without=0.2),
        "confirm": kd.Confirm(seeds=8, finalists=0),
    }
    return kd.Study(**{**fields, **changes})


def run(ledger: Ledger, declared: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(declared))
    DebugEngine(Coordinator(ledger, declared, record, 2), Loaded(declared)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_a_function_study_has_all_that_a_task_has(ledger: Ledger) -> None:
    SEEN.clear()
    results = run(ledger, study())
    found, rows = results.study, results.configurations
    assert found.phase == "finished"
    assert found.winner_id is not None
    assert found.ablation_id is not None
    assert found.best_without_id is not None
    winner, ablation = rows[found.winner_id].params, rows[found.ablation_id].params
    assert ablation == {**winner, "alpha": 0}
    without = [row for row in rows.values() if row.kind == "without"]
    assert without
    assert all(row.params["alpha"] == 0 for row in without)
    assert found.best_without_id in {row.id for row in without}
    own = {row.id for row in without}
    search = [row for row in results.runs if row.pool == "search"]
    assert (len(search), sum(row.configuration_id in own for row in search)) == (30, 6)

    # Runs of the search take the folds of one partition in turn, fresh seed i fold i mod 3 of partition 1 + i // 3.
    for row in results.runs:
        params = rows[row.configuration_id].params
        fold = SEEN[float(params["alpha"]), float(params["rate"]), row.seed]
        assert (fold.partition, fold.number, fold.folds) == (row.fold.partition, row.fold.number, 3)
    assert {row.fold for row in search} == {Place(0, number) for number in range(3)}
    first = min(row.seed for row in results.runs if row.pool == "confirm")
    for id_ in (found.winner_id, found.ablation_id, found.best_without_id):
        fresh = {
            row.seed - first: row.fold for row in results.runs if row.configuration_id == id_ and row.seed >= first
        }
        assert fresh == {index: Place(1 + index // 3, index % 3) for index in range(8)}

    selection = select(results)
    assert primary_id(selection) == found.ablation_id
    report = build(results)
    comparison = next(table for table in report.tables if table.key == "comparison")
    verdicts = dict(zip((row.label for row in comparison.rows), comparison.column("verdict"), strict=True))
    assert verdicts["winner without distillation"] == "better"
    assert "sd over student seeds and partitions" in comparison.caption
    assert any("over student seeds and partitions of this train list" in note for note in report.notes)


def test_the_best_without_may_be_what_is_asked_for(ledger: Ledger) -> None:
    results = run(ledger, study(question="best without"))
    assert primary_id(select(results)) == results.study.best_without_id is not None


MODES: dict[str, Dimension] = {
    "mode": kd.categorical(["harmful", "none"]),
    "alpha": kd.when(kd.log(0.1, 1), mode="harmful"),
    "rate": kd.uniform(0, 1),
}


def test_a_category_may_be_what_is_taken_away(ledger: Ledger) -> None:
    changes = {"space": MODES, "without": {"mode": "none"}, "baselines": {}, "defaults": {"width": 8, "alpha": 0.7}}
    results = run(ledger, study(name="harmful", **changes))
    assert results.study.winner_id is not None
    assert results.configurations[results.study.winner_id].params["mode"] == "none"
    assert results.study.ablation_id == results.study.winner_id
    selection = select(results)
    assert void_primary(selection) is not None
    assert best_without_id(selection) is None, "neither side distils"

    useful = {**MODES, "mode": kd.categorical(["kd", "none"]), "alpha": kd.when(kd.log(0.1, 1), mode="kd")}
    results = run(ledger, study(name="useful", **{**changes, "space": useful}))
    winner, ablation = (
        results.configurations[id_ or 0].params for id_ in (results.study.winner_id, results.study.ablation_id)
    )
    assert winner["mode"] == "kd"
    assert ablation == {**winner, "mode": "none", "alpha": 0.7}, "what nothing reads stands at its default"


def test_an_interrupted_study_ends_as_an_unbroken_one(ledger: Ledger) -> None:
    calls = 0

    def broken(params: dict[str, Any], seed: int, report: Any, fold: kd.Fold) -> tuple[float, float]:
        nonlocal calls
        calls += 1
        if calls in (4, 25, 40):
            raise KeyboardInterrupt
        return train(params, seed, report, fold)

    fixed = {"search": kd.Fixed(seeds=3), "confirm": kd.Confirm(seeds=4, finalists=1)}
    whole = run(ledger, study(name="whole", **fixed))
    stopped = study(name="stopped", task=broken, **fixed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(ledger, stopped)
    resumed = run(ledger, stopped)
    assert calls == len(whole.runs) + 3

    def values(results: StudyResults) -> dict[Any, Any]:
        params = {row.id: tuple(sorted(row.params.items())) for row in results.configurations.values()}
        chosen = [params[id_ or 0] for id_ in (results.study.winner_id, results.study.best_without_id)]
        runs = {(params[row.configuration_id], row.seed): (row.fold, row.objective, row.score) for row in results.runs}
        return {"chosen": chosen, **runs}

    assert values(resumed) == values(whole)


def test_a_script_of_ones_own_gets_the_folds_of_a_launch(home: Any) -> None:
    SEEN.clear()
    evaluate(study(), {"alpha": 0.5, "rate": 0.25}, seeds=4)
    assert [SEEN[0.5, 0.25, seed] for seed in range(4)] == [kd.Fold(seed % 3, 0, 3) for seed in range(4)]


def test_what_is_without_is_not_changed_under_one_name(ledger: Ledger) -> None:
    silent = study(without=None)
    record, _ = ledger.open_study(declaration(silent))
    again, changes = ledger.open_study(declaration(silent))
    assert (again.id, changes) == (record.id, [])
    end_a_run(ledger, record)
    with pytest.raises(StudyMismatch, match=r"without: 'nothing' in the ledger, {'alpha': 0} in the study file"):
        ledger.open_study(declaration(study()))
    with pytest.raises(StudyMismatch, match=r"task.folds: 3 in the ledger, 4 in the study file"):
        ledger.open_study(declaration(study(without=None, folds=4)))
    with pytest.raises(StudyMismatch, match=r"task.defaults.width: 8 in the ledger, 9 in the study file"):
        ledger.open_study(declaration(study(without=None, defaults={"width": 9})))


def test_two_functions_stand_side_by_side(ledger: Ledger) -> None:
    small = {"budget": kd.Budget(runs=12), "confirm": kd.Confirm(seeds=6, finalists=0), "baselines": {}}
    first = run(ledger, study(name="first", **small))
    other = run(ledger, study(name="other", **small, space={"alpha": kd.log(0.1, 0.2), "rate": kd.uniform(0, 1)}))
    four = run(ledger, study(name="four", **small, folds=4))
    report = build_across_studies([first, other, four])
    (table,) = report.tables
    pairs = dict(zip((row.label.split()[0] for row in table.rows[:3]), table.column("pairs"), strict=False))
    assert pairs == {"first": None, "other": 6, "four": None}
    assert any("do not say what data a run reads" in note for note in report.notes)
    assert any(
        note.startswith("four: its runs are validated by 4 folds and the first study's by 3") for note in table.notes
    )

    # By hand: the mean over common seeds of the winners' differences.
    winners = [
        {
            run.seed: run.score
            for run in side.runs
            if run.configuration_id == side.study.winner_id and run.pool == "confirm"
        }
        for side in (first, other)
    ]
    mean = sum((winners[0][seed] or 0) - (winners[1][seed] or 0) for seed in winners[0]) / 6
    assert table.column("difference")[1].value == pytest.approx(mean)  # type: ignore[union-attr]


def test_functions_that_measure_otherwise_do_not_stand_side_by_side(ledger: Ledger) -> None:
    small = {"budget": kd.Budget(runs=8), "confirm": kd.Confirm(seeds=3, finalists=0), "baselines": {}, "defaults": {}}
    small |= {"folds": 0}

    def told(name: str, **options: Any) -> StudyResults:
        task = FunctionTask(plain, {"alpha": 0.5, "rate": 0.5}, chance=0.0, **options)
        return run(ledger, study(name=name, task=task, **small))

    unsaid, metric, label = told("unsaid"), told("metric", metric="accuracy"), told("label", label="cifar")
    said, alike, others = (
        told("said", data_version="a"),
        told("alike", data_version="a"),
        told("others", data_version="b"),
    )
    for one, two in ((unsaid, metric), (unsaid, label), (said, others)):
        with pytest.raises(KdsearchError, match="measured alike: same data and parts, same metric"):
            build_across_studies([one, two])
    assert not any("not say what data" in note for note in build_across_studies([said, alike]).notes)
    half = [note for note in build_across_studies([said, unsaid]).notes if "not say what data" in note]
    assert [note[:24] for note in half] == ["unsaid does not say what"]


@pytest.mark.parametrize(("direction", "chance"), [("maximize", 9.0), ("minimize", 0.0)])
def test_a_chance_level_that_would_win_ends_the_study(ledger: Ledger, direction: Any, chance: float) -> None:
    """What diverges counts at it: a run that fails half of the time would be the winner."""

    def train(params: Any, seed: int, report: Any) -> float:
        return math.nan if params["x"] > 0.6 else 1 + params["x"]

    space = {"x": kd.uniform(0, 1)}
    given = {"budget": kd.Budget(runs=60), "search": kd.Fixed(seeds=2), "direction": direction, "chance": chance}
    with pytest.raises(KdsearchError, match=rf"chance={chance:g} is better than all \d+ search runs that were trained"):
        run(ledger, kd.Study("wrong", train, space, **given))
