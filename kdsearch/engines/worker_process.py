"""A worker process: loads the study file anew, checks that it is the ledger's study, and works."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.devices import limit_memory
from kdsearch.engines.failures import NothingWorks, WornOut, needs_new_process
from kdsearch.engines.last_words import Kind, LastWords
from kdsearch.engines.layouts import layout_for
from kdsearch.engines.population import make_worker
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.errors import KdsearchError, LedgerError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.studies import difference, to_json

QUEUED = 2
_START = """import json, sys
sys.path[:] = json.loads(sys.argv[1])["path"]
from kdsearch.engines.worker_process import main
from kdsearch.tasks.own_process import ends_with_its_work
with ends_with_its_work():
    main()
"""
LAUNCHER_SECONDS = 5.0  # without a decision of a launcher, until workers plan by themselves


@dataclass(frozen=True)
class WorkerArguments:
    """What a worker process is told; ``parent`` is the process whose end ends it too.

    ``preset``: empty for the one that fits the hardware. ``population``: how many runs train at once; ``None``: as many
    as are measured to be fastest. ``words``: descriptor of the pipe that takes its last words. ``share``: of the GPU's
    memory. ``path``: where it finds modules. ``overrides``: what the launch sets in place of what the file says. The
    database comes from the environment: a command line would show its password to every user of the machine.
    """

    study_file: str
    preset: str
    device: str = "cpu"
    parent: int | None = None
    population: int | None = None
    words: int | None = None
    share: float = 1.0
    path: list[str] = field(default_factory=lambda: search_path())
    overrides: dict[str, Any] = field(default_factory=dict)

    def command(self) -> list[str]:
        """The command line of such a worker.

        It finds modules where this process does. By ``-m`` the working folder would come first, and a ``random.py``
        that happens to lie there would hide Python's own.
        """
        return [sys.executable, "-P", "-c", _START, json.dumps(asdict(self))]


def search_path() -> list[str]:
    """Where this process finds modules, in words that hold in another one too."""
    found = []
    for folder in sys.path:
        if isinstance(folder, str):
            with contextlib.suppress(OSError):  # the working folder is gone
                found.append(folder or os.getcwd())
    return found


def work(arguments: WorkerArguments, say: Callable[[str], None] = lambda line: None) -> None:
    """Train runs until the study is finished, the worker is told to stop, or its parent is gone."""
    stop = _stop_flag(arguments.parent)
    ledger = Ledger.connect(wait=arguments.parent is not None)  # the launcher has just been there
    loaded = load(Path(arguments.study_file), arguments.preset or None, arguments.overrides).as_stored(ledger)
    record = ledger.study(loaded.study.stored_name)
    _same_study(loaded, ledger, record.name)
    coordinator = Coordinator(ledger, loaded.study, record, capacity=QUEUED, after=LAUNCHER_SECONDS)

    def advance() -> int:
        coordinator.recover()
        return coordinator.advance()

    limit_memory(arguments.device, arguments.share)
    layout = layout_for(loaded.study.task, arguments.device, arguments.population)
    worker = make_worker(
        ledger,
        loaded,
        record,
        layout,
        device=arguments.device,
        advance=advance,
        should_stop=stop,
        parent=arguments.parent or os.getpid(),
        leave=_leave,
    )
    place = {"worker": worker.name, "node": environment.node_name(), "device": _device_words(arguments.device)}
    ledger.log_event(record.id, "worker", f"a worker on {place['node']}, {place['device']}", place)
    ledger.note_other_code(record.id, loaded.code_hash, worker.name)
    say(f"working on {record.name} as {worker.name}, {layout}")
    if layout.width > 1:
        ledger.log_event(record.id, "population", f"worker {worker.name} trains {layout}")
    try:
        worker.run_until_finished()
    except LedgerError as error:
        if worker.has_worked and needs_new_process(error):
            raise WornOut(str(error)) from error
        raise
    phase = ledger.study_by_id(record.id).phase
    say(f"{record.name} is finished" if phase == "finished" else f"stopped while {record.name} is in phase {phase}")


def main() -> None:
    """Entry of a worker process; its one argument is :class:`WorkerArguments` as JSON."""
    arguments = WorkerArguments(**json.loads(sys.argv[1]))
    words = LastWords(arguments.words)
    try:
        work(arguments)
    except KdsearchError as error:
        words.say(_kind(error), str(error))
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        words.say("exception", traceback.format_exc())
        raise


def _kind(error: KdsearchError) -> Kind:
    if isinstance(error, WornOut):
        return "worn out"
    if isinstance(error, NothingWorks):
        return "nothing works"
    return "database" if isinstance(error, LedgerError) else "error"


def _leave() -> None:
    """End this process: the thread that calls it cannot raise in the one that hangs."""
    print("told to stop, and still in a run that reports nothing: the run goes back to the queue", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


def _device_words(device: str) -> str:
    """The device with its number or id on the machine, where this process sees one GPU of several."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"{device} {visible}" if device.startswith("cuda") and visible else device


def _same_study(loaded: LoadedStudy, ledger: Ledger, name: str) -> None:
    stored = ledger.study(name).identity
    lines = list(difference(stored, to_json(loaded.study.identity())))
    if lines:
        raise KdsearchError(f"{loaded.path} is not the study {name!r} of the ledger any more:\n  " + "\n  ".join(lines))


def _stop_flag(parent: int | None) -> Callable[[], bool]:
    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    # Compared with the process that started us: an orphan's new parent may be any init process.
    return lambda: asked or (parent is not None and os.getppid() != parent)
