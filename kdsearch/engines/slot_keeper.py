"""One slot of an engine: a worker process that is started, watched, replaced where it dies, and asked to end."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from kdsearch import environment
from kdsearch.engines.devices import Slot
from kdsearch.engines.last_words import Listener, Words
from kdsearch.engines.worker_names import known_of, worker_name
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError, LedgerError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord

GRACE_SECONDS = 20.0
"""How long workers that are told to stop may take before they are killed."""

_RESTARTS = 3
_LONG_LIFE_SECONDS = 600.0
_DEATHS_IN_A_ROW = 12
_DEATHS_A_SLOT = 4
_TAIL = 2000
_NUMBERS = itertools.count(1)  # of the logs of this process


class Deaths:
    """What the slots of a launch know in common: which workers lost runs and how, and how many died in a row."""

    def __init__(self, ledger: Ledger, study_id: int, slots: int) -> None:
        self.ledger = ledger
        self.study_id = study_id
        self._most = max(_DEATHS_IN_A_ROW, _DEATHS_A_SLOT * slots)
        self._event = ledger.last_event(study_id)
        self._lost: dict[str, set[str]] = {}
        self._in_a_row = 0
        self._ended = 0

    def read(self) -> None:
        """Ask the ledger who has lost runs since the last time."""
        for event, name, how in self.ledger.losses_after(self.study_id, self._event):
            self._event = event
            self._lost.setdefault(name, set()).add(how)

    def lost(self, name: str, how: str) -> bool:
        """Whether a worker lost a run in this way, as of the last time the ledger was asked."""
        return how in self._lost.get(name, ())

    def count(self, last: str) -> None:
        """Raise ``KdsearchError`` where worker after worker ends while it trains, and no run has ended meanwhile."""
        ended = self.ledger.ended_runs(self.study_id, failed=False)
        self._in_a_row, self._ended = (self._in_a_row + 1 if ended == self._ended else 1), ended
        if self._in_a_row >= self._most:
            raise KdsearchError(
                f"{self._in_a_row} workers in a row ended while they trained, and no run has ended meanwhile. The last "
                f"one: {last}"
            )


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    name: str
    listener: Listener
    log: Path
    started: float


class SlotKeeper:
    """Keeps one worker process at work; ``arguments``: what each of them is told.

    But for what follows from the slot and from this process: its device, its parent and its pipe.
    """

    def __init__(
        self, ledger: Ledger, record: StudyRecord, slot: Slot, arguments: WorkerArguments, deaths: Deaths
    ) -> None:
        self.ledger = ledger
        self.record = record
        self.slot = slot
        self.arguments = arguments
        self.deaths = deaths
        self._restarts = 0
        self._worker: _Running | None = None

    @property
    def works(self) -> bool:
        """Whether there is a worker, as far as is known."""
        return self._worker is not None

    def start(self) -> None:
        """Start a worker."""
        log = environment.folder("logs") / f"{self.record.id}-{os.getpid()}-{next(_NUMBERS)}.log"
        listener = Listener()
        arguments = replace(
            self.arguments,
            device=self.slot.device,
            share=self.slot.share,
            parent=os.getpid(),
            words=listener.writer,
        )
        with log.open("wb") as output:
            log.chmod(0o600)
            process = _spawn(arguments, self.slot, output)
        listener.started()
        self._worker = _Running(process, worker_name(process.pid, os.getpid()), listener, log, time.monotonic())

    def watch(self) -> None:
        """Replace the worker where it has died, or hangs in a run that is overdue; ``deaths.read()`` goes before.

        One that has ended because the study is finished, or was asked to stop, is not replaced. Raises
        ``KdsearchError`` where another one would not help.
        """
        worker = self._worker
        if worker is None:
            return
        code = worker.process.poll()
        if code is None:
            if self.deaths.lost(worker.name, "overdue"):
                self._kill(worker)
                worker.listener.close()
                message = f"worker {worker.process.pid} was ended, for a run of it is overdue"
                self.ledger.log_event(self.record.id, "worker died", message)
                self.start()
            return
        if code == 0 and self.ledger.study_by_id(self.record.id).over:
            worker.listener.close()
            self._worker = None
            return
        self._restarts = self._died(worker, code)
        self.start()

    def ask_to_end(self) -> None:
        """Tell the worker to hand back what it holds."""
        if self._worker is not None and self._worker.process.poll() is None:
            self._worker.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for its end until then by the monotonic clock, and kill it where it does not come."""
        worker = self._worker
        if worker is None:
            return
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
        if worker.process.wait() == -signal.SIGKILL:
            self._release(worker)
        self._worker = None
        worker.listener.close()

    def kill(self) -> None:
        """End the worker at once; ``end`` takes back what it holds."""
        if self._worker is not None:
            self._worker.process.kill()

    def _kill(self, worker: _Running) -> None:
        """End a worker ourselves: what it holds goes back to the queue, with no blame on the runs."""
        worker.process.kill()
        worker.process.wait()
        self._release(worker)

    def _release(self, worker: _Running) -> None:
        with contextlib.suppress(LedgerError):  # then the leases run out
            self.ledger.release_worker(self.record.id, worker.name)

    def _died(self, worker: _Running, code: int) -> int:
        """Log the death of a worker; returns how often the slot has died in short order, with no run to blame."""
        words = worker.listener.close()
        said = _said(worker.log, words)
        message = f"worker {worker.process.pid} {_ending(code)}"
        self.ledger.log_event(self.record.id, "worker died", message, {"log": said})
        # In a worker in which nothing works it may be the process: a GPU's context, say. It gets one fresh one.
        if words is not None and (words.kind == "error" or (words.kind == "nothing works" and self._restarts > 0)):
            raise KdsearchError(words.message)
        self.ledger.expire(self.record.id, known_of(self.ledger.lease_holders(self.record.id)))
        self.deaths.read()
        if words is not None and words.kind == "worn out":
            return self._restarts
        if self.deaths.lost(worker.name, "crashed"):
            self.deaths.count(f"{message}. Its last words:\n{said}")
            return self._restarts
        restarts = 1 if time.monotonic() - worker.started > _LONG_LIFE_SECONDS else self._restarts + 1
        if restarts > _RESTARTS:
            raise KdsearchError(f"{message}, the {restarts}th of its slot in short order. Its last words:\n{said}")
        return restarts


def end_all(keepers: list[SlotKeeper]) -> None:
    """Ask all workers to hand back what they hold, and end those that do not answer, at once at a second Ctrl-C."""
    waiting = list(keepers)
    try:
        for keeper in keepers:
            keeper.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        while waiting:
            waiting[0].end(deadline)
            waiting.pop(0)
    finally:  # where that was broken off, none may stay: one that is suspended would
        for keeper in waiting:
            keeper.kill()
        for keeper in waiting:
            keeper.end(0.0)


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
