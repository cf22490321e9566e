"""A ledger of very many runs under very many workers, and what its commands take.

    python -m tests.benchmarks.load commands [--configurations 10000] [--runs 100000] [--only status] [--profiles FOLDER]

``commands`` fills a ledger of 100,000 runs in 10,000 configurations and measures ``list``, ``status``, ``logs``,
``report``, ``export`` and the dashboard's first page over it, each as a process: CPU seconds of the command and of the
database, and seconds by the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def main() -> None:
    """Run one of the measurements and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    commands = kinds.add_parser("commands", help="what commands take over a large ledger")
    commands.set_defaults(measure=_commands)
    commands.add_argument("--only", action="append", default=[], help="one command; may be repeated")
    commands.add_argument("--profiles", type=Path, help="folder for what cProfile says of each command")
    for kind in (commands,):
        kind.add_argument("--configurations", type=int, default=10_000)
        kind.add_argument("--runs", type=int, default=100_000)
    arguments = parser.parse_args()
    arguments.measure(arguments)


def _commands(arguments: argparse.Namespace) -> None:
    from kdsearch.ledger.ledger import Ledger
    from tests.benchmarks.load import commands, filling

    with home():
        ledger = Ledger.connect()
        begin = time.perf_counter()
        study_id = filling.fill(ledger, arguments.configurations, arguments.runs)
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, {arguments.configurations:,} configurations, "
            f"{arguments.runs:,} runs with curves of {filling.EVALUATIONS} epochs: "
            f"{filling.size_of(ledger) / 2**20:,.0f} MiB, filled in {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
        costs = commands.measure(ledger, study_id, profiles=arguments.profiles, only=arguments.only)
        print(commands.table(costs))


@contextlib.contextmanager
def home() -> Iterator[Path]:
    """A ``KDSEARCH_HOME`` that is removed afterwards, its server stopped; one that is given is used, and stays."""
    from kdsearch.ledger import embedded

    os.environ.pop("KDSEARCH_STORAGE", None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-")))
        folder.chmod(0o711)  # as root, PostgreSQL runs as another user
        os.environ["KDSEARCH_HOME"] = str(folder)
        try:
            yield folder
        finally:
            embedded.stop()


if __name__ == "__main__":
    main()
