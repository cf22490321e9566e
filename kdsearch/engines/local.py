"""The local engine: worker processes on this machine's cores or GPUs, watched by the launcher."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.devices import Slot
from kdsearch.engines.worker_process import NOTHING_WORKS, WorkerArguments
from kdsearch.errors import KdsearchError

TICK_SECONDS = 0.25
_SHOWING_SHARE = 10.0
_GRACE_SECONDS = 20.0
_RESTARTS = 3
_LONG_LIFE_SECONDS = 600.0


@dataclass
class _Running:
    slot: Slot
    process: subprocess.Popen[bytes]
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
        self.population = population
        self.slots = slots
        self.study_file = study_file
        self._workers: list[_Running] = []
        self._begun = 0

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> None:
        """Work until the study is finished or stopped. On ``KeyboardInterrupt`` the workers hand back their runs."""
        try:
            self.coordinator.tick()
            self._workers = [self._start(slot) for slot in self.slots]
            show_at = float("-inf")
            while True:
                progress = self.coordinator.tick()
                record = self.coordinator.ledger.study_by_id(self.coordinator.record.id)
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
                worker.process.kill()
                worker.process.wait()
        self._workers = []

    def _start(self, slot: Slot) -> _Running:
        self._begun += 1
        log = _log_folder() / f"{self.coordinator.record.id}-{os.getpid()}-{self._begun}.log"
        arguments = WorkerArguments(
            study_file=str(self.study_file),
            preset=self.coordinator.study.preset or "none",
            device=slot.device,
            parent=os.getpid(),
            population=self.population,
        )
        with log.open("wb") as output:
            process = _spawn(arguments, slot, output)
        return _Running(slot, process, log, time.monotonic())

    def _watch(self) -> None:
        for index, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None:
                continue
            restarts = self._died(worker, code)
            self._workers[index] = replace(self._start(worker.slot), restarts=restarts)

    def _died(self, worker: _Running, code: int) -> int:
        """Log the death of a worker; returns how often its slot has died in short order."""
        tail = worker.log.read_text(errors="replace").strip()[-2000:]
        message = f"worker {worker.process.pid} ended with {code}"
        self.coordinator.ledger.log_event(self.coordinator.record.id, "worker died", message, {"log": tail})
        _, said, words = tail.rpartition("\nerror: ") if "\nerror: " in tail else tail.partition("error: ")
        # A worker in which nothing works gets one fresh process: a GPU's context may be what is broken.
        if code > 0 and said and not (code == NOTHING_WORKS and worker.restarts == 0):
            raise KdsearchError(words.strip())  # a message for the user, not an accident
        restarts = 1 if time.monotonic() - worker.started > _LONG_LIFE_SECONDS else worker.restarts + 1
        if restarts > _RESTARTS:
            raise KdsearchError(f"{message}, the {restarts}th of its slot in short order. Its last words:\n{tail}")
        return restarts


def _spawn(arguments: WorkerArguments, slot: Slot, output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments.command(),
        env={**os.environ, **dict(slot.environment)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches the launcher alone, which then asks its workers to stop
    )


def _log_folder() -> Path:
    path = environment.home() / "logs"
    path.mkdir(parents=True, exist_ok=True)
    return path
