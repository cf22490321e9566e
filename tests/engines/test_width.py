"""How many runs train at once: measured once a machine, remembered, or told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Crowd
from support import ToyTask

from kdsearch.engines.width import layout_for
from kdsearch.engines.width import measured
from kdsearch.tasks.base import Layout

ALONE = Layout(1, "plain")


def test_the_fastest_layout_is_taken_and_remembered(home: Path) -> None:
    task = Crowd()
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8]
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8], "once a machine"
    assert layout_for(task, "cuda") == Layout(8, "crowd")
    assert task.measured == [1, 4, 8] * 2, "another device is another question"


def test_a_broken_memory_is_measured_again(home: Path) -> None:
    task = Crowd()
    layout_for(task, "cpu")
    (home / "layouts.json").write_text("{half")
    assert layout_for(task, "cpu") == Layout(8, "crowd")
    assert json.loads((home / "layouts.json").read_text())


def test_wider_must_pay(home: Path) -> None:
    assert measured(Crowd(times={1: 1.0, 4: 0.97}), Crowd(times={1: 1, 4: 1}).layouts("cpu"), "cpu") == ALONE
    task = Crowd(times={1: 1.0, 4: 0.5, 8: 0.49, 16: 0.1})
    assert measured(task, task.layouts("cpu"), "cpu") == Layout(4, "crowd")
    assert task.measured == [1, 4, 8], "a form that has stopped gaining is not tried wider"


def test_what_does_not_fit_into_memory_is_left(home: Path) -> None:
    task = Crowd(times={1: 1.0, 4: 0.5})
    assert measured(task, [Layout(1), Layout(4, "crowd"), Layout(8, "crowd"), Layout(16, "crowd")], "cpu").width == 4
    assert task.measured == [1, 4, 8]


def test_a_step_of_minutes_ends_the_search_for_width(home: Path) -> None:
    task = Crowd(times={1: 50.0, 4: 20.0, 8: 1.0})
    assert measured(task, task.layouts("cpu"), "cpu") == Layout(4, "crowd")


def test_who_is_told_asks_no_clock_but_for_the_form(home: Path) -> None:
    task = Crowd()
    assert layout_for(task, "cpu", 5) == Layout(5, "crowd")
    assert layout_for(task, "cpu", 1) == Layout(1)
    assert task.measured == []


@pytest.mark.parametrize("width", [None, 1, 64])
def test_a_task_that_trains_alone_has_one_slot(home: Path, width: int | None) -> None:
    assert layout_for(ToyTask(), "cpu", width) == Layout(1)
