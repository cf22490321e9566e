"""Teachers that are trained outside a launch: for one run, a script, a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import ToyTask, toy_study

import kdsearch as kd
from kdsearch import environment
from kdsearch.draws import Draw, Draws
from kdsearch.engines.teacher import draw_of, trained_teacher
from kdsearch.errors import KdsearchError
from kdsearch.search.teachers import streams_of

FIVE = Draws(folds=5)
BOTH = frozenset({"split", "teacher"})


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, home: Path) -> list[int]:
    """The seeds of the teachers that are trained."""
    seeds: list[int] = []
    train = ToyTask.train

    def told(self: ToyTask, request: kd.tasks.RunRequest, context: Any) -> kd.tasks.RunResult:
        seeds.append(request.seed)
        return train(self, request, context)

    monkeypatch.setattr(ToyTask, "train", told)
    return seeds


def seeds_of(draw: Draw, count: int) -> list[int]:
    return [FIVE.training_seed("teacher", FIVE.teacher_seed(draw, replaced)) for replaced in range(count)]


def test_it_is_trained_once_and_found_again(trained: list[int]) -> None:
    study = toy_study(task=ToyTask(folds=5))
    draw = FIVE.draw("search", 3, BOTH)
    first = trained_teacher(study, draw)
    assert trained_teacher(study, draw) == first
    assert trained == seeds_of(draw, 1)
    assert first.read_text() == f"teacher {trained[0]} {draw.fold.partition} {draw.fold.number}"
    other = FIVE.draw("search", 4, BOTH)
    assert trained_teacher(study, other) != first
    assert trained[1:] == seeds_of(other, 1)


def test_one_whose_note_cannot_be_read_is_trained_anew(trained: list[int]) -> None:
    study = toy_study(task=ToyTask(folds=5))
    first = trained_teacher(study)
    (note,) = environment.folder("teachers").glob("*/chosen.json")
    note.write_text("{")
    assert trained_teacher(study).read_bytes() == first.read_bytes()
    assert len(trained) == 2


def test_one_that_diverges_is_replaced_as_in_a_launch_and_after_four_given_up(trained: list[int]) -> None:
    draw = FIVE.draw("search", 0, BOTH)
    bad = seeds_of(draw, 4)
    study = toy_study(task=ToyTask(folds=5, teacher_diverges=tuple(bad[:1])))
    assert trained_teacher(study, draw).read_text().split()[1] == str(bad[1])
    assert trained == bad[:2]
    hopeless = toy_study(task=ToyTask(folds=5, gap=0.3, teacher_diverges=tuple(bad)))
    with pytest.raises(KdsearchError, match="none of 4 teachers of study 'toy' trained without diverging"):
        trained_teacher(hopeless, draw)
    assert trained[2:] == bad


def test_a_run_gets_the_fold_and_the_teacher_of_its_seed(trained: list[int]) -> None:
    study = toy_study(task=ToyTask(folds=5))
    params = {"alpha": 0.5, "rate": 0.3}
    fold, weights = draw_of(study, params, 3)
    draw = FIVE.draw("search", 3, streams_of(params))
    assert fold == draw.fold
    assert weights is not None
    assert weights.read_text().split()[1] == str(seeds_of(draw, 1)[0])
    assert draw_of(study, {**params, "alpha": 0.0}, 3)[1] is None
    assert len(trained) == 1
