"""Rows of ``kdsearch data list`` and findings of ``kdsearch data verify`` for image sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kdsearch import environment
from kdsearch.data import voc
from kdsearch.data.inventory import Available, Finding, available, verify
from tests.data.images.layout import (
    trust,
    write_cifar100,
    write_folder,
    write_jpegs,
    write_stl10,
    write_subset,
    write_voc,
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def rows(root: Path) -> list[Available]:
    return [row for row in available(root) if row.modality == "images"]


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_nothing_found_is_synthetic(root: Path) -> None:
    (row,) = rows(root)
    assert (row.name, row.fingerprint, row.clips, row.classes) == ("cifar10", "synthetic", 6000, 10)
    assert "not CIFAR-10" in row.where
    assert verify(root) == []


def test_each_set_found_is_a_row_and_a_finding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_subset(root / "cifar10")
    write_jpegs(root / "cifar10")
    write_cifar100(root)
    trust(monkeypatch, "CIFAR100", root / "cifar-100-python")
    write_stl10(root / "stl10")
    trust(monkeypatch, "STL10", root / "stl10/stl10_binary")
    write_voc(root)
    write_folder(root / "places365")
    (root / "labels/train/x").mkdir(parents=True)
    (root / "labels/val").mkdir()
    (root / "labels/train/x/a.txt").write_text("no image")
    found = {(row.name, row.clips, row.classes) for row in rows(root)}
    assert found == {
        ("cifar10", 90, 3),
        ("cifar10", 18, 3),
        ("cifar100", 30, 2),
        ("stl10", 16, 2),
        ("voc2007", 10, 20),
        ("places365", 12, 2),
    }
    assert all(len(row.fingerprint) == 16 for row in rows(root))
    findings = verify(root)
    assert len(findings) == 6
    assert all(finding.ok for finding in findings), findings
    assert any("12 train, 6 test images of 3 classes" in finding.message for finding in findings)
    assert not (environment.home() / "images").exists(), "files are read, no cache is made or asked"


@pytest.mark.parametrize("write", [write_subset, write_jpegs])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_truncated_archive_is_broken(root: Path, write: object, share: float) -> None:
    path = write(root)  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    (row,) = rows(root)
    assert row.fingerprint == "unreadable"
    assert str(path) in row.where
    finding = only(verify(root))
    assert not finding.ok
    assert str(path) in finding.message


def test_an_array_that_training_does_not_read_is_looked_at_too(root: Path) -> None:
    path = write_subset(root)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    marker = np.frombuffer(b"where this array lies in the file" * 9, np.uint8)
    np.savez(path, **arrays, file_train=marker)
    assert only(verify(root)).ok
    content = path.read_bytes()
    assert content.count(marker.tobytes()) == 1
    path.write_bytes(content.replace(marker.tobytes(), marker.tobytes()[:-1] + b"?"))
    assert "damaged file_train" in only(verify(root)).message


def test_labels_and_images_that_do_not_fit_are_broken(root: Path) -> None:
    path = write_subset(root)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    np.savez(path, **{**arrays, "x_test": arrays["x_test"][:-1]})
    assert "expected x_test of shape (30, 32, 32, 3); came (29, 32, 32, 3)" in only(verify(root)).message
    np.savez(path, **{**arrays, "y_test": arrays["y_test"] + 1})
    assert "expected test labels from 0 to 2; came 1 to 3" in only(verify(root)).message


def test_official_files_are_compared_with_their_sums(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stl10(root)
    folder = root / "stl10_binary"
    trust(monkeypatch, "STL10", folder)
    assert only(verify(root)).ok
    (folder / "unlabeled_X.bin").write_bytes(b"x" + bytes(3 * 96 * 96 - 1))
    assert "Dataset not found or corrupted" in only(verify(root)).message
    shutil.rmtree(folder)
    write_cifar100(root)
    trust(monkeypatch, "CIFAR100", root / "cifar-100-python")
    assert only(verify(root)).ok
    (root / "cifar-100-python/train").write_bytes((root / "cifar-100-python/train").read_bytes()[:-10])
    assert "Dataset not found or corrupted" in only(verify(root)).message


def test_each_broken_image_is_a_finding_also_where_its_pixels_are_kept(root: Path) -> None:
    write_voc(root)
    voc(root=root).load(32)
    images = root / "VOCdevkit/VOC2007/JPEGImages"
    for name in ("000002.jpg", "000008.jpg"):
        content = (images / name).read_bytes()
        (images / name).write_bytes(content[:200] + bytes(len(content) - 200))
    found = verify(root)
    assert {(finding.file.name, finding.ok) for finding in found} == {("000002.jpg", False), ("000008.jpg", False)}
    assert all("expected an image" in finding.message for finding in found)
