"""Image declarations: which images train, validate and test, from whatever files; and files that are not whole."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsearch import settings
from kdsearch.data import cifar10
from kdsearch.data import cifar100
from kdsearch.data import image_folder
from kdsearch.data import stl10
from kdsearch.data import verify
from kdsearch.data import voc
from kdsearch.data.image_cache import decoded_once
from kdsearch.data.image_sets import VOC_CLASSES
from kdsearch.data.image_sets import shown
from kdsearch.data.inventory import available
from kdsearch.errors import DataError
from kdsearch.torchvision_shim import import_torchvision

CLASSES = np.array(["ant", "bee", "cow"])


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HOME, str(tmp_path / "home"))


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


def test_importing_the_declarations_imports_no_torch() -> None:
    code = (
        "import sys; from kdsearch import data; d = data.cifar10(train=100, test=50); d.description, d.num_classes\n"
        "assert not {'torch', 'torchvision', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_validation_is_carved_from_train_of_each_class_alike(tmp_path: Path) -> None:
    write_subset(tmp_path / "cifar10")
    data = cifar10(root=tmp_path, validation=0.2)
    parts = data.parts()
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (48, 12, 30)
    assert np.bincount(parts.labels[parts.validation]).tolist() == [4, 4, 4]
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every.tolist()) == list(range(90)), "disjoint, and nothing is lost"
    assert (parts.validation < 60).all()
    again = cifar10(root=tmp_path, validation=0.2).parts()
    assert np.array_equal(again.validation, parts.validation)
    other = cifar10(root=tmp_path, validation=0.2, split_seed=1)
    assert not np.array_equal(other.parts().validation, parts.validation)
    assert other.label == "cifar10jpeg10k-carve1"
    assert "JPEG re-encoded" in data.description
    assert "48 train, 12 validation images carved from train (split seed 0), 30 test" in data.description


def test_a_subset_is_of_each_class_alike_and_its_pixels_are_the_files(tmp_path: Path) -> None:
    path = write_subset(tmp_path)
    data = cifar10(train=20, test=9, root=tmp_path, validation=0.3)
    images = data.load()
    labels = images.parts.labels
    assert sorted(np.bincount(labels[:20])) == [6, 7, 7]
    assert np.bincount(labels[20:]).tolist() == [3, 3, 3]
    assert images.inputs.shape == (29, 3, 32, 32)
    assert not images.inputs.flags.writeable
    with np.load(path) as held:
        stored = {part: held[f"x_{part}"].transpose(0, 3, 1, 2) for part in ("train", "test")}
        classes = held["y_train"]
    for place in range(20):
        (row,) = np.flatnonzero((stored["train"] == images.inputs[place]).all((1, 2, 3)))
        assert classes[row] == labels[place]
    assert all((stored["test"] == image).all((1, 2, 3)).any() for image in images.inputs[20:])
    assert data.label == "cifar10jpeg10k-n20"


def test_classes_are_kept_and_counted_anew(tmp_path: Path) -> None:
    write_subset(tmp_path)
    data = cifar10(classes=("cow", "ant"), root=tmp_path)
    parts = data.parts()
    assert parts.classes == ("ant", "cow"), "in the order of the data set"
    assert data.num_classes == 2
    assert len(parts.labels) == 40 + 20
    assert set(parts.labels) == {0, 1}
    ant = cifar10(root=tmp_path).load()
    first = data.load().inputs[np.flatnonzero(parts.labels == 0)[0]]
    assert (ant.inputs[np.flatnonzero(ant.parts.labels == 0)] == first).all((1, 2, 3)).any()
    assert data.label == "cifar10jpeg10k-2classes"
    assert "of 2 classes (ant, cow)" in data.description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 61}, "train=61: there are 60 such images"),
        ({"test": 31}, "test=31: there are 30"),
        ({"classes": ("ant", "dog")}, "expected two or more of ant, bee, cow; got dog"),
        ({"classes": ("ant",)}, "expected two or more"),
    ],
)
def test_more_than_there_is(tmp_path: Path, options: dict[str, object], message: str) -> None:
    write_subset(tmp_path)
    with pytest.raises(DataError, match=message):
        cifar10(root=tmp_path, **options).parts()  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"train": 3}, {"test": 2.5}, {"validation": 1.0}, {"split_seed": -1}])
def test_impossible_numbers_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(DataError, match="expected"):
        cifar10(**options)  # type: ignore[arg-type]


def test_identity_and_fingerprint_tell_choices_and_content_apart(tmp_path: Path) -> None:
    write_subset(tmp_path)
    made = [
        cifar10(root=tmp_path, **options) for options in ({}, {"train": 30}, {"split_seed": 2}, {"validation": 0.3})
    ]  # type: ignore[arg-type]
    assert len({str(data.identity()) for data in made}) == 4
    assert len({data.fingerprint() for data in made}) == 4
    assert cifar10(root=tmp_path).fingerprint() == made[0].fingerprint()
    assert len(made[0].fingerprint()) == 16
    before = made[0].fingerprint()
    assert len(made[0].parts().labels) == 90
    write_subset(tmp_path, train=63)
    assert made[0].fingerprint() != before
    assert len(made[0].parts().labels) == 93


def test_a_stand_in_says_so_and_can_be_learnt(tmp_path: Path) -> None:
    data = cifar10(train=1000, test=500, root=tmp_path)
    assert data.label == "standin-cifar10-n1000"
    assert data.description.startswith("stand-in, not CIFAR-10")
    images = data.load()
    again = cifar10(train=1000, test=500, root=tmp_path).load()
    assert np.array_equal(images.inputs, again.inputs)
    labels = images.parts.labels
    assert np.bincount(labels).tolist() == [150] * 10
    # Not by pixels alone, else there were nothing to learn: the nearest class mean is hardly better than chance.
    flat = images.inputs.reshape(len(labels), -1).astype(float)
    means = np.stack([flat[:1000][labels[:1000] == c].mean(0) for c in range(10)])
    nearest = ((flat[1000:, None] - means) ** 2).sum(2).argmin(1)
    assert 0.05 < (nearest == labels[1000:]).mean() < 0.3


def test_streams_are_decoded_once_and_an_incomplete_file_is_made_anew(tmp_path: Path) -> None:
    write_jpegs(tmp_path)
    data = cifar10(root=tmp_path, validation=0.25)
    assert data.label == "cifar10jpeg"
    first = data.load().inputs
    assert isinstance(first, np.memmap)
    assert first.shape == (18, 3, 32, 32)
    assert np.abs(first.reshape(18, -1).mean(1) - 10 * np.r_[:12, :6]).max() < 2
    (file,) = (settings.home() / "images").iterdir()
    stamp = file.stat().st_mtime_ns
    assert np.array_equal(data.load().inputs, first)
    assert file.stat().st_mtime_ns == stamp
    want = np.array(first)
    del first
    file.write_bytes(file.read_bytes()[:-1])
    assert np.array_equal(data.load().inputs, want)


def test_a_broken_stream_is_named(tmp_path: Path) -> None:
    path = write_jpegs(tmp_path)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    damaged = arrays["train_jpeg"].copy()
    damaged[arrays["train_offsets"][2] : arrays["train_offsets"][3]] = 0
    np.savez(path, **{**arrays, "train_jpeg": damaged})
    with pytest.raises(DataError, match=r"cifar10_full_jpeg\.npz: train image 2 cannot be decoded"):
        cifar10(root=tmp_path).load()
    assert not list((settings.home() / "images").iterdir()), "nothing half-written stays"


def test_a_truncated_archive_is_named_by_every_command(tmp_path: Path) -> None:
    path = write_subset(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="expected an archive with y_train, y_test, classes"):
        cifar10(root=tmp_path).parts()
    (row,) = [row for row in available(tmp_path) if row.name == "cifar10"]
    assert row.fingerprint == "unreadable"
    (finding,) = verify(tmp_path)
    assert not finding.ok
    assert str(path) in finding.message


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    rows = {"train": np.arange(3), "test": np.arange(2)}
    with pytest.raises(DataError, match=r"expected room for 0\.00 GiB.*No space left.*KDSEARCH_HOME"):
        decoded_once("x", rows, (3, 4, 4), lambda part, row: np.zeros((3, 4, 4), np.uint8))  # type: ignore[arg-type]
    assert not list((settings.home() / "images").iterdir())


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for part, count in (("train", 20), ("test", 10)):
        row = {"data": np.full((count, 3072), 7, np.uint8), "fine_labels": [i % 2 for i in range(count)]}
        (folder / part).write_bytes(pickle.dumps(row))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "fish"]}))


def test_official_cifar_files_come_first_and_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"CIFAR-100: expected the folder cifar-100-python .*download=True"):
        cifar100(root=tmp_path).parts()
    write_cifar100(tmp_path)
    with pytest.raises(DataError, match="expected CIFAR-100's official files, whole; came: Dataset not found or corr"):
        cifar100(root=tmp_path).parts()
    import_torchvision()
    from torchvision import datasets

    monkeypatch.setattr(datasets.CIFAR100, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    images = cifar100(root=tmp_path, validation=0.2).load()
    assert images.parts.classes == ("apple", "fish")
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (16, 4, 10)
    assert (images.inputs == 7).all()
    assert cifar100(root=tmp_path).label == "cifar100"


def write_stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part, count in (("train", 10), ("test", 6)):
        images = np.arange(count, dtype=np.uint8)[:, None].repeat(3 * 96 * 96, 1)
        (folder / f"{part}_X.bin").write_bytes(images.tobytes())
        (folder / f"{part}_y.bin").write_bytes((np.arange(count) % 2 + 1).astype(np.uint8).tobytes())
    (folder / "class_names.txt").write_text("airplane\nbird\n")


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="STL10: expected the folder stl10_binary"):
        stl10(root=tmp_path).parts()
    write_stl10(tmp_path / "stl10")
    import_torchvision()
    from torchvision import datasets

    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda self: True)
    data = stl10(root=tmp_path, validation=0.2)
    images = data.load()
    assert images.inputs.shape == (16, 3, 96, 96)
    assert images.inputs[:, 0, 0, 0].tolist() == [*range(10), *range(6)]
    assert images.parts.labels.tolist() == [0, 1] * 8
    assert images.parts.classes == ("airplane", "bird")
    assert data.padding == 4


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


def test_voc_shows_several_classes_and_ignores_the_difficult(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Pascal VOC 2007: expected the folder VOCdevkit/VOC2007"):
        voc(root=tmp_path).parts()
    write_voc(tmp_path / "voc")
    data = voc(root=tmp_path, validation=0.3)
    parts = data.parts()
    assert data.multi_label
    assert parts.labels.shape == (10, 20)
    cat, dog, person = (VOC_CLASSES.index(name) for name in ("cat", "dog", "person"))
    assert parts.labels[:, dog].tolist() == [255 if i % 2 else 0 for i in range(10)]
    assert parts.labels[:, cat].tolist() == [int(i % 3 != 0) for i in range(10)]
    assert parts.labels[:, person].tolist() == [int(i % 3 == 0) for i in range(10)]
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (5, 2, 3)
    images = data.load(32)
    assert images.inputs.shape == (10, 3, 32, 32)
    assert np.abs(images.inputs.reshape(10, -1).mean(1) - 20 * np.arange(10)).max() < 2
    with pytest.raises(DataError, match="year '2010': expected one of 2007, 2012"):
        voc("2010")


def test_an_object_that_is_not_difficult_counts_whatever_stands_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    more = "<object><name>cat</name><difficult>0</difficult></object><object><name>cat</name></object>"
    file.write_text(ANNOTATION.format("cat", 1, more))
    assert shown(file)[VOC_CLASSES.index("cat")] == 1
    file.write_text("<annotation><object>")
    with pytest.raises(DataError, match=r"a\.xml: expected VOC's annotation"):
        shown(file)
    file.write_text(ANNOTATION.format("unicorn", 0, ""))
    with pytest.raises(DataError, match="annotation of an image"):
        shown(file)


def write_folder(root: Path, classes: Callable[[str], tuple[str, ...]] = lambda part: ("a", "b")) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for name in classes(part):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.full((30, 50, 3), 100 if name == "a" else 200, np.uint8)
                (root / part / name / f"{i}.jpg").write_bytes(jpeg(pixels))


def test_folders_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="places365: expected folders train and val"):
        image_folder("places365", root=tmp_path).parts()
    write_folder(tmp_path / "places365")
    data = image_folder("places365", root=tmp_path, validation=0.25)
    images = data.load(16)
    assert images.inputs.shape == (12, 3, 16, 16)
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (6, 2, 4)
    assert np.abs(images.inputs.reshape(12, -1).mean(1) - np.where(images.parts.labels == 0, 100, 200)).max() < 2
    write_folder(tmp_path / "broken")
    (tmp_path / "broken/val/a/0.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0\.jpg cannot be decoded"):
        image_folder("broken", root=tmp_path).load(16)


def test_folders_of_other_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", lambda part: ("a", "b") if part == "train" else ("a", "c"))
    with pytest.raises(DataError, match="train and val hold other classes, such as b, c"):
        image_folder("mine", root=tmp_path).parts()


@pytest.mark.real_data
def test_the_real_archives(real_root: Path) -> None:
    small = cifar10(train=2000, test=1000, root=real_root)
    assert small.label == "cifar10jpeg10k-n2000"
    images = small.load()
    assert np.bincount(images.parts.labels).tolist() == [300] * 10
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (1800, 200, 1000)
    whole = cifar10(root=real_root)
    parts = whole.parts()
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (45_000, 5_000, 10_000)
    assert "JPEG re-encoded" in whole.description
    assert parts.classes[:3] == ("airplane", "automobile", "bird")
