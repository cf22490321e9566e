"""A study of a script, launched by real processes: killed and resumed, stopped, and its output followed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import program, run_program, wait_for

from kdsearch.ledger import embedded

TRAINER = Path(__file__).parents[2] / "fixtures" / "toy_trainer.py"
_STUDY = """
import kdsearch as kd

LOGS = "--log-dir={workspace}/logs --sleep=SECONDS"
study = kd.Study(
    "script",
    kd.tasks.Command(
        "{python} train.py --alpha={alpha} --seed={seed} --teacher={teacher} " + LOGS,
        objective=r"val accuracy: ([\\d.]+)",
        score=r"test accuracy: ([\\d.]+)",
        chance=0.0,
        teacher=kd.tasks.TeacherCommand(
            "{python} train.py --seed={seed} --save={workspace}/t " + LOGS, output="{workspace}/t"
        ),
        teacher_parameters="alpha",
        without_teacher="{python} train.py --alpha=0 --seed={seed} " + LOGS,
    ),
    space={"alpha": kd.uniform(0, 1)},
    search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=8),
    confirm=kd.Confirm(seeds=2, finalists=1),
)
"""


class Script:
    """A user's folder with a script and a study of it, and a home."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.study = folder / "study.py"
        folder.mkdir()
        shutil.copy(TRAINER, folder / "train.py")
        self.study.write_text(_STUDY.replace("SECONDS", str(seconds)))
        self.environment = {"KDSEARCH_LEASE_SECONDS": "3"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return program(*arguments, home=self.home, **self.environment)

    def run(self, *arguments: str) -> tuple[int, str]:
        return run_program(*arguments, home=self.home, **self.environment)

    def launch(self) -> subprocess.Popen[str]:
        return self.start("launch", str(self.study), "--workers", "2")

    def runs(self) -> list[dict[str, str]]:
        code, output = self.run("export", "runs", str(self.study), "--format", "csv")
        return list(csv.DictReader(io.StringIO(output))) if code == 0 else []

    def table(self) -> list[tuple[str, ...]]:
        names = ("pool", "seed", "state", "objective", "score", "param.alpha", "epoch")
        return sorted(tuple(row[name] for name in names) for row in self.runs())

    def commands(self) -> list[psutil.Process]:
        """Processes of the script that live."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if str(self.home) in " ".join(words) and "train.py" in words and process.info["status"] != "zombie":
                found.append(process)
        return found


@pytest.fixture
def script(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Script]:
    """A script whose epochs take a moment."""
    made = Script(tmp_path / "user", getattr(request, "param", 0.2))
    yield made
    embedded.stop(made.home / "postgres")


@pytest.mark.slow
def test_a_launch_that_is_killed_leaves_no_command_and_loses_no_run(script: Script, tmp_path: Path) -> None:
    launcher = script.launch()
    wait_for(lambda: len(script.commands()) == 2, what="two commands")
    family = [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # a run may end just now
            if not {"supervisor.py", "train.py"} & {Path(word).name for word in process.cmdline()}:
                process.send_signal(signal.SIGKILL)
    launcher.communicate(timeout=60)
    wait_for(lambda: not script.commands(), what="the end of the commands")
    code, output = script.run("launch", str(script.study), "--workers", "2")
    assert code == 0, output
    undisturbed = Script(tmp_path / "other", 0.0)
    undisturbed.study.write_text(script.study.read_text())  # the same words are the same study
    try:
        code, output = undisturbed.run("launch", str(undisturbed.study), "--workers", "2")
        assert code == 0, output
        assert len(script.table()) > 8
        assert script.table() == undisturbed.table()
    finally:
        embedded.stop(undisturbed.home / "postgres")


@pytest.mark.slow
@pytest.mark.parametrize("script", [30.0], indirect=True)
def test_a_launch_that_is_stopped_ends_commands_that_print_nothing(script: Script) -> None:
    launcher = script.launch()
    wait_for(lambda: script.commands(), what="a command")
    os.kill(launcher.pid, signal.SIGINT)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, output
    assert not script.commands()
    assert {row["state"] for row in script.runs()} == {"queued"}
    assert "asked to stop" not in output  # they ended by themselves, long before a worker would have been killed


@pytest.mark.slow
def test_output_is_followed_while_a_run_goes_on_and_kept_after_it(script: Script) -> None:
    launcher = script.launch()
    wait_for(lambda: script.commands(), what="a command")
    leased = next(row["id"] for row in script.runs() if row["state"] in ("leased", "done"))
    code, output = script.run("logs", leased, "--follow")
    assert code == 0, output
    assert output.startswith(f"run {leased}, attempt 1, worker ")
    shown = re.findall(r"    val accuracy: ([\d.]+)", output)
    assert len(shown) == 3
    assert "    Epoch 3 [3/3] Acc: " in output
    assert "[1/3]" not in output  # the progress bar has written over it
    code, output = script.run("logs", leased)
    assert f"objective {float(shown[-1]):.4f}" in output
    assert re.search(rf"its program printed \d+ lines, .*/{leased}-1\.txt:", output)
    assert [line for line in output.splitlines() if line.startswith("    val accuracy")][-1].split()[2] == shown[-1]
    launcher.communicate(timeout=120)
    file = next((script.home / "outputs").rglob(f"{leased}-1.txt"))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.slow
@pytest.mark.parametrize("script", [0.0], indirect=True)
def test_a_run_that_fails_shows_what_its_command_said_last(script: Script) -> None:
    script.study.write_text(
        script.study.read_text().replace("train.py --alpha={alpha}", "train.py --then=raise --alpha={alpha}")
    )
    code, output = script.run("launch", str(script.study), "--workers", "1")
    assert code == 1
    assert "RuntimeError: the loss exploded" in output
    failed = next(row["id"] for row in script.runs() if row["state"] != "done" and row["attempt"] != "0")
    code, output = script.run("logs", failed)
    assert "the command ended by exit code 1. Its last lines:" in output
    assert "    RuntimeError: the loss exploded" in output
