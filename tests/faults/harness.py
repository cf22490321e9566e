"""A study of short runs, faults that strike it, and what must hold in the ledger afterwards, read by SQL."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import psutil
import sqlalchemy as sa
from support import program, run_program, wait_for

from kdsearch.ledger import embedded

RUNS, CONFIRM = 40, 4
LEASE_SECONDS = 3

_HEAD = """
import ctypes, os, signal, sys, time
from pathlib import Path
import numpy as np
import kdsearch as kd

SECONDS = float(os.environ.get("SHORT_SECONDS", "0.15"))
MARKS = Path(os.environ.get("SHORT_MARKS", "."))

def first(name):
    "True once in the life of the test, whatever process asks."
    try:
        (MARKS / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def value(params, seed):
    noise = np.random.default_rng([seed, int(1e9 * params["x"])]).standard_normal(2)
    truth = 0.5 - (params["x"] - 0.7) ** 2 + 0.02 * noise
    return float(truth[0]), float(truth[1])

def train(params, seed, report):
    for epoch in range(1, 4):
        time.sleep(SECONDS / 3)
        report(epoch, value(params, seed)[0])
"""
_FOOT = """
    return value(params, seed)

study = kd.Study(name="short", task=train, space={"x": kd.uniform(0, 1)}, search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=%d), confirm=kd.Confirm(seeds=%d, finalists=1), chance=-2.0%s)
"""


@dataclass
class Short:
    """A study of short runs in a folder of its own; ``body``: lines of its function, ``options`` of its study."""

    folder: Path
    body: str = ""
    options: str = ""
    runs: int = RUNS
    environment: Mapping[str, str] = field(default_factory=dict)
    storage: str | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        body = "".join(f"    {line}\n" for line in self.body.splitlines())
        foot = _FOOT % (self.runs, CONFIRM, f", {self.options}" if self.options else "")
        self.file.write_text(_HEAD + body + foot)

    @property
    def file(self) -> Path:
        return self.folder / "short.py"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def url(self) -> str:
        return self.storage or embedded.start(self.home / "postgres")

    def _environment(self) -> dict[str, str]:
        named = {"SHORT_MARKS": str(self.folder), "KDSEARCH_LEASE_SECONDS": str(LEASE_SECONDS), **self.environment}
        return named if self.storage is None else {**named, "KDSEARCH_STORAGE": self.storage}

    def start(self, *arguments: str, workers: int = 2) -> subprocess.Popen[str]:
        """Launch it, and return the launcher's process."""
        return program(
            "launch", str(self.file), "--workers", str(workers), *arguments, home=self.home, **self._environment()
        )

    def run(self, *arguments: str, workers: int = 2, timeout: float = 180) -> tuple[int, str]:
        """Launch it to its end; returns exit code and output."""
        command = ("launch", str(self.file), "--workers", str(workers), *arguments)
        return run_program(*command, home=self.home, timeout=timeout, **self._environment())

    def kdsearch(self, *arguments: str) -> tuple[int, str]:
        """Run another command."""
        return run_program(*arguments, home=self.home, **self._environment())

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a statement; none while there is no database or no study yet."""
        if self.storage is None and embedded.status(self.home / "postgres").pid is None:
            return []
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sa.text(statement))]
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError):
            return []  # the server is away
        except sa.exc.ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) not in ("42P01", "3F000"):  # no tables, no schema yet
                raise
            return []
        finally:
            engine.dispose()

    def count(self, where: str = "true") -> int:
        """How many runs there are of a kind."""
        rows = self.query(f"SELECT count(*) FROM kdsearch.run WHERE {where}")
        return int(str(rows[0][0])) if rows else 0

    def wait(self, done: int) -> None:
        """Return once so many runs are done."""
        wait_for(lambda: self.count("state = 'done'") >= done, what=f"{done} runs")

    def table(self) -> list[tuple[object, ...]]:
        """What a study found, whatever happened on the way: params, pool, seed, state, objective and score."""
        return self.query(
            "SELECT c.kind, c.params ->> 'x', r.pool, r.seed, r.state, r.objective, r.score "
            "FROM kdsearch.run r JOIN kdsearch.configuration c ON c.id = r.configuration_id ORDER BY 1, 2, 3, 4"
        )

    def close(self) -> None:
        """Stop the database."""
        if self.storage is None:
            embedded.stop(self.home / "postgres")


def workers_of(launcher: subprocess.Popen[str]) -> list[int]:
    """Process ids of a launcher's workers."""
    try:
        children = psutil.Process(launcher.pid).children()
        return [child.pid for child in children if "worker_process" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def broken_invariants(short: Short) -> dict[str, int]:
    """Number of rows that break each invariant of the ledger; all of it empty in a ledger that is whole."""
    invariants = {
        "twice": "SELECT 1 FROM kdsearch.run GROUP BY configuration_id, seed HAVING count(*) > 1",
        "leased at the end": "SELECT 1 FROM kdsearch.run WHERE state = 'leased'",
        "done without a value": "SELECT 1 FROM kdsearch.run WHERE state = 'done' AND objective + score IS NULL",
        "ended without a time": "SELECT 1 FROM kdsearch.run WHERE state IN ('done', 'failed') AND finished_at IS NULL",
        "open in a finished study": "SELECT 1 FROM kdsearch.run r JOIN kdsearch.study s ON s.id = r.study_id "
        "WHERE s.phase = 'finished' AND r.state IN ('queued', 'leased')",
        "value without a run": "SELECT 1 FROM kdsearch.run WHERE state IN ('queued', 'failed') AND objective > -9",
    }
    return {name: len(rows) for name, statement in invariants.items() if (rows := short.query(statement))}


def left_over(short: Short) -> list[Path]:
    """Workspaces of runs that nobody removed."""
    runs = short.home / "runs"
    return sorted(runs.rglob("*")) if runs.exists() else []


def undisturbed(**options: object) -> list[tuple[object, ...]]:
    """The table of the study when nothing strikes it."""
    return _undisturbed(tuple(sorted(options.items())))


@lru_cache(maxsize=4)
def _undisturbed(options: tuple[tuple[str, object], ...]) -> list[tuple[object, ...]]:
    with tempfile.TemporaryDirectory(prefix="kds") as folder:
        Path(folder).chmod(0o711)
        quick = Short(Path(folder) / "s", environment={"SHORT_SECONDS": "0"}, **dict(options))  # type: ignore[arg-type]
        try:
            code, output = quick.run()
            assert code == 0, output
            return quick.table()
        finally:
            quick.close()


def check(short: Short, launcher: subprocess.Popen[str] | None = None, *, launches: int = 1) -> str:
    """The study ends, by at most so many more launches, with the table of an undisturbed one; returns the output."""
    output = ""
    if launcher is not None:
        output, _ = launcher.communicate(timeout=180)
    for _ in range(launches):
        if short.query("SELECT 1 FROM kdsearch.study WHERE phase = 'finished'"):
            break
        code, more = short.run()
        output += more
        assert code == 0, output
    assert "Traceback" not in output
    assert broken_invariants(short) == {}, output
    assert short.table() == undisturbed(runs=short.runs), output
    assert left_over(short) == []
    return output
