"""The local engine: worker processes on this machine's cores or GPUs, watched by the launcher."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.devices import Slot
from kdsearch.engines.last_words import Listener, Words
from kdsearch.engines.worker_names import worker_name
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError, LedgerError

TICK_SECONDS = 0.25
_SHOWING_SHARE = 10.0
_GRACE_SECONDS = 20.0
_RESTARTS = 3
_LONG_LIFE_SECONDS = 600.0
_DEATHS_IN_A_ROW = 12
_DEATHS_A_SLOT = 4
_TAIL = 2000


@dataclass
class _Running:
    slot: Slot
    process: subprocess.Popen[bytes]
    name: str
    listener: Listener
    log: Path
    started: float
    restarts: int = 0


class LocalEngine:
    """Starts one process a slot, replaces those that die, and stops them all at the end.

    ``population``: how many runs each of them trains at once; ``None``: as many as are measured to be fastest.
    """

    def __init__(
        self, coordinator: Coordinator, slots: Sequence[Slot], study_file: Path, population: int | None = None
    ) -> None:
        self.coordinator = coordinator
        self.ledger = coordinator.ledger
        self.study_id = coordinator.record.id
        self.population = population
        self.slots = slots
        self.study_file = study_file
        self._workers: list[_Running] = []
        self._begun = 0
        self._event = 0
        self._lost: dict[str, set[str]] = {}  # name of a worker to how it lost leases
        self._deaths = 0
        self._ended = 0

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> None:
        """Work until the study is finished or stopped. On ``KeyboardInterrupt`` the workers hand back their runs."""
        try:
            self._event = self.ledger.last_event(self.study_id)
            self.coordinator.tick()
            self._workers = [self._start(slot) for slot in self.slots]
            show_at = float("-inf")
            while True:
                progress = self.coordinator.tick()
                record = self.ledger.study_by_id(self.study_id)
                over = progress.phase == "finished" or record.stop_requested
                if over or time.monotonic() >= show_at:  # a large study's picture takes long: planning goes first
                    begin = time.monotonic()
                    observe(progress)
                    show_at = time.monotonic() + _SHOWING_SHARE * (time.monotonic() - begin)
                if over:
                    break
                self._watch()
                time.sleep(TICK_SECONDS)
        finally:
            self.stop()
        self.coordinator.finish()

    def stop(self) -> None:
        """Ask all workers to hand back what they hold, and end those that do not answer."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for worker in self._workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(worker)
            worker.listener.close()
        self._workers = []

    def _kill(self, worker: _Running) -> None:
        """End a worker ourselves: what it holds goes back to the queue, with no blame on the runs."""
        worker.process.kill()
        worker.process.wait()
        with contextlib.suppress(LedgerError):  # then the leases run out
            self.ledger.release_worker(self.study_id, worker.name)

    def _start(self, slot: Slot, restarts: int = 0) -> _Running:
        self._begun += 1
        log = environment.folder("logs") / f"{self.study_id}-{os.getpid()}-{self._begun}.log"
        listener = Listener()
        arguments = WorkerArguments(
            study_file=str(self.study_file),
            preset=self.coordinator.study.preset or "none",
            device=slot.device,
            parent=os.getpid(),
            population=self.population,
            words=listener.writer,
        )
        with log.open("wb") as output:
            log.chmod(0o600)
            process = _spawn(arguments, slot, output)
        listener.started()
        name = worker_name(process.pid, os.getpid())
        return _Running(slot, process, name, listener, log, time.monotonic(), restarts)

    def _watch(self) -> None:
        """Replace workers that have died, and those with a run that is overdue: they hang."""
        self._read_losses()
        for index, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None:
                if "overdue" in self._lost.get(worker.name, ()):
                    self._kill(worker)
                    worker.listener.close()
                    message = f"worker {worker.process.pid} was ended, for a run of it is overdue"
                    self.ledger.log_event(self.study_id, "worker died", message)
                    self._workers[index] = self._start(worker.slot, worker.restarts)
                continue
            self._workers[index] = self._start(worker.slot, self._died(worker, code))

    def _read_losses(self) -> None:
        for event, name, how in self.ledger.losses_after(self.study_id, self._event):
            self._event = event
            self._lost.setdefault(name, set()).add(how)

    def _died(self, worker: _Running, code: int) -> int:
        """Log the death of a worker; returns how often its slot has died in short order, with no run to blame."""
        words = worker.listener.close()
        said = _said(worker.log, words)
        message = f"worker {worker.process.pid} {_ending(code)}"
        self.ledger.log_event(self.study_id, "worker died", message, {"log": said})
        # In a worker in which nothing works it may be the process: a GPU's context, say. It gets one fresh one.
        if words is not None and (words.kind == "error" or (words.kind == "nothing works" and worker.restarts > 0)):
            raise KdsearchError(words.message)
        self.coordinator.recover()
        self._read_losses()
        if words is not None and words.kind == "worn out":
            return worker.restarts
        if "crashed" in self._lost.get(worker.name, ()):
            self._count_death(f"{message}. Its last words:\n{said}")
            return worker.restarts
        restarts = 1 if time.monotonic() - worker.started > _LONG_LIFE_SECONDS else worker.restarts + 1
        if restarts > _RESTARTS:
            raise KdsearchError(f"{message}, the {restarts}th of its slot in short order. Its last words:\n{said}")
        return restarts

    def _count_death(self, last: str) -> None:
        """Raise ``KdsearchError`` where worker after worker ends while it trains, and no run has ended meanwhile."""
        ended = self.ledger.ended_runs(self.study_id, failed=False)
        self._deaths, self._ended = (self._deaths + 1 if ended == self._ended else 1), ended
        if self._deaths >= max(_DEATHS_IN_A_ROW, _DEATHS_A_SLOT * len(self.slots)):
            raise KdsearchError(
                f"{self._deaths} workers in a row ended while they trained, and no run has ended meanwhile. The last "
                f"one: {last}"
            )


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"was ended by the signal {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


def _said(log: Path, words: Words | None) -> str:
    """The last words of a worker: what it told its launcher, else the end of its output."""
    if words is not None:
        return words.message[-_TAIL:]
    with contextlib.suppress(OSError):
        tail = log.read_text(errors="replace").strip()[-_TAIL:]
        if tail:
            return tail
    full = shutil.disk_usage(log.parent).free < 2**20
    return f"none, for the disk with {log.parent} is full" if full else "none"


def _spawn(arguments: WorkerArguments, slot: Slot, output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments.command(),
        env={**os.environ, **dict(slot.environment)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=() if arguments.words is None else (arguments.words,),
        start_new_session=True,  # Ctrl-C reaches the launcher alone, which then asks its workers to stop
    )
