"""What a command prints is its own word alone, whatever a study file's code prints meanwhile; Ctrl-C ends it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import wait_for

from kdsearch.engines.study_file import load
from kdsearch.ledger.ledger import Ledger

STUDY = """
import os, sys, threading, time
from pathlib import Path

import kdsearch as kd

HERE = Path(__file__).parent


def chatter():
    (HERE / "begun").touch()
    while True:
        print("CHATTER", flush=True)
        print("CHATTER", file=sys.__stdout__, flush=True)
        os.write(1, b"CHATTER\\n")
        os.system("echo CHATTER")


def train(params, seed, report):
    (HERE / "begun").touch()
    time.sleep(60)


if os.environ.get("STUDY_DOES") == "chatter":
    threading.Thread(target=chatter, daemon=True).start()
    time.sleep(0.2)
if os.environ.get("STUDY_DOES") == "sleep":
    (HERE / "begun").touch()
    time.sleep(60)

study = kd.Study("loud", train, {"x": kd.uniform(0, 1)}, defaults={"x": 0.5}, budget=kd.Budget(runs=8))
"""


@pytest.fixture
def study(ledger: Ledger, tmp_path: Path) -> Path:
    """A study file whose study is in the ledger."""
    file = tmp_path / "loud.py"
    file.write_text(STUDY)
    ledger.open_study(load(file).declaration())
    return file


def program(words: list[str], database_url: str, does: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kdsearch", *words],
        env={**os.environ, "KDSEARCH_STORAGE": database_url, "STUDY_DOES": does},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests may ignore Ctrl-C (nohup, a background job), and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("command", [["export", "runs"], ["report"]], ids=" ".join)
def test_threads_of_a_study_file_print_nothing_into_what_a_command_prints(
    study: Path, database_url: str, command: list[str]
) -> None:
    """Neither by Python's streams nor by the descriptor, nor does a program that such a thread starts."""
    quiet, loud = (
        program([*command, str(study)], database_url, does).communicate(timeout=60) for does in ("nothing", "chatter")
    )
    assert loud[0] == quiet[0] != ""
    assert "CHATTER" in loud[1], "it is not lost either"
    if "export" in command:
        assert next(csv.reader(quiet[0].splitlines()))[0] == "study"


@pytest.mark.parametrize(
    ("command", "does"),
    [
        (["report"], "sleep"),
        (["export", "runs"], "sleep"),
        (["status"], "sleep"),
        (["compare", "loud"], "sleep"),
        (["train"], "nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_ctrl_c_ends_a_command_with_one_line(study: Path, database_url: str, command: list[str], does: str) -> None:
    process = program([*command, str(study)], database_url, does)
    begun = study.with_name("begun")
    wait_for(lambda: begun.exists() or process.poll() is not None, what="the study's code")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "Interrupted.\n"), output
    assert "Traceback" not in output
