"""Images that teachers alone train on: who reads them, and who must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdsearch.data import ImageDeclaration, cifar10
from kdsearch.data.folds import Fold
from kdsearch.errors import DataError, StudyFileError
from kdsearch.tasks import ImageClassification, MetaAuxiliary, MutualLearning
from kdsearch.tasks.nested import nested_parts
from tests.tasks.images.helpers import STUDENT, USUAL, run, train_teacher


def images(root: Path, **options: Any) -> ImageDeclaration:
    given = {"train": 60, "test": 40, "folds": 3, "teacher_only": 50} | options
    return cifar10(root=root, **given)


def task(data: ImageDeclaration, **options: Any) -> ImageClassification:
    teacher = {"network": "studentnet", "width": 4, "epochs": 1}
    return ImageClassification(data, **({"teacher": teacher, "student": STUDENT, **USUAL} | options))


def test_they_are_of_each_class_alike_and_in_no_other_part(tmp_path: Path) -> None:
    data = images(tmp_path)
    for number in range(3):
        parts = data.parts(Fold(4, number))
        every = np.concatenate([parts.train, parts.validation, parts.teacher_only, parts.test])
        assert sorted(every) == list(range(150))
        assert np.bincount(parts.labels[parts.teacher_only]).tolist() == [5] * 10
        assert len(parts.train) + len(parts.validation) == 60
    pixels = data.load().check().inputs.reshape(150, -1)
    assert len(np.unique(pixels, axis=0)) == 150, "no image twice"


def test_the_students_images_are_the_same_without_them(tmp_path: Path) -> None:
    with_them, without = images(tmp_path), images(tmp_path, teacher_only=None)
    for fold in (Fold(0, 1), Fold(2, 0)):
        for part in ("train", "validation", "test"):
            rows = [getattr(data.parts(fold), part) for data in (with_them, without)]
            np.testing.assert_array_equal(with_them.load().inputs[rows[0]], without.load().inputs[rows[1]])
    assert without.parts().teacher_only.size == 0
    assert "teacher_only" not in without.identity()
    assert with_them.identity()["teacher_only"] == 50
    assert with_them.fingerprint() != without.fingerprint()
    assert (with_them.label, without.label) == (
        "standin-cifar10-n60-teacher50-3folds",
        "standin-cifar10-n60-3folds",
    )
    assert "60 train, 50 more that teachers alone train on, 40 test" in with_them.description


@pytest.mark.parametrize("recipe", ["last", "nested"])
def test_the_teacher_of_a_fold_trains_on_them_and_its_students_do_not(tmp_path: Path, recipe: Any) -> None:
    data, fold = images(tmp_path), Fold(0, 2)
    own = task(data, teacher_recipe=recipe)
    parts, teacher, student = (
        data.parts(fold),
        own.make_workload("teacher", "cpu", fold),
        own.make_workload("student", "cpu", fold),
    )
    outside = parts.train if recipe == "last" else nested_parts(data, fold)[0]
    assert sorted(teacher.train.tolist()) == sorted([*outside, *parts.teacher_only])
    assert student.train.tolist() == parts.train.tolist()
    weights = train_teacher(own, tmp_path / "teacher", fold)
    result = run(own, tmp_path / "student", weights, fold=fold, params={"alpha": 0.5, "temperature": 4.0})
    assert result.score is not None


def test_what_cannot_be_is_said_when_it_is_declared(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="teacher_only=50: expected train= beside it"):
        images(tmp_path, train=None, folds=1)
    with pytest.raises(DataError, match="teacher_only=1: expected a whole number of images, 4 or more"):
        images(tmp_path, teacher_only=1)
    with pytest.raises(DataError, match=r"teacher_only=\d+: that is \d+ images of class 0|there are \d+ such images"):
        images(tmp_path, teacher_only=10_000_000).parts()
    for option in ({"micro_batch": 8}, {"activation_checkpointing": True}, {"precision": "bfloat16"}):
        with pytest.raises(StudyFileError, match="MAXL trains in float32 on whole batches"):
            MetaAuxiliary(images(tmp_path, teacher_only=None), student=STUDENT, **{**USUAL, **option})  # type: ignore[arg-type]
    for kind in (MutualLearning, MetaAuxiliary):
        with pytest.raises(StudyFileError, match=f"teacher_only=50: {kind.__name__} trains no teacher on its data"):
            kind(images(tmp_path), student=STUDENT, **USUAL)  # type: ignore[arg-type]
