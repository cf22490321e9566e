"""Random faults against short runs for some minutes: ``python -m tests.faults.soak --minutes 10``.

Studies of 150 runs are launched with four workers, one after the other, each until it is finished. Every few seconds
something strikes, drawn at random: a worker, the launcher, the database or all of them are killed, a worker is frozen,
connections are cut, the launcher is asked to end, the Optuna study is deleted. After each strike and at each study's
end SQL checks the ledger: no run twice, no value that changes, at the end no lease and the value of every run as its
configuration and seed give it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.harness import CONFIRM, Short, broken_invariants, workers_of
from kdsearch.ledger import embedded

RUNS, WORKERS = 150, 4
PAUSE = (1.0, 4.0)


class Soak:
    """One study under fire. ``values``: of each run that was ever seen done."""

    def __init__(self, folder: Path, drawn: random.Random) -> None:
        self.short = Short(folder, runs=RUNS, environment={"SHORT_SECONDS": "0.1"})
        self.drawn = drawn
        self.values: dict[object, tuple[object, ...]] = {}
        self.faults: list[str] = []
        self.launches = 0
        self.strikes: Counter[str] = Counter()

    def run(self, deadline: float) -> None:
        """Launch again until the study is finished; strike until ``deadline``."""
        while not self.short.query("SELECT 1 FROM kdsearch.study WHERE phase = 'finished'"):
            self.launches += 1
            if self.launches > 200:
                self.faults.append("the study does not end")
                return
            launcher = self.short.start(workers=WORKERS)
            while launcher.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    launcher.wait(self.drawn.uniform(*PAUSE))
                if launcher.poll() is None and time.monotonic() < deadline:
                    self.strike(launcher)
                self.look()
            output, _ = launcher.communicate()
            if "Traceback" in output:
                self.faults.append(f"a traceback in a launch:\n{output[-3000:]}")
        self.end()

    def strike(self, launcher: subprocess.Popen[str]) -> None:
        """One fault, drawn at random."""
        workers = workers_of(launcher)
        server = embedded.status(self.short.home / "postgres").pid
        if not workers or server is None:
            return
        worker = self.drawn.choice(workers)
        kinds: dict[str, Callable[[], object]] = {
            "worker killed": lambda: os.kill(worker, signal.SIGKILL),
            "two workers killed": lambda: [os.kill(pid, signal.SIGKILL) for pid in workers[:2]],
            "worker asked to end": lambda: os.kill(worker, signal.SIGTERM),
            "worker frozen for 5 s": lambda: self._freeze(worker),
            "launcher killed": launcher.kill,
            "launcher interrupted": lambda: launcher.send_signal(signal.SIGINT),
            "server killed": lambda: os.kill(server, signal.SIGKILL),
            "server stopped": lambda: os.kill(server, signal.SIGINT),
            "all killed": lambda: [os.kill(pid, signal.SIGKILL) for pid in (launcher.pid, *workers, server)],
            "connections cut": lambda: self.short.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND random() < .7"
            ),
            "Optuna study deleted": self._delete_projection,
        }
        kind = self.drawn.choice(sorted(kinds))
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            kinds[kind]()
            self.strikes[kind] += 1

    def _freeze(self, worker: int) -> None:
        os.kill(worker, signal.SIGSTOP)
        time.sleep(5)
        os.kill(worker, signal.SIGCONT)

    def _delete_projection(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with contextlib.suppress(Exception):  # the database may be away, or have no tables of Optuna yet
            storage = optuna.storages.RDBStorage(self.short.url)
            for summary in storage.get_all_studies():
                storage.delete_study(summary._study_id)

    def look(self) -> None:
        """What must hold at any moment: no run twice, no value of a run that has ended changes."""
        twice = self.short.query("SELECT 1 FROM kdsearch.run GROUP BY configuration_id, seed HAVING count(*) > 1")
        if twice:
            self.faults.append(f"{len(twice)} runs twice")
        done = "SELECT id, objective, score, attempt, finished_at FROM kdsearch.run WHERE state = 'done'"
        rows = {id_: values for id_, *rest in self.short.query(done) for values in [tuple(rest)]}
        if not rows:  # the server is away, or nothing is done yet
            return
        for id_, values in self.values.items():
            if id_ not in rows:
                self.faults.append(f"run {id_} was done and is not any more")
            elif rows[id_] != values:
                self.faults.append(f"run {id_} was {values} and is {rows[id_]}")
        self.values.update(rows)

    def end(self) -> None:
        """What must hold of a finished study; each value as its function gives it alone."""
        for name, count in broken_invariants(self.short).items():
            self.faults.append(f"{count} rows: {name}")
        for state, count in self.short.query(
            "SELECT state, count(*) FROM kdsearch.run WHERE state <> 'done' GROUP BY 1"
        ):
            self.faults.append(f"{count} runs are {state}")
        search = self.short.count("pool = 'search'")
        if search != RUNS:
            self.faults.append(f"{search} search runs of {RUNS}")
        confirmed = self.short.query(
            "SELECT configuration_id, count(*) FROM kdsearch.run WHERE pool = 'confirm' GROUP BY 1"
        )
        if len(confirmed) != 2 or {count for _, count in confirmed} != {CONFIRM}:
            self.faults.append(f"{confirmed} confirm runs, expected {CONFIRM} of winner and finalist")
        names: dict[str, object] = {}
        exec(compile(self.short.file.read_text(), "short.py", "exec"), names)
        value: Callable[[dict[str, float], int], tuple[float, float]] = names["value"]  # type: ignore[assignment]
        for _, x, _, seed, _, objective, score in self.short.table():
            if value({"x": float(str(x))}, int(str(seed))) != (objective, score):
                self.faults.append(f"x={x} with seed {seed} is {objective}, {score}")


def main() -> int:
    """Soak for some minutes and print a summary; the exit code is 1 where anything was lost, doubled or changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    drawn = random.Random(arguments.seed)
    begin = time.monotonic()
    deadline = begin + 60 * arguments.minutes
    strikes: Counter[str] = Counter()
    studies, launches, runs, faults = 0, 0, 0, list[str]()
    while time.monotonic() < deadline:
        with tempfile.TemporaryDirectory(prefix="kds") as folder:
            Path(folder).chmod(0o711)
            soak = Soak(Path(folder) / "study", drawn)
            try:
                soak.run(deadline)
            finally:
                soak.short.close()
        studies, launches, runs = studies + 1, launches + soak.launches, runs + len(soak.values)
        strikes += soak.strikes
        faults += soak.faults
        print(
            f"study {studies}: {len(soak.values)} runs, {soak.launches} launches, {soak.strikes.total()} strikes, "
            f"{len(soak.faults)} faults",
            flush=True,
        )
    for kind, count in sorted(strikes.items()):
        print(f"  {count:3d} {kind}")
    print(
        f"{(time.monotonic() - begin) / 60:.1f} minutes, seed {arguments.seed}: {studies} studies, {runs} runs, "
        f"{launches} launches, {strikes.total()} strikes, {len(faults)} faults"
    )
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
