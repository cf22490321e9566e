"""How many runs a minute train together, against the same runs one by one and in processes: ratios from one run.

A cell is one student at one width M in one form, or M processes that share the device, each training one run at a time
on one thread; on a GPU also one run whose steps are launches of one captured graph, where a step can be captured. Its
time is divided by M. Cells take turns, and ratios are taken within a turn, so that what else the machine does falls on
all. Cells over 60 s a step are left out aloud, and so are those too large for the memory: where an allocation fails,
the process begins anew without that cell. ``chosen`` is what a worker would choose (``engines.layouts``) by the first
half of the turns: one by one, unless another cell in one process is faster by 5 %. The other turns judge it: mean ratio
to one by one with a 95 % interval (Student's t of its logarithm). Memory is
managed as in a worker, by the same settings of the allocator. GFLOP/s are the products of a run's training steps,
forward and backward, over all of its time; the limit that they are a share of is the fastest of some large float32
matrix products in the same process (a convolution may be made in fewer operations than are counted: more than 100 % can
be). Data are generated where KDSEARCH_DATA has none: times do not depend on them. Needs torch, numpy and scipy alone,
and no installation:

    python -m tests.benchmarks.population [--device cuda] [--widths 1 4 16 64 256] [--students pose masks] [--turns 5]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from kdsearch.engines.devices import ALLOCATOR
from kdsearch.tasks.runner import Form
from tests.benchmarks.population.memory import TooLarge, fits, limit_memory, memory_left, peak_memory
from tests.benchmarks.population.processes import Processes
from tests.benchmarks.population.students import STUDENTS, Run, Student, wait

FORMS: tuple[Form, ...] = ("looped", "vmapped")
SLOWEST = 60.0
GAIN = 1.05
"""That of ``kdsearch.engines.layouts``, which needs more than torch; a test holds them together."""

ALONE = ("one by one", 1)
CAPTURED = ("CUDA graph", 1)
Cell = tuple[str, int]


def cells(
    name: str,
    student: Student,
    device: str,
    widths: list[int],
    processes: list[int],
    epochs: int,
    workspace: Path,
    without: Mapping[str, int] = {},
) -> dict[Cell, Run]:
    """What is compared. Each has run once: that also warms it up, and shows what is too slow.

    ``without``: of a form, the width from which on nothing is tried. Raises ``TooLarge`` where a cell does not fit.
    """
    made: dict[Cell, Run] = {ALONE: student.alone(device, workspace)}
    made[ALONE](0)
    try:
        made[CAPTURED] = student.captured(device)
        made[CAPTURED](0)
    except RuntimeError as error:
        print(f"left out: {name} {CAPTURED[0]}, {str(error).splitlines()[0]}", file=sys.stderr)
    start, one = peak_memory(), 0.0
    for form in FORMS:
        for width in widths:
            if width >= without.get(form, width + 1):
                print(f"left out: {name} {form} M={width} and wider, out of memory", file=sys.stderr)
                break
            # What earlier cells took is kept by the allocator and used again.
            if one * width > memory_left(device) + peak_memory() - start:
                print(
                    f"left out: {name} {form} M={width} and wider, over {one * width / 2**30:.0f} GiB", file=sys.stderr
                )
                break
            with fits(form, width):
                cell = student.together(device, workspace, form, width)
                seconds = cell(0) * width / student.steps
            if seconds > SLOWEST:
                print(f"left out: {name} {form} M={width} and wider, {seconds:.0f} s a step", file=sys.stderr)
                break
            made[form, width] = cell
            if width > 1 and form == FORMS[0]:  # later ones may find room that was taken before
                one = (peak_memory() - start) / width
    for count in processes:
        made["processes", count] = Processes(name, epochs, device, workspace, count)
        made["processes", count](0)
    return made


def measure(made: dict[Cell, Run], turns: int) -> dict[Cell, list[float]]:
    """Seconds of a run by cell and turn; the order of cells turns round with each."""
    times: dict[Cell, list[float]] = {cell: [] for cell in made}
    for turn in range(1, turns + 1):
        for cell in list(made) if turn % 2 else list(made)[::-1]:
            times[cell].append(made[cell](turn))
    return times


def lines(name: str, times: dict[Cell, list[float]], work: float, limit: float, cores: bool = True) -> Iterator[str]:
    """One line a cell: seconds of a run and how many times as many runs a minute as one by one (median, range).

    ``work``: floating point operations of a run, ``limit``: of a second, at most, of a GPU or (``cores``) of one core.
    """
    for (form, width), seconds in times.items():
        ratios = ratios_of(times, (form, width))
        most = limit * (min(width, os.cpu_count() or 1) if form == "processes" and cores else 1)
        yield (
            f"{name:10s} {form:10s} M={width:<4d} {statistics.median(seconds):8.3f} s a run   "
            f"{statistics.median(ratios):6.2f} times ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"{work / statistics.median(seconds) / 1e9:8.1f} GFLOP/s, "
            f"{100 * work / statistics.median(seconds) / most:.0f} % of the limit"
        )
    # Chosen on the first half of the turns, judged on the others: the best of many cells flatters itself.
    half = len(times[ALONE]) // 2
    if half:
        chosen = choice({cell: sum(seconds[:half]) for cell, seconds in times.items()})
        logs = np.log(ratios_of(times, chosen)[half:])
        error = logs.std(ddof=1) / len(logs) ** 0.5 if len(logs) > 1 else float("nan")
        spread = stats.t.ppf(0.975, len(logs) - 1) * error if len(logs) > 1 else float("nan")
        middle, low, high = np.exp([logs.mean(), logs.mean() - spread, logs.mean() + spread])
        yield (
            f"{name:10s} chosen: {chosen[0]} M={chosen[1]}, {middle:.2f} times [{low:.2f}, {high:.2f}] as many runs a "
            f"minute as one by one, over the {len(logs)} turns that did not choose it"
        )


def choice(seconds: dict[Cell, float]) -> Cell:
    """What a worker takes of the cells in one process: the next in order must be so many times as fast as the best."""
    chosen = ALONE
    for cell, own in seconds.items():
        if cell[0] not in ("processes", CAPTURED[0]) and own * GAIN < seconds[chosen]:
            chosen = cell
    return chosen


def ratios_of(times: dict[Cell, list[float]], cell: Cell) -> list[float]:
    """Runs a minute over those one by one, turn by turn."""
    return [one / own for one, own in zip(times[ALONE], times[cell], strict=True)]


def fastest_product(device: str) -> float:
    """Floating point operations a second of a float32 product of two square matrices: what this device can do.

    On a GPU with TF32, which convolutions use there.
    """
    side = 8192 if device != "cpu" else 1536
    usual, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, True
    a, b = torch.randn(2, side, side, device=device)
    best = float("inf")
    for _ in range(5):
        wait(device)
        begin = time.perf_counter()
        a @ b
        wait(device)
        best = min(best, time.perf_counter() - begin)
    torch.backends.cuda.matmul.allow_tf32 = usual
    return 2 * side**3 / best


def as_a_worker() -> None:
    """Begin anew with the allocator settings that workers are started with, unless this process has them."""
    missing = {name: value for name, value in ALLOCATOR.items() if name not in os.environ}
    if missing:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | missing)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--widths", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    add("--students", nargs="+", default=list(STUDENTS), choices=list(STUDENTS))
    add("--processes", type=int, nargs="*", default=[2], help="numbers of processes that share the device")
    add("--turns", type=int, default=10)
    add("--epochs", type=int, default=5)
    add("--without", nargs="*", default=[], help="form:M, from which on the memory was found not to be enough")
    given = parser.parse_args()
    without = {form: int(width) for form, _, width in (cell.partition(":") for cell in given.without)}
    if given.device == "cpu":
        as_a_worker()
        torch.set_num_threads(1)
    if len(given.students) > 1:
        # Each by itself: what one held at most would hide what the next one takes.
        codes = {}
        for name in given.students:
            codes[name] = subprocess.run([*sys.orig_argv, "--students", name]).returncode
        if failed := [f"{name} with {code}" for name, code in codes.items() if code]:
            sys.exit(f"ended with an error (-9: killed, mostly for lack of memory): {', '.join(failed)}")
        return
    try:
        compare(given.students[0], given, without)
    except TooLarge as error:  # anew without it: what has failed to allocate has gaps in its heap, and is slower
        cells_out = [f"{form}:{width}" for form, width in {**without, error.form: error.width}.items()]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--without", *cells_out])


def compare(name: str, given: argparse.Namespace, without: Mapping[str, int]) -> None:
    """Measure and print one student."""
    where = torch.cuda.get_device_name() if given.device != "cpu" else "1 thread"
    print(f"torch {torch.__version__}, {given.device} ({where}), {given.epochs} epochs, {given.turns} turns")
    limit = fastest_product(given.device)
    print(f"limit: {limit / 1e9:.1f} GFLOP/s, a float32 matrix product")
    limit_memory(memory_left(given.device))
    student = STUDENTS[name](given.epochs)
    with tempfile.TemporaryDirectory() as folder:
        made = cells(name, student, given.device, given.widths, given.processes, given.epochs, Path(folder), without)
        limit_memory(math.inf)  # each cell has run: none may fail for some gap now
        times, work = measure(made, given.turns), student.flops(given.device)
        for line in lines(name, times, work, limit, given.device == "cpu"):
            print(line, flush=True)
        for cell in made.values():
            if isinstance(cell, Processes):
                cell.close()


if __name__ == "__main__":
    main()
