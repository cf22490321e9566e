"""Compares the planner's policy with its peers in worlds of known truth: one table from one run.

    KDSEARCH_DATA=... python -m tests.benchmarks.planner [--worlds 400] [--policies ours tpe_x5] [--on smooth-s1-r0]

Results are appended to a file, one JSON line a search; the same command goes on after any interruption, and searches
that are there are not run again. The file begins with the searches kept in the repository (``results.npz``, hours of
peers), so that ``--table`` prints their table at once; ``--fresh`` begins with none. Slow peers run in fewer worlds of
three families. Search runs are compared: nobody gets confirm runs. Worlds of HPO-RL-Bench need KDSEARCH_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from . import archive
from .judged import FAMILY, described, judged
from .measure import current, forget, jobs, measure, read
from .policies import OURS, policies, slow
from .summary import gather
from .table import behind, goals, lines
from .worlds import families

RESULTS = Path(__file__).resolve().parents[3] / "build" / "planner.jsonl"
REFERENCE = "tpe_x5"
SLOW_ON = ("jhmdb", "smooth-s1-r0", "left-tailed-s2-r0.3")
QUICK_ON = ("independent-s1-r0.3", "smooth-s2-r0")


def main(given: list[str] | None = None) -> None:
    """Measure what is missing, then print the table and the goals."""
    arguments = _parse(given)
    if not arguments.fresh and arguments.output == RESULTS and not RESULTS.exists():
        _begin_with_kept(RESULTS)
    if arguments.again:
        forget(arguments.output, arguments.again)
    failed = 0
    if not arguments.table:
        failed = _measure(arguments)
    rows = [row for row in read(arguments.output) if _asked(row, arguments)]
    found = gather([*rows, *judged(rows)], arguments.workers)
    if arguments.behind:
        for line in behind(found, OURS, arguments.behind):
            print(line)
        return
    for line in lines(found, OURS, arguments.reference):
        print(line)
    if (FAMILY, OURS) in found:
        print(described(found[FAMILY, OURS].index) + "\n")
    for line in goals(found, OURS, arguments.reference):
        print(line)
    if arguments.keep:
        print(f"{archive.write(row for row in read(arguments.output) if current(row))} searches are kept now")
    if failed:
        raise SystemExit(f"{failed} searches failed; their tracebacks are in {arguments.output}")


def _begin_with_kept(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in archive.read()))
    partial.replace(path)


def _measure(arguments: argparse.Namespace) -> int:
    names = arguments.policies
    budgets = {name: arguments.long_budget if name in arguments.long else arguments.budget for name in names}
    quick = {name: arguments.worlds for name in names if name not in slow()}
    few = {name: arguments.slow_worlds for name in names if name in slow()}
    wanted = [
        *jobs(arguments.on, {name: budgets[name] for name in quick}, quick, arguments.workers, arguments.first),
        *jobs(
            [name for name in arguments.on if name in arguments.slow_on],
            {name: budgets[name] for name in few},
            few,
            arguments.workers,
            arguments.first,
        ),
    ]
    return measure(wanted, arguments.output, arguments.processes, lambda line: print(line, flush=True))


def _asked(row: dict[str, object], arguments: argparse.Namespace) -> bool:
    known = row["world"] in arguments.on and row["policy"] in arguments.policies
    return known and int(str(row["index"])) >= arguments.first and current(row)


def _parse(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--worlds", type=int, default=400, help="worlds of each family for policies that are not slow")
    add("--first", type=int, default=0, help="index of the first world: the planner's numbers were tuned below 240")
    add("--slow-worlds", type=int, default=30, help="worlds for slow ones")
    add("--policies", nargs="+", default=None, help=f"out of: {', '.join(policies())}")
    add("--on", nargs="+", default=None, choices=list(families()), metavar="FAMILY", help="families; default all")
    add("--slow-on", nargs="+", default=SLOW_ON, metavar="FAMILY", help="families for slow policies")
    add("--budget", type=int, default=200, help="search runs")
    add("--long", nargs="*", default=[REFERENCE], help="policies with a longer budget")
    add("--long-budget", type=int, default=600)
    add("--workers", type=int, default=1, help="runs in flight on the virtual clock")
    add("--processes", type=int, default=len(os.sched_getaffinity(0)))
    add("--output", type=Path, default=RESULTS)
    add("--again", nargs="+", default=[], metavar="POLICY", help="forget the results of these first")
    add("--fresh", action="store_true", help="begin without the searches kept in the repository")
    add("--keep", action="store_true", help="add the searches of the output file to those in the repository")
    add("--table", action="store_true", help="only print what is there")
    add("--behind", nargs="+", type=int, default=[], help="print at these budgets who is ahead of us, nothing else")
    add("--reference", default=REFERENCE, help="whose regret the runs needed are counted to")
    add("--quick", action="store_true", help="two families, 4 worlds, 40 runs: does it work?")
    arguments = parser.parse_args(given)
    known = policies()
    arguments.policies = arguments.policies or list(known)
    if unknown := [name for name in arguments.policies if name not in known]:
        parser.error(f"unknown policies {unknown}; known: {', '.join(known)}")
    if arguments.quick:
        arguments.worlds, arguments.slow_worlds, arguments.budget, arguments.long_budget = 4, 1, 40, 40
        arguments.on = arguments.on or list(QUICK_ON)
    arguments.on = arguments.on or list(families())
    return arguments


if __name__ == "__main__":
    main()
