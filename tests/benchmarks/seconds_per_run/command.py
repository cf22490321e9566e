"""Seconds per run of kdsearch against a plain loop that works as the original of the seed does.

The plain loop stands in three forms: as usually written (transform per clip in the dataset, default Adam, a cube of all
B^3 triplets times a mask), as tight as such a loop can be, and the tight one with kdsearch's sparse triplets.

Same networks, initialisation, batch, epochs, evaluations, data, weights of terms and teacher; one thread each.

    python -m tests.benchmarks.seconds_per_run [--seeds 12] [--epochs 120] [--quick] [--no-context]

With KDSEARCH_DATA on JHMDB's poses, else on synthetic data. CPU seconds are the measure, since one thread is used and a
neighbour's work does not count; the clock's are printed beside them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from .environment import machine
from .figures import compare_scores, ratio_interval
from .measure import (
    CUBE,
    KDSEARCH,
    SPARSE,
    USUAL,
    VARIANTS,
    Timed,
    context,
    interleave,
    run_variant,
    through_kdsearch,
    timed,
)
from .setting import Setting, make_setting

GOALS = {USUAL: "at least 3, goal 5", CUBE: "at least 3, goal 5", SPARSE: "at least 1.5"}


def run(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parse(arguments)
    torch.set_num_threads(1)
    print(f"command: python -m tests.benchmarks.seconds_per_run {' '.join(sys.argv[1:])}".rstrip())
    print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user
        setting = make_setting(Path(folder), options.epochs, options.teacher_epochs)
        print(f"data: {setting.task.data.description}")
        print_setting(setting)
        warm_up(setting)
        runs = interleave(setting, options.seeds, lambda line: print(line, flush=True))
        print_seconds(runs)
        print_scores(runs)
        if options.context:
            print_context(setting)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; ``--quick`` is a tiny form that shows that all of it works and measures nothing worth quoting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12, help="repetitions of each variant, at least 2")
    parser.add_argument("--epochs", type=int, default=120, help="epochs of every run; none ends early")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 7 epochs, a hasty teacher, no context")
    parser.add_argument("--no-context", dest="context", action="store_false", help="leave out slower baselines")
    options = parser.parse_args(arguments)
    options.teacher_epochs = 120
    if options.quick:
        options.seeds, options.epochs, options.teacher_epochs, options.context = 2, 7, 5, False
    if options.seeds < 2:
        parser.error("--seeds must be at least 2, for there to be a spread")
    return options


def print_setting(setting: Setting) -> None:
    """What every variant trains."""
    task, params = setting.task, setting.params
    terms = ", ".join(f"{name} {value}" for name, value in params.items() if name != "patience")
    print(
        f"runs: student width {task.network('student').width} of {task.network('student').frames} frames, teacher "
        f"width {task.network('teacher').width} of {task.network('teacher').frames}, batch {task.batch}, "
        f"{task.epochs} epochs, {len(setting.evaluated_epochs)} evaluations of validation and test; {terms}"
    )


def warm_up(setting: Setting) -> None:
    """One run of each that does not count; of kdsearch's first one, what a worker pays once and then keeps."""
    first, warm = (timed(lambda: through_kdsearch(setting, 0))[1] for _ in range(2))
    print(f"kdsearch keeps between runs of a process: data prepared, teacher's outputs ({first - warm:.2f} s once)")
    for name in (USUAL, CUBE, SPARSE):
        run_variant(name, setting, 0)


def print_seconds(runs: Mapping[str, Sequence[Timed]]) -> None:
    """Median seconds of each variant, then the ratios."""
    count = len(runs[KDSEARCH])
    print(f"\nseconds per run, median of {count} (CPU; wall)")
    for name in VARIANTS:
        cpu, wall = (np.median([getattr(run, key) for run in runs[name]]) for key in ("cpu", "wall"))
        epochs = runs[name][0].epochs
        print(f"  {name:<28} {cpu:7.3f}  {wall:7.3f}   {len(epochs)} evaluations, last after epoch {epochs[-1]}")
    for name, goal in GOALS.items():
        for key in ("cpu", "wall"):
            slow, fast = ([getattr(run, key) for run in runs[which]] for which in (name, KDSEARCH))
            ratio, low, high = ratio_interval(slow, fast)
            print(f"  ratio {name} / kdsearch, {key}: {ratio:.2f} (95 % {low:.2f} to {high:.2f}; {goal})")


def print_scores(runs: Mapping[str, Sequence[Timed]]) -> None:
    """Final test mAP of each variant by one metric function, and kdsearch's against each plain loop's."""
    scores = {name: [run.score for run in runs[name]] for name in VARIANTS}
    print("\ntest mAP of the codes after the last epoch, ties averaged (one metric function for all)")
    for name, values in scores.items():
        print(f"  {name:<28} {np.mean(values):.4f} +- {np.std(values, ddof=1):.4f} ({len(values)} seeds)")
    for name in (USUAL, CUBE, SPARSE):
        print(f"  kdsearch - {name}: {compare_scores(scores[KDSEARCH], scores[name])}")


def print_context(setting: Setting) -> None:
    """Forms of the baseline that were not taken because they are slower, beside those that were."""
    print("\nfor context, CPU seconds per epoch of the plain loop without evaluations")
    for name, seconds in context(setting).items():
        print(f"  {name:<28} {seconds:.3f}")
