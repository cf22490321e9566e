"""What a layout is measured by: seconds a run and full batch, on runs as a population trains them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from kdsearch.tasks import layouts as measured
from kdsearch.tasks.base import Layout
from kdsearch.tasks.layouts import layouts, prepared, seconds_a_step
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.randomness import build_seeded
from tests.tasks.video_hashing.data import TinyData

TINY = {"teacher": {"frames": 4, "width": 4}, "student": {"frames": 2, "width": 4}}


@pytest.fixture
def task() -> VideoHashing:
    return VideoHashing(TinyData(), **TINY, epochs=1, batch=8, bits=8)  # type: ignore[arg-type]


def test_one_by_one_comes_first_then_each_form_from_narrow_to_wide() -> None:
    found = layouts("cpu")
    assert found[0] == Layout(1)
    forms = [[layout.width for layout in found[1:] if layout.form == form] for form in ("vmapped", "looped")]
    assert all(widths == sorted(widths) and widths[0] > 1 for widths in forms)
    assert len(found) == 1 + len(forms[0]) + len(forms[1])


@pytest.mark.parametrize("layout", [Layout(1), Layout(3, "looped"), Layout(3, "vmapped")], ids=str)
def test_it_counts_a_whole_epoch_by_its_clips(
    task: VideoHashing, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock by which each step takes 3 seconds, an epoch of b batches takes 3 b, and its clips share that."""
    clock = itertools.count(0.0, 3.0)
    clips = len(task.make_workload("student", "cpu").train)
    batches = -(-clips // 8)
    assert clips % 8 > 1, "the last batch is smaller"
    with monkeypatch.context() as patched:
        patched.setattr(time, "perf_counter", lambda: next(clock))
        found = seconds_a_step(task, layout, "cpu")
    assert found == pytest.approx(3.0 * batches * 8 / (layout.width * clips))


@pytest.mark.parametrize("form", ["looped", "vmapped"])
def test_each_slot_has_a_run_of_its_own_seed_that_has_just_begun(task: VideoHashing, form: str) -> None:
    stepper, clips = prepared(task, Layout(3, form), "cpu")
    assert clips.shape == (3, 8)
    for slot in range(3):
        begun = build_seeded(slot, task.make_workload("student", "cpu").build).state_dict()
        found = stepper.weights(slot)
        assert found.keys() == begun.keys()
        assert all(torch.equal(found[name], begun[name]) for name in begun), f"slot {slot}"


def test_nothing_is_written(task: VideoHashing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seconds_a_step(task, Layout(2, "looped"), "cpu")
    assert not list(tmp_path.iterdir())


def test_short_steps_are_timed_more_often_and_the_first_never_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes what later ones find; of the others the fastest was disturbed least."""
    clips = torch.zeros(1, 1, dtype=torch.long)
    for taken, count in ((times(0.1, 0.9, 0.4), 2 + measured.STEPS), (times(0.1, 1.5), 2), (times(9.0, 1.0), 2)):
        told: list[float] = []

        def timed(*_: object, taken: Iterator[float] = taken, told: list[float] = told) -> float:
            told.append(next(taken))
            return told[-1]

        monkeypatch.setattr(measured, "_timed", timed)
        assert measured._fastest(None, clips, None, "cpu") == min(told[1:])  # type: ignore[arg-type]
        assert len(told) == count


def times(*first: float) -> Iterator[float]:
    return itertools.chain(first, itertools.repeat(0.7))
