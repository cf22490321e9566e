"""Runs one command as the leader of a process group, and ends the group when the command ends or the worker is gone.

A program of its own, of Python's standard library alone: a worker that is killed cannot end what it has started, this
process can. It reads its standard input: at its end, for whatever reason, the group is ended. What the command prints
goes to this process's standard output. It says the command's process id and its exit code on a pipe, as JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Any

_ROWS_AND_COLUMNS = (24, 120)
_PAUSE = 0.02
_LEFTOVER_SECONDS = 1.0
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def main() -> None:
    """Entry; the arguments are what to run, as JSON: ``arguments``, ``folder``, ``terminal``, ``grace``, ``words``."""
    told = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _adopt_orphans()
    master, slave = _terminal() if told["terminal"] else (None, None)
    try:
        child = _start(told, slave)
    except OSError as error:
        _say(told["words"], error=f"{error.strerror}: {error.filename or told['arguments'][0]}")
        return
    if slave is not None:
        os.close(slave)
    _say(told["words"], pid=child.pid)
    copying = _copy(master) if master is not None else None
    if not _ends_before_input(child):
        _signal(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(told["grace"])
    if child.poll() is None:
        _signal(child.pid, signal.SIGKILL)
        child.wait()
    _end_rest(child.pid)
    if copying is not None:
        copying.join(_LEFTOVER_SECONDS)
    _say(told["words"], code=child.returncode)


def _start(told: dict[str, Any], slave: int | None) -> subprocess.Popen[bytes]:
    def take_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    # Ctrl-C and a closed terminal are for kdsearch to handle, and ignored signals would be handed on.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            told["arguments"],
            cwd=told["folder"],
            stdin=subprocess.DEVNULL if slave is None else slave,
            stdout=1 if slave is None else slave,
            stderr=1 if slave is None else slave,
            start_new_session=True,
            preexec_fn=None if slave is None else take_terminal,
        )
    finally:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _ends_before_input(child: subprocess.Popen[bytes]) -> bool:
    """Wait for the command or for the end of our input; whether it was the command."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)

    def wait() -> None:
        child.wait()
        os.close(writer)

    threading.Thread(target=wait, daemon=True).start()
    ready, _, _ = select.select([0, reader], [], [])
    return reader in ready


def _end_rest(group: int) -> None:
    """End what the command has left behind, also in sessions of its own: it would keep memory of the GPU."""
    until = time.monotonic() + _LEFTOVER_SECONDS
    while (_signal(group, signal.SIGTERM) or _descendants()) and time.monotonic() < until:
        for pid in _descendants():
            _signal_one(pid, signal.SIGTERM)
        time.sleep(_PAUSE)
    _signal(group, signal.SIGKILL)
    until = time.monotonic() + _LEFTOVER_SECONDS
    while (left := _descendants()) and time.monotonic() < until:
        for pid in left:
            _signal_one(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


def _adopt_orphans() -> None:
    """Become the parent of what the command's own processes leave behind, where the system is Linux."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _descendants() -> list[int]:
    """Processes below this one that live; those that have ended are taken note of."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(name)] = int(parent)
    found, waiting = list[int](), [os.getpid()]
    while waiting:
        own = waiting.pop()
        children = [pid for pid, parent in parents.items() if parent == own]
        found += children
        waiting += children
    return found


def _signal_one(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal(group: int, number: int) -> bool:
    """Send a signal to all of a group; whether there is any."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _terminal() -> tuple[int, int]:
    import fcntl
    import struct
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *_ROWS_AND_COLUMNS, 0, 0))
    modes = termios.tcgetattr(slave)
    modes[1] &= ~termios.OPOST  # a line end stays one character
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    return master, slave


def _copy(master: int) -> threading.Thread:
    """Write what comes through the terminal to the standard output."""

    def copy() -> None:
        with contextlib.suppress(OSError):  # how the end of a terminal reads
            while content := os.read(master, 1 << 16):
                _write(content)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def _write(content: bytes) -> None:
    """Write all of it; on a full disk it is lost, and the command goes on."""
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(1, content) :]


def _say(words: int, **said: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(words, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
