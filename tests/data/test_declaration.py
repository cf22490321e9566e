"""Declarations made by their classes are checked as those that the lower-case functions make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kdsearch import data
from kdsearch.data.images.cifar import Cifar10Finder
from kdsearch.errors import DataError

CLASSES: dict[str, Callable[..., Any]] = {
    "jhmdb": data.Jhmdb,
    "action": lambda **options: data.ActionVideos("hmdb51", **options),
    "images": lambda **options: data.ImageDeclaration(Cifar10Finder(), **options),
}
BOTH, NEITHER = {"folds": 5, "validation": 0.2}, {"folds": None}


@pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 0.2}, r"validation=0\.2: expected one of them.*Drop validation=, or give folds=None"),
        (BOTH, "folds=5, validation=0.2: expected one of them"),
        (NEITHER, "folds=None is the older recipe of one fixed split, which needs validation="),
        ({"folds": None, "validation": 1.5}, "expected a fraction between 0 and 1"),
        ({"folds": None, "validation": "0.2"}, "expected a fraction between 0 and 1"),
        ({"folds": 0}, "expected a whole number of folds, 1 or more"),
        ({"split_seed": -1}, "split_seed=-1: expected 0 or more, a whole number"),
        ({"split_seed": 0.5}, r"split_seed=0\.5: expected 0 or more, a whole number"),
    ],
)
def test_what_no_declaration_can_be(make: Callable[..., Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(**options)


@pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)
def test_both_recipes_are_made_and_are_plain_numbers(make: Callable[..., Any]) -> None:
    assert make(folds=None, validation=0.3).validation == 0.3
    made = make(folds=np.int64(3), split_seed=np.int64(2))
    assert (type(made.folds), type(made.split_seed)) == (int, int)
    assert made == make(folds=3, split_seed=2)
    assert made.before_folds(0.25) == make(folds=None, validation=0.25, split_seed=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.Jhmdb(protocol="split4"), "protocol 'split4': expected one of split1"),  # type: ignore[arg-type]
        (lambda: data.Jhmdb(modality="sounds"), "modality 'sounds': expected one of poses"),  # type: ignore[arg-type]
        (lambda: data.Jhmdb(holdout="films"), "expected video or film"),  # type: ignore[arg-type]
        (lambda: data.Jhmdb(folds=None, validation=0.2, holdout="film"), "give folds= instead"),
        (lambda: data.ActionVideos("ucf"), "name 'ucf': expected one of ucf101, hmdb51"),  # type: ignore[arg-type]
        (lambda: data.ActionVideos("ucf101", 4), "split=4: expected 1, 2 or 3"),
        (lambda: data.ActionVideos("ucf101", only=("Archery",)), "two classes or more"),
        (lambda: data.ImageDeclaration(Cifar10Finder(), train=2), "4 or more, or None for all"),
        (lambda: data.ImageDeclaration(Cifar10Finder(), only=("cat",)), "two classes or more"),
    ],
)
def test_other_choices_are_checked_too(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_one_choice_has_one_identity_however_it_is_written() -> None:
    assert data.ActionVideos("ucf101", holdout="film") == data.ucf101(holdout="film") == data.ucf101()
    assert data.Jhmdb(always_train=["b", "a"]).always_train == ("a", "b")  # type: ignore[arg-type]
    finder = Cifar10Finder()
    assert data.ImageDeclaration(finder, only=("cat", "bird")).only == ("bird", "cat")


@pytest.mark.parametrize(
    "declare",
    [
        data.cifar10,
        data.cifar100,
        data.stl10,
        data.voc,
        lambda **options: data.image_folder("imagenet", **options),
    ],
)
def test_images_have_no_films_to_hold_out(declare: Callable[..., Any]) -> None:
    for holdout in ("film", "video"):
        with pytest.raises(DataError, match=f"holdout='{holdout}': images are cut one by one.* Leave holdout out"):
            declare(holdout=holdout)


def test_clips_as_images_hold_out_whole_films() -> None:
    videos = data.jhmdb(modality="frames", holdout="film")
    assert data.clips(videos, frames=4).label == "standin-frames-split1-5folds-film-4frames"


def test_help_shows_the_keywords_of_every_function_that_declares_data() -> None:
    assert {"folds", "holdout", "root"} <= set(inspect.signature(data.jhmdb).parameters)
    assert "classes" not in inspect.signature(data.jhmdb).parameters
    assert {"classes", "holdout"} <= set(inspect.signature(data.ucf101).parameters)
    assert {"classes", "train", "teacher_only"} <= set(inspect.signature(data.cifar10).parameters)
    assert "folds: 'int | None' = default" in str(inspect.signature(data.voc))
    with pytest.raises(TypeError, match=r"jhmdb\(\) got an unexpected keyword argument 'fold'; did you mean 'folds'"):
        data.jhmdb(fold=3)  # type: ignore[call-arg]
