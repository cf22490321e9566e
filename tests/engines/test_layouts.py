"""How many runs train at once: measured once a machine, remembered, or told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import PopulationTask, ToyTask

from kdsearch.engines.layouts import layout_for, measured
from kdsearch.tasks.base import Layout

ALONE = Layout(1, "plain")


def test_the_fastest_layout_is_taken_and_remembered(home: Path) -> None:
    task = PopulationTask()
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8]
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8], "once a machine"
    assert layout_for(task, "cuda") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8] * 2, "another device is another question"


def test_a_broken_memory_is_measured_again(home: Path) -> None:
    task = PopulationTask()
    layout_for(task, "cpu")
    (home / "layouts.json").write_text("{half")
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert json.loads((home / "layouts.json").read_text())


def test_wider_must_pay(home: Path) -> None:
    assert (
        measured(PopulationTask(times={1: 0.1, 4: 0.097}), PopulationTask(times={1: 1, 4: 1}).layouts("cpu"), "cpu")
        == ALONE
    )
    task = PopulationTask(times={1: 0.1, 4: 0.05, 8: 0.049, 16: 0.01})
    assert measured(task, task.layouts("cpu"), "cpu") == Layout(4, "crowd")
    assert task.measured == [1, 4, 8], "a form that has stopped gaining is not tried wider"


def test_a_form_that_gains_nothing_leaves_the_other_forms_to_be_tried(home: Path) -> None:
    task = PopulationTask(times={1: 0.1, 4: 0.05, 8: 0.06, 16: 0.01, 32: 0.02})
    candidates = [ALONE, Layout(4, "crowd"), Layout(8, "crowd"), Layout(16, "crowd"), Layout(32, "looped")]
    assert measured(task, candidates, "cpu") == Layout(32, "looped")
    assert task.measured == [1, 4, 8, 32], "what is wider in a form that gains nothing is not tried"


def test_what_does_not_fit_into_memory_is_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = PopulationTask(times={1: 0.1, 4: 0.05})
    assert measured(task, [Layout(1), Layout(4, "crowd"), Layout(8, "crowd"), Layout(16, "crowd")], "cpu").width == 4
    assert task.measured == [1, 4, 8]
    assert capsys.readouterr().err.startswith("not 8 runs at once (crowd): ")


def test_a_large_network_trains_one_by_one_and_nothing_else_is_tried(home: Path) -> None:
    task = PopulationTask(times={1: 0.6, 4: 0.1, 8: 0.1})
    assert measured(task, task.layouts("cpu"), "cpu") == ALONE
    assert task.measured == [1]


def test_an_error_one_by_one_is_no_layouts(home: Path) -> None:
    with pytest.raises(MemoryError):
        measured(PopulationTask(times={4: 0.1}), [Layout(1), Layout(4, "crowd")], "cpu")


def test_who_is_told_asks_no_clock_but_for_the_form(home: Path) -> None:
    task = PopulationTask()
    assert layout_for(task, "cpu", 5) == Layout(5, "crowd")
    assert layout_for(task, "cpu", 1) == Layout(1)
    assert task.measured == []


@pytest.mark.parametrize("width", [None, 1, 64])
def test_a_task_that_trains_alone_has_one_slot(home: Path, width: int | None) -> None:
    assert layout_for(ToyTask(), "cpu", width) == Layout(1)
