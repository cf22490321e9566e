"""A ledger of very many runs under very many workers, and what its commands take.

    python -m tests.benchmarks.load commands [--configurations 10000] [--runs 100000] [--only status]
    python -m tests.benchmarks.load workers [--tcp] [--workers 200] [--length 1] [--connections 200] [--seconds 60]
    python -m tests.benchmarks.load optuna [--trials 1000] [--clients 8]

``commands`` fills a ledger of 100,000 runs in 10,000 configurations and measures ``list``, ``status``, ``logs``,
``report``, ``export`` and the dashboard's first page over it, each as a process: CPU seconds of the command and of the
database, and seconds by the clock. ``workers`` lets simulated workers claim runs and store results in such a ledger, on
the embedded server or, with ``--tcp``, on one that listens on 127.0.0.1; a million runs under a thousand workers are
``--runs 1000000 --workers 1000 --length 30 --connections 40``. ``optuna`` measures plain trials through ``RDBStorage``
and ``GrpcStorageProxy``; ``--before 100000`` lets them follow as many finished ones.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
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
    commands.add_argument(
        "--never-launched",
        dest="launched",
        action="store_false",
        help="without what a launcher has noted of the leader",
    )
    commands.add_argument("--profiles", type=Path, help="folder for what cProfile says of each command")
    workers = kinds.add_parser("workers", help="how long simulated workers wait")
    workers.set_defaults(measure=_workers)
    workers.add_argument("--tcp", action="store_true", help="a server over TCP in place of the embedded one")
    workers.add_argument("--workers", type=int, default=200)
    workers.add_argument("--length", type=float, default=1.0, help="seconds of a run")
    workers.add_argument("--connections", type=int, help="of the simulated workers; default: one each")
    workers.add_argument("--seconds", type=float, default=60.0, help="measured, after the warm-up")
    workers.add_argument("--warm-up", type=float, default=5.0)
    workers.add_argument("--whole", type=int, default=4, help="workers that are processes with a ledger of their own")
    optuna = kinds.add_parser("optuna", help="plain trials, for comparison")
    optuna.set_defaults(measure=_optuna)
    optuna.add_argument("--trials", type=int, default=1_000)
    optuna.add_argument("--clients", type=int, default=8)
    optuna.add_argument("--before", type=int, default=0, help="finished trials that the study holds already")
    for kind in (commands, workers):
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
        if arguments.launched:
            filling.note_leader(ledger, study_id)
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, {arguments.configurations:,} configurations, "
            f"{arguments.runs:,} runs with curves of {filling.EVALUATIONS} epochs: "
            f"{filling.size_of(ledger) / 2**20:,.0f} MiB, filled in {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
        costs = commands.measure(ledger, study_id, profiles=arguments.profiles, only=arguments.only)
        for line in commands.lines(costs):
            print(line, flush=True)
        print(f"load average {os.getloadavg()[1]:.1f}")


def _workers(arguments: argparse.Namespace) -> None:
    from kdsearch.ledger.ledger import Ledger
    from tests.benchmarks.load import filling, workers

    connections = arguments.connections or arguments.workers
    load = workers.Load(
        arguments.workers, arguments.length, connections, arguments.seconds, arguments.warm_up, arguments.whole
    )
    with home() as folder, tcp_server(folder, connections) if arguments.tcp else contextlib.nullcontext():
        ledger = Ledger.connect()
        queued = int(2 * (load.workers + load.whole) * (1 + (load.seconds + load.warm_up) / load.length))
        study_id = filling.fill(ledger, arguments.configurations, arguments.runs, queued=queued)
        before = filling.size_of(ledger)
        ledger.database.dispose()
        found = workers.simulate(study_id, load)
        after = filling.size_of(ledger)
    kind = "PostgreSQL over TCP" if arguments.tcp else "embedded PostgreSQL"
    print(
        f"{platform.machine()}, {os.cpu_count()} cores (server and all workers on them, load average "
        f"{os.getloadavg()[1]:.1f}), {kind}, {arguments.configurations:,} configurations, {arguments.runs:,} runs"
    )
    print("\n".join(workers.lines(load, found)))
    print(f"database         {before / 2**20:,.0f} MiB before, {after / 2**20:,.0f} after")


def _optuna(arguments: argparse.Namespace) -> None:
    from tests.benchmarks.load import plain_optuna

    with home():
        print(f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
        for name, seconds in plain_optuna.measure(arguments.trials, arguments.clients, arguments.before):
            each = 1000 * seconds / arguments.trials
            print(
                f"{name:<18} {arguments.trials:,} trials after {arguments.before:,}, {arguments.clients} clients: "
                f"{seconds:.1f} s, {each:.1f} ms each"
            )


@contextlib.contextmanager
def tcp_server(folder: Path, connections: int) -> Iterator[None]:
    """A server over TCP, named by ``KDSEARCH_STORAGE`` as a user's own is."""
    sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest has it
    from tests.faults.servers import TcpServer

    server = TcpServer(folder / "tcp", ("-c", f"max_connections={connections + 20}"))
    os.environ["KDSEARCH_STORAGE"] = server.url
    try:
        yield
    finally:
        os.environ.pop("KDSEARCH_STORAGE", None)
        server.stop()


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
