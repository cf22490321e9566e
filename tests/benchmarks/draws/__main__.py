"""What draws do to a search and to what is said of its winner: components, replayed searches, coverage.

    python -m tests.benchmarks.draws [--replays 400] [--processes 2] [--write]

Everything is computed from the record beside this file, which ``python -m tests.benchmarks.draws.record`` makes: 64
settings with and without distillation on 20 draws and on ten seeds of one fixed draw. A part of it will do.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from . import tables
from .context import correlations
from .coverage import SCALES, STUDIES, comparisons, coverage
from .outcomes import intervals, outcomes
from .recorded import KEPT, SCORES, Record, read
from .replay import BUDGETS, PAIRS, Basis, Spending, replay

RESULTS = Path(__file__).with_name("results.txt")


def main(given: list[str] | None = None) -> None:
    """Print all tables and the goals; ``--write`` keeps them beside the record."""
    arguments = _parse(given)
    record = read(arguments.record)
    lines = []
    for line in report(record, arguments):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        RESULTS.write_text("\n".join(lines) + "\n")


def report(record: Record, arguments: argparse.Namespace) -> Iterator[str]:
    """The whole output, line by line."""
    begin, basis = time.monotonic(), Basis.of(record)
    yield from _head(record, arguments)
    for block in (tables.components(record), tables.truths(basis)):
        yield ""
        yield from block
    covered = {scale: coverage(basis.components.of(SCORES), scale, arguments.studies) for scale in SCALES}
    figures = None
    yield ""
    if arguments.replays and len(record.partitions) > 1:
        spending = Spending.of(record, arguments.budgets, PAIRS)
        yield from tables.spending(spending, record)
        chosen = replay(basis, spending, arguments.replays, arguments.processes)
        found = [
            {kind: outcomes(basis, spending, kind, rows[:, place]) for kind, rows in chosen.items()}
            for place in range(len(arguments.budgets))
        ]
        figures = [intervals(basis, each) for each in found]
        yield ""
        yield from tables.searches(arguments.budgets, figures, arguments.replays, record)
        yield ""
        yield from tables.compared(comparisons(basis, found[-1]["drawn"].choice, arguments.studies))
    else:
        yield "Searches are not replayed: that takes two whole partitions of recorded draws and --replays."
    for block in (tables.covers(covered, arguments.studies), tables.correlated(correlations(record))):
        yield ""
        yield from block
    yield ""
    yield from tables.goals(arguments.budgets, figures, covered)
    yield ""
    yield f"{time.monotonic() - begin:.0f} s, processes: {arguments.processes}"


def _head(record: Record, arguments: argparse.Namespace) -> Iterator[str]:
    budgets = " ".join(map(str, arguments.budgets))
    yield (
        f"python -m tests.benchmarks.draws --replays {arguments.replays} --budgets {budgets} --studies "
        f"{arguments.studies} --processes {arguments.processes}"
    )
    yield (
        f"{datetime.now(UTC).date().isoformat()}, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, numpy {version('numpy')}"
    )
    yield f"record: {record.words}"
    if record.left_out:
        yield f"not whole: {record.left_out}"
    for line in record.provenance:
        yield f"  {line}"


def _parse(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--record", type=Path, default=KEPT)
    add("--replays", type=int, default=400, help="searches of each kind; 0: none")
    add("--budgets", type=int, nargs="+", default=list(BUDGETS), help="runs of the fixed searches, rising")
    add("--studies", type=int, default=STUDIES, help="simulated for coverage")
    add("--processes", type=int, default=len(os.sched_getaffinity(0)))
    add("--write", action="store_true", help=f"keep the output as {RESULTS.name} beside the record")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
