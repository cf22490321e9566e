"""The end of a launch: every worker is asked, and none stays, whatever it does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

KEPT = """
import json, os, psutil, signal, subprocess, sys, threading, time
from kdsearch.engines.slot_keeper import SlotKeeper, end_all


class Running:
    name = "w"

    class listener:
        close = staticmethod(lambda: None)

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])


class Kept(SlotKeeper):
    # a keeper of a process that is no worker
    def __init__(self):
        self._worker = Running()
        self.process = self._worker.process

    def _release(self, worker):
        released.append(worker.process.pid)


released = []
keepers, raised = [Kept() for _ in range(3)], False
begin = time.monotonic()
"""
SAID = """
took = time.monotonic() - begin
print(json.dumps([[keeper.process.poll() for keeper in keepers], raised, took, len(released)]))
"""


def ended(script: str) -> list[object]:
    done = subprocess.run([sys.executable, "-c", KEPT + script + SAID], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_second_ctrl_c_ends_workers_that_are_suspended() -> None:
    codes, raised, took, released = ended(
        "time.sleep(0.5)\nfor keeper in keepers[:2]: keeper.process.send_signal(signal.SIGSTOP)\n"
        "stopped = [psutil.Process(keeper.process.pid) for keeper in keepers[:2]]\n"
        "while any(process.status() != 'stopped' for process in stopped): time.sleep(0.05)\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try: end_all(keepers)\nexcept KeyboardInterrupt: raised = True\n"
    )
    assert raised
    # A suspended one has the first signal waiting too, and a kernel may report either.
    assert [code in (-signal.SIGKILL, -signal.SIGTERM) for code in codes] == [True] * 3  # type: ignore[attr-defined]
    assert released == codes.count(-signal.SIGKILL)  # type: ignore[attr-defined]
    assert float(str(took)) < 15  # of the 20 seconds that they would have had


def test_workers_that_end_are_waited_for() -> None:
    codes, raised, _, released = ended("end_all(keepers)\n")
    assert (codes, raised, released) == ([-signal.SIGTERM] * 3, False, 0)
