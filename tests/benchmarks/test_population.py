"""The population benchmarks: verdicts by hand, and both ways train the same seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsearch.data import jhmdb
from kdsearch.engines import layouts
from kdsearch.engines.devices import ALLOCATOR
from kdsearch.tasks.base import Layout
from kdsearch.tasks.video_hashing.task import VideoHashing
from tests.benchmarks.population import __main__ as benchmark
from tests.benchmarks.population import equivalence
from tests.benchmarks.population.students import STUDENTS

ROOT = Path(__file__).resolve().parents[2]


def test_the_verdict_by_hand() -> None:
    alone = np.array([0.0, 1.0, 2.0, 3.0])  # sd 1.2910
    verdict = equivalence.compare(alone, alone + np.array([0.1, 0.3, 0.1, 0.3]))
    # Mean 0.2, sd of the gaps 0.11547, t(0.95, 3) = 2.35336: half width 0.13587.
    assert verdict.difference == pytest.approx((0.2 / 1.29099, 0.06413 / 1.29099, 0.33587 / 1.29099), abs=1e-4)
    assert verdict.ratio[0] == pytest.approx(np.std([0.1, 1.3, 2.1, 3.3], ddof=1) / 1.29099, abs=1e-5)


def test_equal_scores_are_equivalent_and_other_means_or_spreads_are_not() -> None:
    alone = np.random.default_rng(0).normal(size=64)
    wobble = 0.3 * np.random.default_rng(1).normal(size=64)
    assert equivalence.compare(alone, alone + wobble).equivalent
    assert not equivalence.compare(alone, alone + wobble + 0.6).equivalent
    assert not equivalence.compare(alone, 1.6 * alone).equivalent
    assert not equivalence.compare(alone[:4], alone[:4] + wobble[:4] * 4).equivalent, "too few to tell"


def test_both_ways_train_the_same_seeds(tmp_path: Path) -> None:
    task = VideoHashing(
        jhmdb(root=tmp_path),
        teacher={"frames": 20, "width": 8, "epochs": 1},
        student={"frames": 10, "width": 4},
        epochs=2,
    )
    alone, together, first, second = equivalence.measure(task, 3, Layout(4, "looped"), "cpu", tmp_path)
    assert alone.shape == together.shape == (3,)
    assert together == pytest.approx(alone, abs=0.02)
    assert len(set(alone)) == 3
    assert min(first, second) > 0


def test_cells_take_turns_and_ratios_are_within_a_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student = STUDENTS["pose"](1)
    made = benchmark.cells("pose", student, "cpu", [1, 2], [2], 1, tmp_path)
    try:
        assert list(made) == [
            ("one by one", 1),
            ("looped", 1),
            ("looped", 2),
            ("vmapped", 1),
            ("vmapped", 2),
            ("processes", 2),
        ]
        times = benchmark.measure(made, 2)
    finally:
        made["processes", 2].close()  # type: ignore[attr-defined]
    assert all(len(row) == 2 and min(row) > 0 for row in times.values())
    said = list(benchmark.lines("pose", times, 1e9, 4e9))
    assert len(said) == len(made) + 1
    assert "chosen" in said[-1]
    # 340 clips of 10 frames in batches of 120, 120 and 100: convolutions of 3 taps from 60, 32 and 32 to 32 numbers.
    # The ends of a clip have no neighbour; the first has no gradient of its input. Heads and triplets are the rest.
    taps, batch = 3 * 10 - 2, 340 * 32
    convolutions = 2 * batch * taps * (2 * 60 + 3 * 32 + 3 * 32)
    assert convolutions < student.flops("cpu") < 1.5 * convolutions


def test_what_is_chosen_is_what_a_worker_would_take() -> None:
    assert benchmark.GAIN == layouts.GAIN
    alone, looped, vmapped = ("one by one", 1), ("looped", 4), ("vmapped", 4)
    # 1.04 times as fast is not enough, 1.06 times is; then the next must be 1.05 times as fast as that one.
    assert benchmark.choice({alone: 1.0, looped: 1 / 1.04, vmapped: 1 / 1.03}) == alone
    assert benchmark.choice({alone: 1.0, looped: 1 / 1.06, vmapped: 1 / 1.1}) == looped
    assert benchmark.choice({alone: 1.0, looped: 1 / 1.06, vmapped: 1 / 1.2}) == vmapped
    assert benchmark.choice({alone: 1.0, looped: 1.0, ("processes", 2): 0.1, ("CUDA graph", 1): 0.1}) == alone


def test_operations_and_their_share_of_the_limit_by_hand() -> None:
    # 6 GFLOP in 2 s are 3 GFLOP/s, a quarter of 12.
    line = next(iter(benchmark.lines("x", {("one by one", 1): [2.0, 2.0]}, 6e9, 12e9)))
    assert line.endswith("3.0 GFLOP/s, 25 % of the limit")
    both = {("one by one", 1): [2.0, 2.0], ("processes", 2): [1.0, 1.0]}
    assert list(benchmark.lines("x", both, 6e9, 12e9))[1].endswith("6.0 GFLOP/s, 25 % of the limit")  # of two cores
    # Forward 2 * 128 * (32*32*27 + 16*16*576 + 8*8*576 + 4*4*576) * 64 + 2 * 128 * 2560; twice as many backward, but no
    # gradient of the images.
    first, others, linear = 32 * 32 * 27 * 64, (16 * 16 + 8 * 8 + 4 * 4) * 576 * 64, 2560
    assert STUDENTS["studentnet"](1).flops("cpu") == 2 * 2 * 128 * (2 * first + 3 * others + 3 * linear)


def test_ratios_and_the_choice_by_hand() -> None:
    times = {("one by one", 1): [2.0, 4.0, 2.0, 4.0], ("looped", 4): [1.0, 1.0, 4.0, 4.0], ("processes", 2): [0.1] * 4}
    assert benchmark.ratios_of(times, ("looped", 4)) == [2.0, 4.0, 0.5, 1.0]
    last = list(benchmark.lines("x", times, 1.0, 1.0))[-1]
    # Chosen on two turns, judged on the others: ratios 0.5 and 1, mean of logs -0.34657, half width
    # t(0.975, 1) * 0.34657 = 12.7062 * 0.34657 = 4.4036.
    low, high = np.exp(-0.34657 - 4.4036), np.exp(-0.34657 + 4.4036)
    assert f"looped M=4, 0.71 times [{low:.2f}, {high:.2f}]" in last


def test_it_needs_torch_numpy_and_scipy_alone() -> None:
    code = (
        "import sys\n"
        "class Bare:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in OTHERS: raise ImportError(name)\n"
        "OTHERS = {'platformdirs', 'fasteners', 'psutil', 'PIL', 'av', 'optuna', 'sqlalchemy', 'torchvision', 'ray'}\n"
        "sys.meta_path.insert(0, Bare())\n"
        "import tests.benchmarks.population.__main__\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=ROOT)


@pytest.mark.parametrize("name", ["studentnet", "resnet20", "nextvlad"])
def test_a_captured_step_needs_a_gpu(name: str) -> None:
    with pytest.raises(RuntimeError, match="need a CUDA device"):
        STUDENTS[name](1).captured("cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["studentnet", "resnet20"])
def test_a_captured_step_is_launched_again_and_again(name: str) -> None:
    assert STUDENTS[name](1).captured("cuda")(0) > 0


@pytest.mark.parametrize("name", ["studentnet", "resnet20", "nextvlad"])
def test_students_of_steps_alone_train_in_both_ways(name: str, tmp_path: Path) -> None:
    student = STUDENTS[name](1)
    student.batch = 4  # type: ignore[attr-defined]
    assert student.alone("cpu", tmp_path)(0) > 0
    assert student.together("cpu", tmp_path, "looped", 2)(0) > 0


def test_cells_too_large_for_the_memory_are_left_out_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # At the start, before M = 1 and 2 of the loop, after M = 2 (2 GiB a member), before M = 16, then those of vmap.
    held = iter(gigabytes << 30 for gigabytes in (0, 0, 0, 4, 4, 4, 4, 4))
    monkeypatch.setattr(benchmark, "peak_memory", lambda: next(held))
    monkeypatch.setattr(benchmark, "memory_left", lambda device: 20.0 * (1 << 30))
    made = benchmark.cells("pose", STUDENTS["pose"](1), "cpu", [1, 2, 16], [], 1, tmp_path)
    assert list(made) == [("one by one", 1), ("looped", 1), ("looped", 2), ("vmapped", 1), ("vmapped", 2)]
    assert capsys.readouterr().err.splitlines() == [
        "left out: pose CUDA graph, CUDA graphs need a CUDA device",
        "left out: pose looped M=16 and wider, over 32 GiB",
        "left out: pose vmapped M=16 and wider, over 32 GiB",
    ]


@pytest.mark.slow
def test_a_wide_cell_that_nothing_foretold_is_left_out_and_not_killed() -> None:
    """The kernel would grant what a population of 4,096 asks for, and then end the process."""
    code = (
        "import sys; from tests.benchmarks.population import __main__ as b; b.memory_left = lambda device: 1.5e9; "
        "sys.argv[1:1] = '--students pose --widths 4096 --turns 2 --epochs 1 --processes'.split(); b.main()"
    )
    # One thread: the stacks of others, and what BLAS keeps for them, would count.
    environment = {**os.environ, **ALLOCATOR, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("KDSEARCH_DATA", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "pose looped M=4096 and wider, out of memory" in done.stderr
    assert "pose vmapped M=4096 and wider, out of memory" in done.stderr
    assert "pose       chosen: one by one M=1" in done.stdout


def test_what_was_held_before_a_process_was_executed_does_not_count() -> None:
    code = (
        "import os, sys; from tests.benchmarks.population.memory import peak_memory; print(peak_memory(), flush=True); "
        "sys.argv[1:] or (b'x' * 10**9, os.execv(sys.executable, [*sys.orig_argv, 'again']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    first, second = map(int, done.stdout.split())
    assert abs(first - second) < 2e8
