"""Workers that end again and again end the launch, with what they said last; no run pays for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines import local
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.devices import Slot
from kdsearch.engines.local import LocalEngine
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

DIES = "print('no room on the device'); raise SystemExit(3)"


@pytest.fixture
def engine(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LocalEngine]:
    """Makes a local engine whose workers run these lines of Python."""

    def make(lines: str, slots: int = 1) -> LocalEngine:
        monkeypatch.setattr(WorkerArguments, "command", lambda self: [sys.executable, "-S", "-c", lines])
        task = ToyTask(has_teacher=False, parameters={"alpha": 0, "rate": 0.3})
        study = toy_study(task=task, baselines={}, space={"rate": kd.uniform(0, 1)}, budget=kd.Budget(runs=8))
        record, _ = ledger.open_study(declaration(study))
        coordinator = Coordinator(ledger, study, record, 2)
        coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
        return LocalEngine(coordinator, [Slot("cpu", ())] * slots, Path("none.py"))

    return make


def deaths(made: LocalEngine) -> list[str]:
    return [event.message for event in made.ledger.results(made.study_id).events if event.kind == "worker died"]


def test_a_worker_that_always_ends_is_given_up_with_its_last_words(engine: Callable[..., LocalEngine]) -> None:
    made = engine(DIES)
    with pytest.raises(KdsearchError) as given_up:
        made.run()
    message = str(given_up.value)
    assert "ended with exit code 3, the 4th of its slot in short order" in message
    assert message.endswith("Its last words:\nno room on the device")
    assert len(deaths(made)) == 4
    runs = made.ledger.results(made.study_id).runs
    assert runs
    assert {run.state for run in runs} == {"queued"}, "no run is blamed"


def test_deaths_far_apart_are_not_counted_together(
    engine: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_LONG_LIFE_SECONDS", 0.0)  # each of them has lived long
    made = engine(DIES)

    def stop_after_six(progress: object) -> None:
        if len(deaths(made)) >= 6:
            made.ledger.request_stop(made.study_id)

    made.run(stop_after_six)
    assert len(deaths(made)) >= 6


def test_each_slot_has_its_own_count(engine: Callable[..., LocalEngine], tmp_path: Path) -> None:
    # The first three workers end, whichever slot they are of; the others stay until they are asked to end.
    lines = (
        "import os, signal, time\n"
        f"folder = {str(tmp_path)!r}\n"
        "open(f'{folder}/{os.getpid()}', 'x')\n"
        "if len(os.listdir(folder)) <= 3: raise SystemExit(3)\n"
        "time.sleep(60)\n"
    )
    made = engine(lines, slots=3)

    def stop_with_six(progress: object) -> None:
        if len(list(tmp_path.iterdir())) >= 6:
            made.ledger.request_stop(made.study_id)

    made.run(stop_with_six)
    assert len(deaths(made)) == 3
