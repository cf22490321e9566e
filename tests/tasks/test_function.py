"""A function as a task: what a run that diverges counts as must be said, since it may not be the better value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import StudyFileError
from kdsearch.ledger.ledger import Ledger
from kdsearch.tasks import FunctionTask, RunContext, RunRequest

SPACE = {"x": kd.uniform(0, 1)}


def negative(params: dict[str, Any], seed: int, report: Any) -> float:
    """A negative loss."""
    return -1 - params["x"]


def trained(task: Any, folder: Path) -> Any:
    return task.train(RunRequest("student", {"x": 0.5}, 0), RunContext(folder))


def test_chance_must_be_said() -> None:
    with pytest.raises(StudyFileError, match=r"function task negative: expected chance=NUMBER, .* got none; give what"):
        FunctionTask(negative, parameters={"x": 0.5})
    with pytest.raises(StudyFileError, match="got -inf"):
        FunctionTask(negative, parameters={"x": 0.5}, chance=-math.inf)


def test_a_run_that_diverges_counts_as_what_was_said(tmp_path: Path) -> None:
    task = FunctionTask(lambda params, seed, report: (math.nan, 0.3), parameters={"x": 0.5}, chance=-9.0)
    result = trained(task, tmp_path)
    assert (result.state, result.objective, result.score) == ("diverged", -9.0, -9.0)
    study = kd.Study("s", lambda params, seed, report: math.inf, SPACE, chance=-7)
    assert trained(study.task, tmp_path).objective == -7.0
    lower = kd.Study("s", negative, SPACE, presets={"lower": {"task": {"chance": -5.0}}}).with_preset("lower")
    assert (lower.task.chance, trained(lower.task, tmp_path).objective) == (-5.0, -1.5)


def test_a_function_without_a_description_is_described_by_its_name() -> None:
    assert FunctionTask(negative, chance=-9.0).description == "values of negative, as it returns them"
    assert FunctionTask(negative, chance=-9.0, description="loss on toys").description == "loss on toys"


def test_chance_is_part_of_what_a_study_is_and_belongs_to_the_task() -> None:
    assert kd.Study("s", negative, SPACE, chance=0).identity() == kd.Study("s", negative, SPACE).identity()
    assert kd.Study("s", negative, SPACE, chance=-2).identity() != kd.Study("s", negative, SPACE).identity()
    with pytest.raises(StudyFileError, match=r"chance is for a bare function, got chance=-3 beside a task"):
        kd.Study("s", FunctionTask(negative, parameters={"x": 0.5}, chance=-2.0), SPACE, chance=-3)


@pytest.mark.parametrize("value", [-0.1, (0.4, -0.1)])
def test_a_value_that_divergence_would_beat_is_refused_where_chance_was_not_said(tmp_path: Path, value: Any) -> None:
    study = kd.Study("s", lambda params, seed, report: value, SPACE)
    with pytest.raises(StudyFileError, match=r"expected no value below 0, .* Say it by kd\.Study\(\.\.\., chance="):
        trained(study.task, tmp_path)
    assert trained(kd.Study("s", lambda params, seed, report: 0.0, SPACE).task, tmp_path).state == "done"


def test_such_a_value_ends_the_study_and_leaves_no_run_out(ledger: Ledger) -> None:
    study = kd.Study("negative", negative, SPACE, budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=0))
    record, _ = ledger.open_study(declaration(study))
    with pytest.raises(StudyFileError, match="negative returned"):
        DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    assert {run.state for run in ledger.results(record.id).runs} == {"queued"}, "handed back, not failed"

    said = kd.Study(
        "said", negative, SPACE, budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=0), chance=-9.0
    )
    record, _ = ledger.open_study(declaration(said))
    DebugEngine(Coordinator(ledger, said, record, 2), Loaded(said)).run()  # type: ignore[arg-type]
    assert ledger.study_by_id(record.id).phase == "finished"


def test_what_is_written_in_c_has_no_source_and_is_a_task_all_the_same() -> None:
    """No file of the user defines it."""
    task = FunctionTask(pow, chance=0.0)
    assert task.sources() == []
    assert FunctionTask(max, chance=0.0).sources() == [], "one that does not tell what it takes"
    assert FunctionTask(negative, chance=0.0).sources() == [Path(__file__)]
