"""kdsearch's own checkpoints, of a built-in task on synthetic data: on a full disk, cut short, garbled, incomplete."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support import wait_for

from faults.harness import Short, broken_invariants, left_over, workers_of
from faults.servers import TcpServer
from faults.test_database import fill, small_disk

pytestmark = pytest.mark.slow

STUDY = """
import os, time
import kdsearch as kd
from kdsearch import data, tasks
from kdsearch.training.checkpoints import Checkpoint

SECONDS = float(os.environ["SHORT_SECONDS"])

def due(self, population=1):
    "After every epoch, where real runs wait for a second or two."
    time.sleep(SECONDS)
    return True

Checkpoint.due = due
study = kd.Study(
    name="short",
    task=tasks.VideoHashing(
        data=data.jhmdb(), teacher={"frames": 4, "width": 8}, student={"frames": 2, "width": 4},
        epochs=3, evaluate_every=1, batch=40,
    ),
    space={"triplet_weight": kd.log(1e-2, 2), "learning_rate": kd.log(1e-3, 1e-1), "patience": kd.integer(0, 2)},
    search=kd.Fixed(seeds=2), budget=kd.Budget(runs=4), confirm=kd.Confirm(seeds=2, finalists=0),
    preflight_seeds=0,
)
"""
SLOW = {"SHORT_SECONDS": "1.0", "KDSEARCH_DATA": ""}
QUICK = {**SLOW, "SHORT_SECONDS": "0"}


def written(short: Short) -> Short:
    short.file.write_text(STUDY)
    return short


def table(study: Short) -> list[tuple[object, ...]]:
    rows = study.query(
        "SELECT c.kind, CAST(c.params AS text), r.pool, r.seed, r.state, r.objective, r.score, r.epochs "
        "FROM kdsearch.run r JOIN kdsearch.configuration c ON c.id = r.configuration_id"
    )
    return sorted(rows, key=str)


@pytest.fixture(scope="module")
def undisturbed() -> Iterator[list[tuple[object, ...]]]:
    """The table of the study when nothing strikes it."""
    with tempfile.TemporaryDirectory(prefix="kds") as folder:
        Path(folder).chmod(0o711)
        study = written(Short(Path(folder) / "s", environment=QUICK))
        try:
            code, output = study.run("--population", "1")
            assert code == 0, output
            assert "synthetic data" in output
            yield table(study)
        finally:
            study.close()


def checkpoints(study: Short) -> list[Path]:
    return sorted((study.home / "runs").rglob("checkpoint.pt"))


def logs(study: Short) -> str:
    return "".join(file.read_text() for file in (study.home / "logs").glob("*.log"))


def killed_with_checkpoints(study: Short) -> list[Path]:
    """Start it, and kill launcher and worker once a run has left a checkpoint; returns its file."""
    launcher = study.start("--population", "1", workers=1)
    wait_for(lambda: checkpoints(study) or launcher.poll() is not None, seconds=120, what="a checkpoint")
    for pid in (launcher.pid, *workers_of(launcher)):
        os.kill(pid, signal.SIGKILL)
    launcher.communicate()
    found = checkpoints(study)
    assert found, "the run has not ended meanwhile"
    return found


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
    file.write_bytes(content)


def lessen(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    del content["state"]["stepper"]["optimizer"]["steps"]
    torch.save(content, file)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def ends_undisturbed(study: Short, undisturbed: list[tuple[object, ...]]) -> None:
    """Launch it once more: it ends with the table of a study that nothing struck, and leaves no checkpoint."""
    study.environment = QUICK
    code, output = study.run("--population", "1")
    assert code == 0, output
    assert broken_invariants(study) == {}
    assert table(study) == undisturbed
    assert left_over(study) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: None, ""),
        (cut, "cannot be read and is ignored"),
        (garble, "cannot be read and is ignored"),
        (empty, "cannot be read and is ignored"),
        (lessen, "lacks a part"),
    ],
    ids=["whole", "cut", "garbled", "empty", "incomplete"],
)
def test_a_killed_workers_checkpoint_that_is_damaged_starts_its_run_over(
    short: Callable[..., Short], undisturbed: list[tuple[object, ...]], damage: Callable[[Path], None], said: str
) -> None:
    study = written(short(environment=SLOW))
    files = killed_with_checkpoints(study)
    for file in files:
        damage(file)
    ends_undisturbed(study, undisturbed)
    warned = [line for line in logs(study).splitlines() if "checkpoint.pt" in line]
    assert all(said in line for line in warned), warned
    assert bool(warned) == bool(said)
    assert study.count("failures > 0") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can only be mounted by root")
def test_the_disk_of_the_checkpoints_is_full(
    short: Callable[..., Short], undisturbed: list[tuple[object, ...]], tmp_path: Path
) -> None:
    server = TcpServer(tmp_path / "tcp")
    try:
        with small_disk(tmp_path / "study", "64m") as disk:
            study = written(short(environment=SLOW, storage=server.url))
            launcher: subprocess.Popen[str] = study.start("--population", "1")
            wait_for(lambda: checkpoints(study) or launcher.poll() is not None, seconds=120, what="a checkpoint")
            filler = fill(disk)
            output, _ = launcher.communicate(timeout=180)
            assert launcher.returncode == 1, output
            assert "the disk is full" in output
            assert "Traceback" not in output
            filler.unlink()
            ends_undisturbed(study, undisturbed)
    finally:
        server.stop(signal.SIGQUIT)
