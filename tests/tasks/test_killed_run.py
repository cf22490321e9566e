"""A run whose process is killed with SIGKILL goes on at its last checkpoint, to the same numbers as an unbroken run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from support import wait_for

from kdsearch import data, tasks

SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    from test_killed_run import train
    train(Path(sys.argv[1]))
    """
)

EPOCHS = 1200


def train(workspace: Path) -> tasks.RunResult:
    """Some seconds of training, several times what passes between two checkpoints; no early end."""
    torch.set_num_threads(1)
    task = tasks.VideoHashing(data=data.jhmdb(), student={"width": 16}, epochs=EPOCHS, evaluate_every=50)
    params = {**task.parameters, "patience": 100}
    return task.train(tasks.RunRequest("student", params, seed=3), tasks.RunContext(workspace))


@pytest.mark.slow
def test_killed_and_continued_equals_unbroken(tmp_path: Path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    broken.mkdir()
    whole.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    here = Path(__file__).parent
    command = [sys.executable, "-c", SCRIPT, str(broken), str(here), str(here.parent)]
    process = subprocess.Popen(command, env=environment)
    wait_for(lambda: list(broken.glob("*.pt")), what="a checkpoint")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    saved = torch.load(next(broken.glob("*.pt")), weights_only=True)
    assert 0 < _epoch(saved) < EPOCHS, "the kill landed in the middle"
    continued, unbroken = train(broken), train(whole)
    assert continued.curve == unbroken.curve
    assert (continued.objective, continued.score, continued.epoch) == (
        unbroken.objective,
        unbroken.score,
        unbroken.epoch,
    )


def _epoch(saved: object) -> int:
    found = [saved]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            if isinstance(value.get("epoch"), int):
                return int(value["epoch"])
            found.extend(value.values())
    raise AssertionError("the checkpoint holds no epoch")
