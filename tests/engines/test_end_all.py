"""The end of a launch: every worker is asked, and none stays, whatever it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, cast

import pytest
from support import wait_for

from kdsearch.engines.slot_keeper import SlotKeeper, end_all


class Kept(SlotKeeper):
    """A keeper of a process that is no worker."""

    def __init__(self, script: str) -> None:
        process = subprocess.Popen([sys.executable, "-c", script])

        class Running:
            name = "w"
            listener: Any = type("Listener", (), {"close": staticmethod(lambda: None)})

        Running.process = process  # type: ignore[attr-defined]
        self._worker = cast("Any", Running)
        self.process = process

    def _kill(self, worker: Any) -> None:
        worker.process.kill()
        worker.process.wait()


def test_a_second_ctrl_c_ends_workers_that_are_suspended() -> None:
    keepers = [Kept("import time; time.sleep(100)") for _ in range(3)]
    for keeper in keepers[:2]:
        keeper.process.send_signal(signal.SIGSTOP)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        end_all(cast("list[SlotKeeper]", keepers))
    assert all(keeper.process.poll() is not None for keeper in keepers)
    assert time.monotonic() - begin < 8  # of the 20 that they would have had
    assert keepers[2].process.returncode == -signal.SIGTERM


def test_workers_that_end_are_waited_for() -> None:
    keepers = [Kept("import time; time.sleep(100)") for _ in range(2)]
    wait_for(lambda: all(keeper.process.poll() is None for keeper in keepers))
    end_all(cast("list[SlotKeeper]", keepers))
    assert [keeper.process.returncode for keeper in keepers] == [-signal.SIGTERM] * 2
