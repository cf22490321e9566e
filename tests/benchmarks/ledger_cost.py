"""1,000 runs that train nothing, through ledger, planner and projection, against 1,000 plain Optuna trials.

Both on one Postgres, in one process, in turn: 100 configurations x 10 seeds here, ask / report / tell there. Prints
seconds and their ratio.

    python -m tests.benchmarks.ledger_cost [--configurations 100] [--seeds 10]
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

SEEDS = 10


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user
        os.environ["KDSEARCH_HOME"] = folder
        os.environ.pop("KDSEARCH_STORAGE", None)
        report(*measure(arguments.configurations, arguments.seeds), arguments.configurations * arguments.seeds)


def measure(configurations: int, seeds: int) -> tuple[float, float]:
    """Seconds of kdsearch and of plain Optuna for ``configurations * seeds`` runs."""
    from kdsearch.ledger import embedded
    from kdsearch.ledger.ledger import Ledger

    try:
        ledger = Ledger.connect()
        ours = through_kdsearch(ledger, configurations, seeds)
        plain = through_optuna(ledger, configurations * seeds)
    finally:
        embedded.stop()
    return ours, plain


def through_kdsearch(ledger: object, configurations: int, seeds: int) -> float:
    """Seconds for a study of that design, from an open ledger to the mirrored winner."""
    import kdsearch as kd
    from kdsearch.engines.coordinator import Coordinator
    from kdsearch.engines.debug import DebugEngine
    from kdsearch.engines.study_file import LoadedStudy
    from kdsearch.ledger.ledger import Ledger

    assert isinstance(ledger, Ledger)
    study = kd.Study(
        name="nothing",
        task=nothing,
        space={name: kd.uniform(0, 1) for name in "abcdefg"},
        budget=kd.Budget(runs=configurations * seeds),
        confirm=kd.Confirm(seeds=2, finalists=1),
        search=kd.Fixed(seeds=seeds),
    )
    loaded = LoadedStudy(Path(__file__), study)
    record, _ = ledger.open_study(loaded.declaration())
    begin = time.perf_counter()
    DebugEngine(Coordinator(ledger, study, record, capacity=64), loaded).run()
    seconds = time.perf_counter() - begin
    runs = ledger.results(record.id).runs
    assert sum(run.pool == "search" and run.state == "done" for run in runs) == configurations * seeds
    return seconds


def through_optuna(ledger: object, trials: int) -> float:
    """Seconds for as many plain trials of seven parameters with Optuna's default sampler."""
    import optuna

    from kdsearch.engines.optuna_mirror import optuna_storage
    from kdsearch.ledger.ledger import Ledger

    assert isinstance(ledger, Ledger)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="plain", storage=optuna_storage(ledger.database), direction="maximize")
    begin = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        value = nothing({name: trial.suggest_float(name, 0, 1) for name in "abcdefg"}, trial.number, None)
        trial.report(value, step=1)
        study.tell(trial, value)
    return time.perf_counter() - begin


def nothing(params: dict[str, float], seed: int, report: object) -> float:
    """No training: a number that depends on configuration and seed."""
    return sum(params.values()) + 0.01 * (seed * 7919 % 13)


def report(ours: float, plain: float, runs: int) -> None:
    """Print both times and the ratio."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, embedded PostgreSQL, {runs} runs, one process")
    print(f"kdsearch (ledger, planner, projection)  {ours:8.1f} s  {1000 * ours / runs:7.1f} ms a run")
    print(f"Optuna ask / report / tell              {plain:8.1f} s  {1000 * plain / runs:7.1f} ms a trial")
    print(f"ratio kdsearch / Optuna                 {ours / plain:8.3f}    (goal: at most 0.1)")


if __name__ == "__main__":
    main()
