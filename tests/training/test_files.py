from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.files import load_safely, save_atomically


def test_round_trip_without_traces(tmp_path: Path) -> None:
    save_atomically({"a": torch.arange(3), "b": [1, 2.0, "x"]}, tmp_path / "deep" / "file.pt")
    content = load_safely(tmp_path / "deep" / "file.pt")
    assert content is not None
    assert content["a"].tolist() == [0, 1, 2]
    assert content["b"] == [1, 2.0, "x"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["file.pt"]


def test_missing_file_is_none(tmp_path: Path) -> None:
    assert load_safely(tmp_path / "none.pt") is None


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1])
def test_truncated_file_is_ignored_with_a_warning(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "file.pt"
    save_atomically({"a": torch.arange(300)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(UserWarning, match="cannot be read and is ignored"):
        assert load_safely(path) is None


@pytest.mark.parametrize("values", [300, 30_000])
def test_a_file_that_is_cut_anywhere_is_ignored_with_a_warning(tmp_path: Path, values: int) -> None:
    """Where more than 4096 bytes are left torch raises other exceptions than where fewer are."""
    path = tmp_path / "file.pt"
    save_atomically({"a": torch.arange(values), "b": {"c": torch.zeros(values)}}, path)
    content = path.read_bytes()
    for keep in [*range(0, len(content), len(content) // 97), *range(len(content) - 30, len(content))]:
        path.write_bytes(content[:keep])
        with pytest.warns(UserWarning, match="cannot be read and is ignored"):
            assert load_safely(path) is None, keep


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_flipped_bytes_are_noticed(tmp_path: Path, place: float) -> None:
    path = tmp_path / "file.pt"
    save_atomically({"a": torch.arange(3000)}, path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"cannot be read and is ignored \(its part .*data/0 is damaged\)"):
        assert load_safely(path) is None


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "made"),))

    for name, write in (("zip.pt", torch.save), ("bare.pt", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        write(Evil(), tmp_path / name)
        with pytest.warns(UserWarning, match="ignored"):
            assert load_safely(tmp_path / name) is None
    assert not (tmp_path / "made").exists()


def test_full_disk_is_an_os_error_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.pt"
    save_atomically({"a": 1}, path)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*file\.pt: No space left") as caught:
        save_atomically({"a": 2}, path)
    assert caught.value.errno == errno.ENOSPC
    assert load_safely(path) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    Checkpoint(tmp_path, "one").save({"epoch": 3})
    assert Checkpoint(tmp_path, "one").load() == {"epoch": 3}
    with pytest.warns(UserWarning, match="belongs to another run"):
        assert Checkpoint(tmp_path, "two").load() is None


def test_foreign_content_is_ignored(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "checkpoint.pt")
    with pytest.warns(UserWarning, match="belongs to another run"):
        assert Checkpoint(tmp_path, "one").load() is None


def test_checkpoints_are_due_by_time(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path, "k", every=60).due()
    assert Checkpoint(tmp_path, "k", every=0).due()


def test_a_checkpoint_is_due_again_so_long_after_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later where writing takes long: all writes take a twentieth of the time at most."""
    now, took = 100.0, 0.0
    monkeypatch.setattr("kdsearch.training.checkpoints.time", SimpleNamespace(monotonic=lambda: now))

    def write(*_: object) -> None:
        nonlocal now
        now += took

    monkeypatch.setattr("kdsearch.training.checkpoints.save_atomically", write)
    checkpoint = Checkpoint(tmp_path, "k", every=2)
    for took in (0.0, 0.01, 0.5):
        checkpoint.save({})
        saved, pause = now, max(2, 20 * took)
        for later, due in ((0, False), (pause - 0.05, False), (pause + 0.05, True)):
            now = saved + later
            assert checkpoint.due() is due
    now = saved + 39
    assert not checkpoint.due(population=4)
    now = saved + 41
    assert checkpoint.due(population=4)


def test_what_never_was_an_archive_is_not_said_to_be_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"these are no weights of anybody")
    with pytest.warns(UserWarning, match="ignored") as caught:
        assert load_safely(path) is None
    assert "cut short" not in str(caught[0].message)
