"""Workers that end again and again end the launch, with what they said last; no run pays for it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from support import ToyTask, declaration, runs, toy_study, wait_for

import kdsearch as kd
from kdsearch import environment
from kdsearch.engines import slot_keeper
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.devices import Slot
from kdsearch.engines.local import LocalEngine
from kdsearch.engines.slot_keeper import Deaths, SlotKeeper
from kdsearch.engines.worker_names import worker_name
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

DIES = "print('no room on the device'); raise SystemExit(3)"


@pytest.fixture
def engine(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LocalEngine]:
    """Makes a local engine whose workers run these lines of Python."""

    def make(lines: str) -> LocalEngine:
        monkeypatch.setattr(WorkerArguments, "command", lambda self: [sys.executable, "-S", "-c", lines])
        task = ToyTask(has_teacher=False, parameters={"alpha": 0, "rate": 0.3})
        study = toy_study(task=task, baselines={}, space={"rate": kd.uniform(0, 1)}, budget=kd.Budget(runs=8))
        record, _ = ledger.open_study(declaration(study))
        coordinator = Coordinator(ledger, study, record, 2)
        coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
        return LocalEngine(coordinator, [Slot("cpu", ())], Path("none.py"))

    return make


def deaths(made: LocalEngine) -> list[str]:
    return [
        event.message
        for event in made.coordinator.ledger.results(made.coordinator.record.id).events
        if event.kind == "worker died"
    ]


def stopping(made: LocalEngine, count: int) -> Callable[[object], None]:
    """Asks the study to stop once so many workers have died, so that the launch ends in any case."""

    def observe(progress: object) -> None:
        if len(deaths(made)) >= count:
            made.coordinator.ledger.request_stop(made.coordinator.record.id)

    return observe


def test_a_worker_that_always_ends_is_given_up_with_its_last_words(engine: Callable[..., LocalEngine]) -> None:
    made = engine(DIES)
    with pytest.raises(KdsearchError) as given_up:
        made.run(stopping(made, 7))
    message = str(given_up.value)
    assert "ended with exit code 3, the 4th of its slot in short order" in message
    assert message.endswith("Its last words:\nno room on the device")
    assert len(deaths(made)) == 4
    runs = made.coordinator.ledger.results(made.coordinator.record.id).runs
    assert runs
    assert {run.state for run in runs} == {"queued"}, "no run is blamed"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("os.kill(os.getpid(), 15)", "was ended by the signal SIGTERM"),
        ("os.kill(os.getpid(), 9)", r"was ended by the signal SIGKILL \(out of memory\?\)"),
        ("os.kill(os.getpid(), 35)", "was ended by the signal 35"),  # of real time: it has no name
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("raise SystemExit(0)", "ended with exit code 0"),
    ],
)
def test_how_a_worker_ended_is_said(engine: Callable[..., LocalEngine], lines: str, words: str, tmp_path: Path) -> None:
    """The first one ends so; the next works until the study is stopped."""
    made = engine(
        f"import os, time\nif os.path.exists({str(tmp_path / 'first')!r}): time.sleep(60)\n"
        f"open({str(tmp_path / 'first')!r}, 'x').close()\n{lines}\n"
    )
    made.run(stopping(made, 1))
    assert re.fullmatch(rf"worker \d+ {words}", deaths(made)[0])
    logs = list(environment.folder("logs").iterdir())
    assert len(logs) == len({log.name for log in logs}) > 1
    assert {log.stat().st_mode & 0o777 for log in logs} == {0o600}, "what runs print is nobody else's to read"


def test_a_worker_of_a_study_that_is_over_is_not_replaced(engine: Callable[..., LocalEngine]) -> None:
    """It ends by itself, before the launcher has told it to."""
    made = engine("raise SystemExit(0)")
    ledger, record = made.coordinator.ledger, made.coordinator.record
    keeper = SlotKeeper(ledger, record, made.slots[0], made._arguments(), Deaths(ledger, record.id, 1))

    def ended() -> None:
        keeper.start()
        assert keeper._worker is not None
        keeper._worker.process.wait(30)

    ended()
    worker = keeper._worker
    assert worker is not None
    ledger.request_stop(record.id)
    keeper.watch()
    assert worker.listener._reader is None, "its pipe is closed"
    assert (keeper.works, deaths(made)) == (False, [])
    ledger.request_stop(record.id, stop=False)
    ended()
    keeper.watch()
    assert (keeper.works, len(deaths(made))) == (True, 1), "one that leaves work undone is"
    keeper.end(0.0)


def test_a_worker_has_a_session_of_its_own_and_ends_when_it_is_asked_to(
    engine: Callable[..., LocalEngine], tmp_path: Path
) -> None:
    """Ctrl-C at the terminal reaches the launcher alone, which then asks."""
    ready = tmp_path / "ready"
    made = engine(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"open({str(ready)!r}, 'x').close()\n"
        "time.sleep(60)\n"
    )
    ledger, record = made.coordinator.ledger, made.coordinator.record
    keeper = SlotKeeper(ledger, record, made.slots[0], made._arguments(), Deaths(ledger, record.id, 1))
    keeper.ask_to_end()  # nothing to ask yet
    keeper.start()
    assert keeper._worker is not None
    process = keeper._worker.process
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        wait_for(lambda: ready.exists() or process.poll() is not None, what="the worker")
        keeper.ask_to_end()
        assert process.wait(30) == 7
        keeper.ask_to_end()  # it is gone
    finally:
        keeper.end(0.0)


def test_deaths_far_apart_are_not_counted_together(
    engine: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_keeper, "_LONG_LIFE_SECONDS", 0.0)  # each of them has lived long
    made = engine(DIES)
    made.run(stopping(made, 6))
    assert len(deaths(made)) >= 6


def test_a_worker_that_says_nothing_may_have_had_no_disk_to_say_it_on(
    engine: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine("raise SystemExit(3)")
    with pytest.raises(KdsearchError, match=r"Its last words:\nnone$"):
        made.run(stopping(made, 7))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(KdsearchError, match=r"Its last words:\nnone, for the disk with .*/home/logs is full$"):
        made.run(stopping(made, 14))


def test_a_worker_that_does_not_end_when_it_is_asked_to_is_killed_and_its_run_goes_back(
    engine: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slot_keeper, "GRACE_SECONDS", 0.2)
    file = tmp_path / "pid"
    made = engine(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(file)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)\n"
    )
    pids: list[int] = []

    def take_a_run_for_it(progress: object) -> None:
        if not pids and file.exists() and file.read_text().endswith("\n"):
            pids.append(int(file.read_text()))
            made.coordinator.ledger.claim(made.coordinator.record.id, worker_name(pids[0], os.getpid()))
            made.coordinator.ledger.request_stop(made.coordinator.record.id)

    made.run(take_a_run_for_it)
    assert not psutil.pid_exists(pids[0])
    runs = made.coordinator.ledger.results(made.coordinator.record.id).runs
    assert {run.state for run in runs} == {"queued"}
    assert sum(run.attempt for run in runs) == 1


def test_a_worker_with_a_run_that_is_overdue_is_ended_and_replaced(engine: Callable[..., LocalEngine]) -> None:
    lines = "import time; time.sleep(60)"
    made = engine(lines)
    overdue: list[int] = []

    def lose(progress: object) -> None:
        found = [one.pid for one in psutil.Process().children() if runs(one) and one.cmdline()[-1:] == [lines]]
        if not found:  # it is being replaced, or is not yet what it will be
            return
        (child,) = found
        if not overdue:
            overdue.append(child)
            name = worker_name(child, os.getpid())
            made.coordinator.ledger.log_event(
                made.coordinator.record.id, "lease lost", "a run", {"worker": name, "how": "overdue"}
            )
        elif child != overdue[0]:
            made.coordinator.ledger.request_stop(made.coordinator.record.id)

    made.run(lose)
    assert not psutil.pid_exists(overdue[0])
    assert deaths(made) == [f"worker {overdue[0]} was ended, for a run of it is overdue"]


def test_workers_that_crash_one_after_the_other_end_the_launch_where_no_run_ends_meanwhile(
    engine: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slot_keeper, "_DEATHS_IN_A_ROW", 5)
    monkeypatch.setattr(slot_keeper, "_DEATHS_A_SLOT", 2)
    pids = tmp_path / "pids"
    pids.mkdir()
    made = engine(
        f"import os, sys, time\nown = f'{pids}/{{os.getpid()}}'\nopen(own, 'x')\n"
        "while os.path.exists(own): time.sleep(0.01)\nsys.exit('the device is lost')\n"
    )
    busy: set[str] = set()

    def take_runs(progress: object) -> None:
        for name in {path.name for path in pids.iterdir()} - busy:
            busy.add(name)
            made.coordinator.ledger.claim(made.coordinator.record.id, worker_name(int(name), os.getpid()))
            (pids / name).unlink()
        stopping(made, 9)(progress)

    with pytest.raises(KdsearchError, match="5 workers in a row ended while they trained") as given_up:
        made.run(take_runs)
    assert str(given_up.value).endswith("Its last words:\nthe device is lost")
    assert len(deaths(made)) == 5
