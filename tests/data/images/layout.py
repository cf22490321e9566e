"""Image sets in the layouts of the real ones, small, made for the tests."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kdsearch.torchvision_compat import import_torchvision

CLASSES = np.array(["ant", "bee", "cow"])


def write_subset(folder: Path, train: int = 60, test: int = 30) -> Path:
    """An archive of decoded images in the layout of the real one, of three classes."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    arrays = {"classes": CLASSES}
    for part, count in (("train", train), ("test", test)):
        arrays[f"x_{part}"] = draws.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = (np.arange(count) % 3).astype(np.uint8)
    path = folder / "cifar10_subset_10k_2k.npz"
    np.savez(path, **arrays)
    return path


def write_jpegs(folder: Path, counts: tuple[int, int] = (12, 6)) -> Path:
    """An archive of JPEG streams in the layout of the real one; image i of class c is grey of 10 i."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"classes": CLASSES}
    for part, count in zip(("train", "test"), counts, strict=True):
        streams = [jpeg(np.full((32, 32, 3), 10 * i, np.uint8)) for i in range(count)]
        arrays[f"{part}_prefix"] = np.frombuffer(streams[0][:20], np.uint8)
        bodies = [stream[20:] for stream in streams]
        arrays[f"{part}_jpeg"] = np.frombuffer(b"".join(bodies), np.uint8)
        arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, bodies)])
        arrays[f"{part}_labels"] = (np.arange(count) % 3).astype(np.uint8)
    path = folder / "cifar10_full_jpeg.npz"
    np.savez(path, **arrays)
    return path


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for part, count in (("train", 20), ("test", 10)):
        row = {"data": np.full((count, 3072), 7, np.uint8), "fine_labels": [i % 2 for i in range(count)]}
        (folder / part).write_bytes(pickle.dumps(row))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "fish"]}))


def write_cifar10(root: Path) -> None:
    """Five batches of four images and a test batch; image i of all is of grey i and of class i % 2."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for batch, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        grey = np.arange(4 * batch, 4 * batch + 4, dtype=np.uint8)
        row = {"data": grey[:, None].repeat(3072, 1), "labels": [int(i) % 2 for i in grey]}
        (folder / name).write_bytes(pickle.dumps(row))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "automobile"]}))


def write_stl10(root: Path) -> None:
    """Ten and six images; image i is of grey i, with a lighter left half (the official files lie on their side)."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part, count in (("train", 10), ("test", 6)):
        images = np.zeros((count, 3, 96, 96), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
        images[:, :, :48] += 100  # stored by columns
        (folder / f"{part}_X.bin").write_bytes(images.tobytes())
        (folder / f"{part}_y.bin").write_bytes((np.arange(count) % 2 + 1).astype(np.uint8).tobytes())
    (folder / "unlabeled_X.bin").write_bytes(bytes(3 * 96 * 96))
    (folder / "class_names.txt").write_text("airplane\nbird\n")


def trust(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path) -> None:
    """Let torchvision's class of this name take the files in ``folder``, as they are now, for the official ones."""
    import_torchvision()
    from torchvision import datasets

    def summed(rows: list[list[str]]) -> list[list[str]]:
        return [[file, hashlib.md5((folder / file).read_bytes()).hexdigest()] for file, _ in rows]

    kind: Any = getattr(datasets, name)
    monkeypatch.setattr(kind, "train_list", summed(kind.train_list))
    monkeypatch.setattr(kind, "test_list", summed(kind.test_list))
    if hasattr(kind, "meta"):
        file = folder / kind.meta["filename"]
        monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": hashlib.md5(file.read_bytes()).hexdigest()})


ANNOTATION = "<annotation><object><name>{}</name><difficult>{}</difficult></object>{}</annotation>"


def write_voc(root: Path, year: str = "2007") -> None:
    base = root / "VOCdevkit" / f"VOC{year}"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    names = [f"00000{i}" for i in range(10)]
    for i, name in enumerate(names):
        (base / "JPEGImages" / f"{name}.jpg").write_bytes(jpeg(np.full((40 + i, 60, 3), 20 * i, np.uint8)))
        more = "<object><name>dog</name><difficult>1</difficult></object>" if i % 2 else ""
        (base / "Annotations" / f"{name}.xml").write_text(ANNOTATION.format("cat" if i % 3 else "person", 0, more))
    (base / "ImageSets/Main/trainval.txt").write_text("\n".join(names[:7]))
    (base / "ImageSets/Main/test.txt").write_text("\n".join(names[7:]))


def write_folder(root: Path, classes: Callable[[str], tuple[str, ...]] = lambda part: ("a", "b")) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for name in classes(part):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.full((30, 50, 3), 100 if name == "a" else 200, np.uint8)
                (root / part / name / f"{i}.jpg").write_bytes(jpeg(pixels))
