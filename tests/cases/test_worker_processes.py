"""What a folder and a user's code bring into processes of kdsearch: module names, open files, threads that stay."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """
import os, resource
import kdsearch as kd

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
OPEN = []

def train(params, seed, report):
    OPEN.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(400 if params["x"] > 0.9 and seed == 0 else 60))
    return params["x"] + 0.01 * (seed % 10)

study = kd.Study(name="own", task=train, space={"x": kd.uniform(0, 1)}, search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=24), confirm=kd.Confirm(seeds=2, finalists=0))
"""


@pytest.mark.slow
def test_modules_of_the_folder_and_files_that_runs_leave_open(tmp_path: Path) -> None:
    """A ``random.py`` there hides Python's own from no worker; a worker with too many open files is replaced.

    Of three runs one fits beside others, so that workers wear out often; what asks for more than a process may open is
    to blame itself, and fails.
    """
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "own.py").write_text(STUDY)
    for name in ("random", "numpy", "json", "sqlalchemy"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    # As the installed command does it: the working folder is no place of modules.
    command = "import sys; sys.argv[0] = 'kdsearch'; from kdsearch.cli import main; main()"
    program = [sys.executable, "-P", "-c", command]
    environment = {**os.environ, "KDSEARCH_HOME": str(tmp_path / "home"), "COLUMNS": "100"}
    words = [*program, "launch", "own.py", "--workers", "2"]
    try:
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    finally:
        subprocess.run([*program, "db", "stop"], env=environment, check=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"worker \d+ ended with exit code 1", done.stdout)) > 5, done.stdout
    assert re.search(r"[1-9] of \d+ search runs failed|[1-9]\d* failed", done.stdout), done.stdout


def ended(code: str) -> subprocess.CompletedProcess[str]:
    begin = "import atexit, sys, threading, time\nfrom kdsearch.tasks.own_process import ends_with_its_work\n"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run([sys.executable, "-c", begin + code], env=kept, capture_output=True, text=True, timeout=60)


def test_a_thread_that_never_ends_does_not_keep_the_process() -> None:
    done = ended(
        "with ends_with_its_work(0.3):\n"
        "    threading.Thread(target=time.sleep, args=(10**6,), name='reporter').start()\n"
        "    print('all of it')\n"
        "    sys.exit(3)\n"
    )
    assert (done.returncode, done.stdout) == (3, "all of it\n")
    assert done.stderr == "Ended beside threads of the study's code that do not end: reporter\n"


def test_a_process_whose_work_is_done_has_exit_code_0_also_beside_such_a_thread() -> None:
    done = ended(
        "with ends_with_its_work(2.0):\n"
        "    work = lambda: (time.sleep(0.3), print('said after the work'), time.sleep(10**6))\n"
        "    threading.Thread(target=work).start()\n"
    )
    assert (done.returncode, done.stdout) == (0, "said after the work\n")


def test_a_thread_that_ends_is_waited_for_and_what_follows_takes_its_time() -> None:
    done = ended(
        "with ends_with_its_work(0.5):\n"
        "    atexit.register(lambda: (time.sleep(0.7), print('uploaded')))\n"
        "    threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        "    raise ValueError('as it was')\n"
    )
    assert (done.returncode, done.stdout) == (1, "thread\nuploaded\n")
    assert done.stderr.endswith("ValueError: as it was\n")
