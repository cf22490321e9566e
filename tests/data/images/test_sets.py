"""CIFAR, STL10 and Pascal VOC in their official layouts, and folders of images; and what is missing or broken there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdsearch import environment
from kdsearch.data import cifar10, cifar100, image_folder, stl10, voc
from kdsearch.data.images.voc import VOC_CLASSES, shown
from kdsearch.errors import DataError
from tests.data.images.layout import (
    ANNOTATION,
    trust,
    write_cifar10,
    write_cifar100,
    write_folder,
    write_stl10,
    write_subset,
    write_voc,
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


def test_official_cifar10_comes_before_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_subset(tmp_path / "cifar10")
    data = cifar10(root=tmp_path, validation=0.2)
    assert data.label == "cifar10jpeg10k"
    write_cifar10(tmp_path / "cifar10")
    trust(monkeypatch, "CIFAR10", tmp_path / "cifar10/cifar-10-batches-py")
    assert data.label == "cifar10"
    assert data.description.startswith("CIFAR-10: 16 train, 4 validation")
    assert "JPEG" not in data.description
    images = data.load()
    assert images.inputs[:, 0, 0, 0].tolist() == list(range(24))
    assert images.parts.labels.tolist() == [0, 1] * 12
    assert images.parts.classes == ("airplane", "automobile")
    assert (data.padding, data.mean, data.std) == (4, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def test_files_that_change_under_a_running_process_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar100(tmp_path)
    folder = tmp_path / "cifar-100-python"
    trust(monkeypatch, "CIFAR100", folder)
    data = cifar100(root=tmp_path, validation=0.2)
    before = data.fingerprint()
    assert (data.load().inputs == 7).all()
    (folder / "train").write_bytes((folder / "train").read_bytes().replace(b"\x07" * 3072, b"\x08" * 3072))
    trust(monkeypatch, "CIFAR100", folder)
    assert data.fingerprint() != before
    assert (data.load().inputs[:20] == 8).all()


def test_cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"CIFAR-100: expected the folder cifar-100-python below .*download=True"):
        cifar100(root=tmp_path).parts()
    with pytest.raises(DataError, match=r"below KDSEARCH_DATA \(which is not set\)"):
        cifar100().parts()
    write_cifar100(tmp_path)
    with pytest.raises(DataError, match="cifar-100-python: expected the official files, whole; came: Dataset not foun"):
        cifar100(root=tmp_path).parts()
    trust(monkeypatch, "CIFAR100", tmp_path / "cifar-100-python")
    images = cifar100(root=tmp_path, validation=0.2).load()
    assert images.parts.classes == ("apple", "fish")
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (16, 4, 10)
    assert (images.inputs == 7).all()
    assert cifar100(root=tmp_path).label == "cifar100-1fold"
    assert cifar100(root=tmp_path).mean == (0.5071, 0.4867, 0.4408)


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="STL10: expected the folder stl10_binary"):
        stl10(root=tmp_path).parts()
    folder = tmp_path / "stl10/stl10_binary"
    write_stl10(tmp_path / "stl10")
    data = stl10(root=tmp_path, validation=0.2)
    with pytest.raises(DataError, match=r"stl10_binary: expected the official files, whole; came: Dataset not found"):
        data.load()
    trust(monkeypatch, "STL10", folder)
    images = data.load()
    assert isinstance(images.inputs, np.memmap)
    assert images.inputs.shape == (16, 3, 96, 96)
    assert images.inputs[:, 0, 0, -1].tolist() == [*range(10), *range(6)]
    assert (images.inputs[3, :, :, :48] == 103).all(), "the left half, of all rows"
    assert (images.inputs[3, :, :, 48:] == 3).all()
    assert images.parts.labels.tolist() == [0, 1] * 8
    assert images.parts.classes == ("airplane", "bird")
    assert (data.padding, data.mean) == (4, (0.485, 0.456, 0.406))


def test_stl10_files_that_do_not_fit_are_named_before_images_are_read(tmp_path: Path) -> None:
    write_stl10(tmp_path)
    folder = tmp_path / "stl10_binary"
    content = (folder / "test_X.bin").read_bytes()
    (folder / "test_X.bin").write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"test_X\.bin of 165,887 bytes where 6 labels need 165,888.*download=True"):
        stl10(root=tmp_path).parts()
    (folder / "test_X.bin").write_bytes(content)
    (folder / "train_y.bin").write_bytes(bytes([1, 3] * 5))
    with pytest.raises(DataError, match="train labels outside 1 to 2"):
        stl10(root=tmp_path).parts()
    (folder / "class_names.txt").unlink()
    with pytest.raises(DataError, match=r"came: .*class_names\.txt"):
        stl10(root=tmp_path).parts()


def test_voc_shows_several_classes_and_ignores_the_difficult(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'VOCdevkit/VOC2007 .*VOCDetection.* for "trainval" and "test"'):
        voc(root=tmp_path).parts()
    write_voc(tmp_path / "voc")
    data = voc(root=tmp_path, validation=0.3)
    parts = data.parts()
    assert data.multi_label
    assert (data.num_classes, data.padding) == (20, 0)
    assert parts.labels.shape == (10, 20)
    cat, dog, person = (VOC_CLASSES.index(name) for name in ("cat", "dog", "person"))
    assert parts.labels[:, dog].tolist() == [255 if i % 2 else 0 for i in range(10)]
    assert parts.labels[:, cat].tolist() == [int(i % 3 != 0) for i in range(10)]
    assert parts.labels[:, person].tolist() == [int(i % 3 == 0) for i in range(10)]
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (5, 2, 3)
    images = data.load(32)
    assert isinstance(images.inputs, np.memmap)
    assert images.inputs.shape == (10, 3, 32, 32)
    assert np.abs(images.inputs.reshape(10, -1).mean(1) - 20 * np.arange(10)).max() < 2
    assert data.load().inputs.shape == (10, 3, 224, 224)
    with pytest.raises(DataError, match="size=4: expected 8 pixels or more"):
        data.load(4)


def test_voc_2012_is_tested_on_val_and_other_years_are_refused(tmp_path: Path) -> None:
    write_voc(tmp_path, "2012")
    with pytest.raises(DataError, match=r'VOC2012: expected the official files.*image_set="train"'):
        voc("2012", root=tmp_path).parts()
    lists = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main"
    (lists / "trainval.txt").rename(lists / "train.txt")
    (lists / "test.txt").rename(lists / "val.txt")
    data = voc("2012", root=tmp_path)
    assert len(data.parts().test) == 3
    assert data.label == "voc2012-1fold"
    with pytest.raises(DataError, match="year '2010': expected one of 2007, 2012"):
        voc("2010")


def test_a_voc_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_voc(tmp_path)
    (tmp_path / "VOCdevkit/VOC2007/JPEGImages/000003.jpg").unlink()
    with pytest.raises(DataError, match=r"000003\.jpg: expected a readable file"):
        voc(root=tmp_path).load(32)


def test_an_object_that_is_not_difficult_counts_whatever_stands_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    more = "<object><name>cat</name><difficult>0</difficult></object><object><name>cat</name></object>"
    file.write_text(ANNOTATION.format("cat", 1, more))
    assert shown(file)[VOC_CLASSES.index("cat")] == 1
    more = "<object><name>cat</name><difficult>1</difficult></object>"
    file.write_text(ANNOTATION.format("cat", 0, more))
    assert shown(file)[VOC_CLASSES.index("cat")] == 1, "in either order"
    file.write_text("<annotation><object>")
    with pytest.raises(DataError, match=r"a\.xml: expected VOC's annotation"):
        shown(file)
    file.write_text(ANNOTATION.format("unicorn", 0, ""))
    with pytest.raises(DataError, match="annotation of an image"):
        shown(file)


def test_folders_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="places365: expected folders train and val"):
        image_folder("places365", tmp_path).parts()
    write_folder(tmp_path / "places365")
    data = image_folder("places365", tmp_path, validation=0.25)
    images = data.load(16)
    assert images.inputs.shape == (12, 3, 16, 16)
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (6, 2, 4)
    assert np.abs(images.inputs.reshape(12, -1).mean(1) - np.where(images.parts.labels == 0, 100, 200)).max() < 2
    assert image_folder("places365", tmp_path / "places365").parts().classes == ("a", "b"), "the root itself"
    assert (data.label, data.padding) == ("places365", 0)
    write_folder(tmp_path / "broken")
    (tmp_path / "broken/val/a/0.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0\.jpg: expected an image"):
        image_folder("broken", tmp_path).load(16)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="expected a folder's name"):
        image_folder(name)


def test_folders_of_other_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", lambda part: ("a", "b") if part == "train" else ("a", "c"))
    with pytest.raises(DataError, match="train and val hold other classes, such as b, c"):
        image_folder("mine", root=tmp_path).parts()
