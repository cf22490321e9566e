"""Unmodified scripts of another repository: searched, killed in the middle, resumed, reported.

    KDSEARCH_DATA=... python -m tests.benchmarks.scripts_of_others kd-pytorch FOLDER

FOLDER: a clone of JoonyoungYi/KD-pytorch, or of HobbitLong/RepDistiller for ``repdistiller``. The launch has two
workers; once some runs have ended, the output of one that trains is followed, and launcher and workers are killed. The
second launch ends the study. Printed: what was followed, what the kill cost, whose teachers students had, the report.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.scripts_of_others.repositories import REPOSITORIES

if TYPE_CHECKING:
    from kdsearch.ledger.ledger import Ledger
    from kdsearch.ledger.records import RunRecord, StudyResults


def main() -> None:
    """Search the scripts of a clone and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", choices=REPOSITORIES)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--runs", type=int, default=10, help="runs of the search")
    parser.add_argument("--images", type=int, default=300, help="training images")
    parser.add_argument("--kill-after", type=int, default=5, help="ended runs, teachers too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdsearch-scripts-") as text:
        place = Path(text)
        place.chmod(0o711)  # as root, Postgres runs by another account
        file = REPOSITORIES[given.repository].prepare(given.clone, place / "scripts", given.runs)
        cifar = Path(os.environ["KDSEARCH_DATA"], "cifar10", "cifar10_subset_10k_2k.npz").resolve()
        trial = Trial(file, place / "home", {"CIFAR": str(cifar), "IMAGES": str(given.images)})
        try:
            trial.run(given.kill_after)
        finally:
            trial.stop()


class Trial:
    """One study in a home of its own."""

    def __init__(self, file: Path, home: Path, environment: dict[str, str]) -> None:
        self.file = file
        self.environment = {**os.environ, "KDSEARCH_HOME": str(home), "COLUMNS": "110", **environment}
        os.environ["KDSEARCH_HOME"] = str(home)
        os.environ.pop("KDSEARCH_STORAGE", None)

    def run(self, kill_after: int) -> None:
        """Launch, follow, kill, launch again, report."""
        begin = time.monotonic()
        first = self._start("launch", str(self.file), "--workers", "2", session=True)
        ledger, name = self._opened(first)
        self._wait(first, lambda: len(ended(self._results(ledger, name))) >= kill_after)
        run = self._training(ledger, name)
        followed = self._followed(run)
        os.killpg(first.pid, signal.SIGKILL)
        for pid in workers(first):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        first.wait()
        before = ended(self._results(ledger, name))
        second = self._start("launch", str(self.file), "--workers", "2")
        output, _ = second.communicate()
        if second.returncode != 0:
            sys.exit(f"the second launch ended with {second.returncode}:\n{output}")
        results = self._results(ledger, name)
        took = (time.monotonic() - begin) / 60
        print(
            f"{platform.machine()}, {os.cpu_count()} cores: {len(results.runs)} runs in {took:.1f} minutes, 2 workers"
        )
        print(f"kdsearch logs {run} --follow printed {len(followed)} lines, the first of them:")
        print("\n".join(f"    {line[:100]}" for line in followed[:6]))
        self._tell_of_the_kill(before, results)
        self._tell_of_teachers(results)
        print(self._start("report", name).communicate()[0])

    @staticmethod
    def _tell_of_the_kill(before: dict[int, RunRecord], results: StudyResults) -> None:
        after = {run.id: run for run in results.runs}
        kept = sum(
            after[id_].objective == run.objective and after[id_].attempt == run.attempt for id_, run in before.items()
        )
        again = sum(run.attempt > 1 for run in results.runs)
        states = sorted({run.state for run in results.runs})
        print(
            f"killed with {len(before)} runs ended: {kept} of them kept as they were, {again} begun again; all {states}"
        )

    @staticmethod
    def _tell_of_teachers(results: StudyResults) -> None:
        teachers = {run.id: run for run in results.runs if run.pool == "teacher"}
        taught = [run for run in results.runs if run.needs in teachers]
        handed = sum(teachers[run.needs or 0].artifact is not None for run in taught)
        values = [round(run.objective or 0.0, 2) for run in teachers.values()]
        print(f"{len(teachers)} teachers at {values}; {handed} of {len(taught)} students had the file of theirs")

    def _start(self, *arguments: str, session: bool = False) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "kdsearch", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=session,
        )

    def _opened(self, launch: subprocess.Popen[str]) -> tuple[Ledger, str]:
        from kdsearch.ledger.ledger import Ledger

        names: list[str] = []
        ledger: list[Ledger] = []

        def there() -> bool:
            if not (Path(self.environment["KDSEARCH_HOME"]) / "postgres" / "postmaster.pid").exists():
                return False
            if not ledger:
                ledger.append(Ledger.connect())
            names[:] = [study.name for study in ledger[0].studies()]
            return bool(names)

        self._wait(launch, there)
        return ledger[0], names[0]

    def _wait(self, launch: subprocess.Popen[str], done: object) -> None:
        assert callable(done)
        while not done():
            if launch.poll() is not None:
                sys.exit(f"the launch ended early:\n{launch.communicate()[0]}")
            time.sleep(1.0)

    @staticmethod
    def _results(ledger: Ledger, name: str) -> StudyResults:
        return ledger.results(ledger.study(name).id)

    def _training(self, ledger: Ledger, name: str) -> int:
        while True:
            for run in self._results(ledger, name).runs:
                if run.state == "leased":
                    return run.id
            time.sleep(0.5)

    def _followed(self, run: int) -> list[str]:
        """What is followed of a run until it ends, or for half a minute."""
        process = self._start("logs", str(run), "--follow")
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
        return [line for line in re.split(r"[\r\n]+", output) if line.strip()]

    def stop(self) -> None:
        """End the database."""
        self._start("db", "stop").communicate()


def ended(results: StudyResults) -> dict[int, RunRecord]:
    """Runs with a value, by id."""
    return {run.id: run for run in results.runs if run.state in ("done", "diverged")}


def workers(launch: subprocess.Popen[str]) -> list[int]:
    """The processes of the launch's sessions that are left: workers have sessions of their own."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or ())
        if (
            "kdsearch" in line
            and "worker" in line
            and (process.info["environ"] or {}).get("KDSEARCH_HOME") == os.environ["KDSEARCH_HOME"]
        ):
            found.append(process.pid)
    return found


if __name__ == "__main__":
    main()
