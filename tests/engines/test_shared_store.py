"""Weights and checkpoints in a store that machines share: a folder, a file system in memory, and a server of S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from s3_server import BUCKET, s3_server

from kdsearch.engines import artifacts, outputs, shared_store
from kdsearch.engines.shared_checkpoints import SharedCheckpoint
from kdsearch.engines.shared_store import SharedStore, StoreUnreachable


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A client of a server of S3 that listens on this machine."""
    with s3_server() as client:
        yield client


@pytest.fixture(params=["folder", "memory://bucket/kd", "s3://bucket/kd"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param.startswith("s3"):
        request.getfixturevalue("bucket")
    yield str(tmp_path / "shared") if request.param == "folder" else request.param
    memory = fsspec.filesystem("memory")
    if memory.exists("/bucket"):
        memory.rm("/bucket", recursive=True)


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_there_whole_and_replaced(url: str, tmp_path: Path) -> None:
    store = SharedStore(url)
    store.check()
    assert not store.has("a/b.pt")
    assert store.names("a") == []
    assert not store.get("a/b.pt", tmp_path / "none")
    for content in (b"one", b"two"):
        store.put(written(tmp_path / "b.pt", content), "a/b.pt")
        assert store.get("a/b.pt", tmp_path / "got" / "b.pt")
        assert (tmp_path / "got" / "b.pt").read_bytes() == content
    assert store.has("a/b.pt")
    assert store.names("a") == ["b.pt"], "nothing half-written is left"
    assert [path.name for path in (tmp_path / "got").iterdir()] == ["b.pt"]
    store.remove("a")
    store.remove("a")
    assert store.names("a") == []


def test_what_another_machine_writes_and_deletes_is_seen_at_once(bucket: Any, tmp_path: Path) -> None:
    store, target = SharedStore("s3://bucket/kd"), tmp_path / "got.pt"
    store.put(written(tmp_path / "w.pt", b"own"), "runs/0.pt")
    assert store.names("runs") == ["0.pt"], "a listing that could be remembered"
    for content in (b"first", b"a longer second"):
        bucket.put_object(Bucket=BUCKET, Key="kd/runs/1.pt", Body=content)
        assert store.has("runs/1.pt")
        assert store.get("runs/1.pt", target)
        assert target.read_bytes() == content
    assert store.names("runs") == ["0.pt", "1.pt"]
    bucket.delete_object(Bucket=BUCKET, Key="kd/runs/1.pt")
    assert not store.has("runs/1.pt")
    assert not store.get("runs/1.pt", target)
    assert store.names("runs") == ["0.pt"]


def test_a_file_that_is_deleted_while_it_is_read_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedStore("memory://bucket/kd")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "exists", lambda *_, **__: True)
    assert not store.get("gone.pt", tmp_path / "gone.pt")
    assert list(tmp_path.iterdir()) == []


def test_artifacts_of_one_home_are_found_from_another(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSEARCH_ARTIFACTS", url)
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "one"))
    name = artifacts.store(written(tmp_path / "w.pt", b"weights"))
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "other"))
    assert artifacts.fetch(name).read_bytes() == b"weights"
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "third"))
    written(tmp_path / "bad.pt", b"other")
    SharedStore(url).put(tmp_path / "bad.pt", f"artifacts/{name}")
    with pytest.raises(artifacts.MissingArtifact, match="are damaged"):
        artifacts.fetch(name)
    with pytest.raises(artifacts.MissingArtifact, match="a store that KDSEARCH_ARTIFACTS names"):
        artifacts.fetch("0" * 32 + ".pt")


def test_a_run_goes_on_elsewhere_from_its_copied_checkpoint(url: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    written(here / "checkpoint.pt", b"epoch 3")
    there.mkdir()
    first = SharedCheckpoint(SharedStore(url), "runs/u/7", here)
    first.send()
    written(here / "checkpoint.pt", b"epoch 4")
    first.send()  # too early for a second copy
    second = SharedCheckpoint(SharedStore(url), "runs/u/7", there)
    second.bring()
    assert (there / "checkpoint.pt").read_bytes() == b"epoch 3"
    first.send(now=True)
    second.bring()
    assert (there / "checkpoint.pt").read_bytes() == b"epoch 3", "a folder that has something is left as it is"
    (there / "checkpoint.pt").unlink()
    second.bring()
    assert (there / "checkpoint.pt").read_bytes() == b"epoch 4"
    assert (first.sent, second.sent) == (True, False)
    second.remove()
    assert SharedStore(url).names("runs/u/7") == []


@pytest.mark.parametrize(("took", "pause"), [(0.1, 30.0), (5.0, 100.0)])
def test_copies_take_a_twentieth_of_a_runs_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    now, copied = 1000.0, []

    def put(self: SharedStore, source: Path, name: str) -> None:
        nonlocal now
        copied.append(source.read_bytes())
        now += took

    monkeypatch.setattr("kdsearch.engines.shared_checkpoints.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(SharedStore, "put", put)
    checkpoint = SharedCheckpoint(SharedStore("memory://copies"), "runs/u/7", tmp_path)
    written(tmp_path / "checkpoint.pt", b"epoch 1")
    checkpoint.send()
    after = now
    written(tmp_path / "checkpoint.pt", b"epoch 2")
    os.utime(tmp_path / "checkpoint.pt", (1, 1))
    for later, count in ((pause - 1, 1), (pause + 1, 2)):
        now = after + later
        checkpoint.send()
        assert len(copied) == count


def test_a_store_that_does_not_answer_is_said_and_ends_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_store, "_PAUSE_SECONDS", 0.0)
    written(tmp_path / "file", b"")
    store = SharedStore(str(tmp_path / "file" / "below"))
    with pytest.raises(StoreUnreachable, match=r"cannot write to .*file/below \(KDSEARCH_ARTIFACTS\)"):
        store.check()
    written(tmp_path / "run" / "checkpoint.pt", b"1")
    SharedCheckpoint(store, "runs/u/7", tmp_path / "run").send(now=True)
    with pytest.raises(StoreUnreachable, match="expected a folder or a URL that fsspec can open"):
        SharedStore("nosuch://bucket").has("a")


def test_a_write_that_fails_at_first_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_store, "_PAUSE_SECONDS", 0.0)
    failures = [OSError("the network"), OSError("again")]
    real = fsspec.implementations.local.LocalFileSystem.put_file

    def put(self: Any, *given: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()
        real(self, *given, **options)

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "put_file", put)
    SharedStore(str(tmp_path / "s")).put(written(tmp_path / "w.pt", b"w"), "w.pt")
    assert (tmp_path / "s" / "w.pt").read_bytes() == b"w"


def test_what_a_run_printed_on_another_machine_is_found_in_the_store(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record: Any = SimpleNamespace(uid="study")
    monkeypatch.setenv("KDSEARCH_ARTIFACTS", str(tmp_path / "shared"))
    assert outputs.find(record, 1, 1) is None
    written(outputs.file_of(record, 1, 1), b"epoch 1")
    outputs.share(record, 1, 1)
    outputs.file_of(record, 1, 1).unlink()
    there = outputs.find(record, 1, 1)
    assert there == outputs.file_of(record, 1, 1)
    assert there.read_bytes() == b"epoch 1"
    monkeypatch.delenv("KDSEARCH_ARTIFACTS")
    assert outputs.find(record, 1, 1) == there, "of this machine"
    assert outputs.find(record, 2, 1) is None
