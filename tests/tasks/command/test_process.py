"""A command ends with the run that started it, however that ends, and all that it has started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kdsearch.errors import KdsearchError
from kdsearch.tasks.command.process import CommandProcess, as_on_screen, said_of, tail_of

_CHILDREN = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("pids").write_text(f"{__import__('os').getpid()} {child.pid}")
"""


def started(folder: Path, code: str, *, terminal: bool = False, grace: float = 5.0) -> CommandProcess:
    arguments = [sys.executable, "-u", "-c", code]
    return CommandProcess(arguments, folder, os.environ, folder / "output", terminal=terminal, grace=grace)


def wait_for(true: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(folder: Path) -> list[int]:
    wait_for(lambda: (folder / "pids").exists() and (folder / "pids").read_text().count(" "))
    return [int(pid) for pid in (folder / "pids").read_text().split()]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("code", "expected"), [("print('well')", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_exit_codes_and_output(tmp_path: Path, code: str, expected: int, terminal: bool) -> None:
    with started(
        tmp_path, f"import sys; print('é', flush=True); print('err', file=sys.stderr); {code}", terminal=terminal
    ) as process:
        assert process.ended(20)
    assert process.code == expected
    assert (tmp_path / "output").read_text().split()[:2] == ["é", "err"]


def test_codes_have_words() -> None:
    assert said_of(2) == "exit code 2"
    assert said_of(-11) == "SIGSEGV"
    assert said_of(-9) == "SIGKILL, which the system sends where memory runs out"
    assert said_of(-200) == "signal 200"


def test_a_terminal_has_a_size_and_a_pipe_has_none(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.isatty(), sys.stdout.isatty(), os.popen('stty size 2>&1').read())"
    for terminal, expected in ((True, ["True", "True", "24", "120"]), (False, ["False", "False"])):
        folder = tmp_path / str(terminal)
        folder.mkdir()
        with started(folder, code, terminal=terminal) as process:
            assert process.ended(20)
        assert (folder / "output").read_text().split()[: len(expected)] == expected


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with (
        CommandProcess(["no-such-program"], tmp_path, os.environ, tmp_path / "output") as process,
        pytest.raises(KdsearchError, match="could not be started: No such file or directory: no-such-program"),
    ):
        process.ended(20)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_group_ends_with_the_block(tmp_path: Path, terminal: bool) -> None:
    with started(tmp_path, f"{_CHILDREN}time.sleep(600)", terminal=terminal) as process:
        assert not process.ended(0.0)
        found = pids(tmp_path)
        assert all(map(lives, found))
    assert not any(map(lives, found))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    with started(tmp_path, _CHILDREN) as process:
        assert process.ended(20)
    assert process.code == 0
    assert not any(map(lives, pids(tmp_path)))


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux")
@pytest.mark.parametrize(
    ("then", "deaf"), [("", ""), ("time.sleep(600)", ""), ("", "signal.signal(15, signal.SIG_IGN)")]
)
def test_children_in_sessions_of_their_own_end_too(tmp_path: Path, then: str, deaf: str) -> None:
    """As torchrun starts its workers; also those that do not end when they are asked to."""
    child = f"import signal, time; {deaf or 'pass'}; print('child', flush=True); time.sleep(600)"
    code = _CHILDREN.replace('"import time; time.sleep(600)"])', f'"{child}"], start_new_session=True)')
    code += "while 'child' not in pathlib.Path('output').read_text(): time.sleep(0.02)\n"
    with started(tmp_path, f"{code}{then}", grace=1.0) as process:
        found = pids(tmp_path)
        assert process.ended(0.0 if then else 20) == (not then)
    wait_for(lambda: not any(map(lives, found)))


def test_a_command_may_end_by_itself_when_it_is_asked_to(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n    pathlib.Path('saved').touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    with started(tmp_path, code) as process:
        wait_for(lambda: "ready" in process.tail())
    assert (tmp_path / "saved").exists()


def test_a_command_that_ignores_it_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"{deaf}\nprint('ready', flush=True)\ntime.sleep(600)"
    with started(tmp_path, code, grace=0.5) as process:
        wait_for(lambda: "ready" in process.tail())
        begin = time.monotonic()
    assert 0.4 < time.monotonic() - begin < 10


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_takes_its_command_with_it(tmp_path: Path, how: signal.Signals) -> None:
    code = f"{_CHILDREN}time.sleep(600)"
    program = (
        "import os, pathlib, sys, time\n"
        "from kdsearch.tasks.command.process import CommandProcess\n"
        f"CommandProcess([sys.executable, '-c', {code!r}], pathlib.Path(), os.environ, pathlib.Path('output'))\n"
        "time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    found = pids(tmp_path)
    worker.send_signal(how)
    worker.wait(20)
    wait_for(lambda: not any(map(lives, found)))


def test_a_supervisor_that_is_killed_is_said_and_the_command_ends(tmp_path: Path) -> None:
    with started(tmp_path, f"{_CHILDREN}time.sleep(600)") as process:
        found = pids(tmp_path)
        assert not process.ended(0.2)
        process._supervisor.kill()
        with pytest.raises(KdsearchError, match="the process that watches the command was ended"):
            process.ended(20)
    wait_for(lambda: not any(map(lives, found)))


def test_the_tail_is_what_a_screen_would_show_last(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("first\n\n 1%\r 50%\r100%\r\nlast\r\n")
    assert tail_of(file) == "first\n100%\nlast"
    assert tail_of(file, lines=1) == "last"
    assert tail_of(tmp_path / "none") == ""


def test_what_is_kept_of_an_output_is_the_last_state_of_each_line(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_bytes(b"first\n\n 1%\r 50%\r100%\r\nlast\r\nwhole\n")
    as_on_screen(file)
    assert file.read_bytes() == b"first\n\n100%\nlast\nwhole\n"
