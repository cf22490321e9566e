"""Declaring studies: what is accepted, and how mistakes are said."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.samplers import RandomSampler
from support import ToyTask, toy_study

import kdsearch as kd
from kdsearch.data import jhmdb
from kdsearch.data.folds import Fold
from kdsearch.errors import StudyFileError
from kdsearch.space import dimension_from
from kdsearch.tasks import VideoHashing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"alhpa": kd.uniform(0, 1)}}, r"unknown 'alhpa'; did you mean 'alpha'\? Known: alpha, rate"),
        ({"baselines": {"b": {"rat": 1}}}, r"baseline 'b': unknown 'rat'; did you mean 'rate'\?"),
        ({"baselines": {"b": {"rate": float("nan")}}}, "rate must be finite"),
        ({"space": {}}, "the space is empty; search at least one of: alpha, rate"),
        ({"space": {"alpha": (0, 1)}}, "must be kd.uniform"),
        ({"name": "a b"}, "a name has letters"),
        ({"search": "random"}, "kd.Adaptive"),
        ({"space": {"rate": kd.when(kd.uniform(0, 1), alpha=0.5)}}, "must stand before it"),
        ({"min_effect": 0}, "min_effect must be above 0"),
        ({"teachers": "many"}, "teachers is 'several', a number or 'one', got 'many'"),
        ({"teachers": 1}, "a number of teachers is 2 to 4, the fresh seeds that share them, got 1"),
        ({"teachers": 5}, "2 to 4, the fresh seeds that share them, got 5"),
        ({"teachers": True}, "'several', a number or 'one', got True"),
        ({"question": "both"}, "question is 'itself' or 'best without', got 'both'"),
        (
            {"question": "best without", "budget": kd.Budget(runs=20, without=0)},
            "question='best without' needs a search without teacher",
        ),
        ({"teacher": "t.pt"}, "teacher=FILE needs teacher_saw"),
        ({"teacher": "t.pt", "teacher_saw": "all"}, "teacher_saw is 'train', 'nothing' or a list of clips, got 'all'"),
        ({"teacher": "t.pt", "teacher_saw": "train", "teachers": "one"}, "contradict each other; drop one"),
        ({"teacher": "no/t.pt", "teacher_saw": "train"}, "expected a file of weights at .*no/t.pt .*, found none"),
        ({"teacher_saw": "train"}, "teacher_saw is of a teacher that is given"),
        ({"task": 3}, "got int"),
    ],
)
def test_mistakes_are_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        toy_study(**changes)


def test_budget_and_confirm_are_checked() -> None:
    with pytest.raises(StudyFileError, match="at least 2 search runs"):
        kd.Budget(runs=1)
    with pytest.raises(StudyFileError, match="seeds >= 2"):
        kd.Confirm(seeds=1)


def test_confirm_and_budget_say_what_is_beside_and_what_is_without() -> None:
    with pytest.raises(StudyFileError, match="others is 2 to 10, the number of seeds; got 11"):
        kd.Confirm(seeds=10, others=11)
    with pytest.raises(StudyFileError, match=r"0 to 0\.5; got 0\.6"):
        kd.Budget(runs=10, without=0.6)
    settings = toy_study(budget=kd.Budget(runs=30, without=0.2), confirm=kd.Confirm(seeds=8, others=4)).settings()
    assert (settings["without"], settings["budget"]) == (0.2, {"runs": 30, "hours": None, "gpu_hours": None})
    assert settings["confirm"] == {"seeds": 8, "finalists": 3, "others": 4}
    assert toy_study(task=ToyTask(teacher_parameters=(), has_teacher=False)).settings()["without"] == 0


def hashing(root: Path, **changes: Any) -> kd.Study:
    return kd.Study(
        "codes",
        VideoHashing(jhmdb(root=root)),
        {"alpha": kd.uniform(0, 1), "temperature": kd.log(1, 16)},
        **changes,
    )


def test_a_choice_may_be_a_word_where_the_default_is_a_number() -> None:
    study = toy_study(space={"rate": kd.categorical([0.1, "auto"])})
    study.check({"rate": "auto"})
    study.check({"rate": 0.1})
    for value in ("none", 0.2):
        with pytest.raises(StudyFileError, match=f"rate={value!r} cannot be used"):
            study.check({"rate": value})
    with pytest.raises(StudyFileError, match="alpha='auto' cannot be used: expected a finite number"):
        study.check({"alpha": "auto"})


def test_a_study_that_was_stored_before_folds_keeps_its_kind_of_teachers(tmp_path: Path) -> None:
    given = {None: "one", "several": "one", 4: "one", "one": "one", "per-seed": "per-seed"}
    for teachers, before in given.items():
        older = hashing(tmp_path, teachers=teachers).older()
        assert older is not None
        assert (older.teachers, older.folds) == (before, 0)


def test_a_number_of_teachers_needs_folds(tmp_path: Path) -> None:
    task = VideoHashing(jhmdb(root=tmp_path, folds=None, validation=0.2))
    for teachers in (4, "several"):
        with pytest.raises(StudyFileError, match=f"teachers={teachers!r} trains each of them outside a fold"):
            kd.Study("codes", task, {"alpha": kd.uniform(0, 1)}, teachers=teachers)
    assert kd.Study("codes", task, {"alpha": kd.uniform(0, 1)}, teachers="per-seed").taught == "per-seed"


def test_a_run_listens_to_its_teacher_where_any_weight_is_not_zero() -> None:
    task = ToyTask(teacher_parameters=("alpha", "rate"))
    study = toy_study(task=task)
    answers = [study.uses_teacher({"alpha": alpha, "rate": rate}) for alpha, rate in ((0, 0), (0.0, 0.3), (-1, 0))]
    assert answers == [False, True, True]
    assert not toy_study(task=ToyTask(teacher_parameters=("alpha",), has_teacher=False)).uses_teacher({"alpha": 1})


def test_where_teachers_come_from_says_what_varies(tmp_path: Path) -> None:
    several = hashing(tmp_path)
    assert (several.taught, several.folds, several.defaults["vary"]) == (
        "several",
        5,
        "initialisation+order+split+teacher",
    )
    assert several.settings()["teachers"] == several.identity()["teachers"] == "several"
    assert hashing(tmp_path, teachers="per-seed").taught == "several"
    assert hashing(tmp_path, teachers=np.int64(4)).settings()["teachers"] == 4
    kept = hashing(tmp_path, teachers="one")
    assert (kept.taught, kept.folds, kept.defaults["vary"]) == ("one", 1, "initialisation+order")
    assert kept.stored_name == "codes@standin-poses-split1-1fold"
    for vary in (("order",), "order"):
        assert hashing(tmp_path, vary=vary).defaults["vary"] == "order"
    with pytest.raises(StudyFileError, match="teachers='one' holds the split for all runs; leave 'split' out of vary"):
        hashing(tmp_path, teachers="one", vary=("order", "split"))
    assert toy_study().taught == "one"  # a task of one's own that knows no folds


def test_a_given_teacher_is_known_by_its_content_and_by_what_it_saw(tmp_path: Path) -> None:
    file, other = tmp_path / "a.pt", tmp_path / "b.pt"
    file.write_bytes(b"weights")
    other.write_bytes(b"other weights")
    root = tmp_path / "data"
    root.mkdir()
    study = hashing(root, teacher=file, teacher_saw="train")
    assert (study.taught, study.defaults["vary"]) == ("given", "initialisation+order+split")
    assert study.settings()["teacher_saw"] == "train"
    stored = {"file": hashlib.sha256(b"weights").hexdigest()[:32], "saw": "train"}
    assert study.identity()["teachers"] == stored, "another form of it would make strangers of all stored studies"
    assert study.identity() != hashing(root, teacher=other, teacher_saw="train").identity()
    assert study.identity() != hashing(root, teacher=file, teacher_saw="nothing").identity()
    copied = tmp_path / "copy.pt"
    copied.write_bytes(b"weights")
    assert study.identity() == hashing(root, teacher=copied, teacher_saw="train").identity()
    with pytest.raises(StudyFileError, match="has no teacher"):
        toy_study(task=ToyTask(has_teacher=False), teacher=file, teacher_saw="train")


def test_clips_that_a_given_teacher_saw_validate_no_run(tmp_path: Path) -> None:
    file, root = tmp_path / "a.pt", tmp_path / "data"
    file.write_bytes(b"weights")
    root.mkdir()
    data = jhmdb(root=root)
    seen = [data.load(1).names[row] for row in data.parts(Fold(0, 2)).validation[:3]]
    study = hashing(root, teacher=file, teacher_saw=seen)
    parts = [study.task.data.parts(Fold(0, number)) for number in range(5)]  # type: ignore[attr-defined]
    validating = {data.load(1).names[row] for part in parts for row in part.validation}
    assert validating.isdisjoint(seen)
    assert study.settings()["teacher_saw"] == "some"
    assert study.identity()["teachers"]["saw"] == sorted(seen)
    with pytest.raises(StudyFileError, match="say 'train' or 'nothing' of other data"):
        toy_study(teacher=file, teacher_saw=["clip1"])


def test_without_distillation_what_is_idle_stands_at_its_default(tmp_path: Path) -> None:
    study = hashing(tmp_path)
    without = study.without_teacher(study.complete({"alpha": 0.7, "temperature": 11.0}))
    assert (without["alpha"], without["representation_weight"], without["temperature"]) == (0, 0, 4.0)
    before = study.older()
    assert before is not None
    assert before.without_teacher(before.complete({"alpha": 0.7, "temperature": 11.0}))["temperature"] == 11.0


def test_a_study_goes_back_to_what_was_stored_before_there_were_draws(tmp_path: Path) -> None:
    before = hashing(tmp_path).older()
    assert before is not None
    assert (before.stored_name, before.taught, before.folds) == ("codes@standin-poses-split1", "one", 0)
    assert before.defaults["vary"] == "initialisation+order"
    assert before.identity()["teachers"] == "one"
    assert before.older() is None
    assert not hashing(tmp_path).asked_since_draws()
    assert hashing(tmp_path, teachers="several").asked_since_draws() == {"teachers": "several"}
    assert hashing(tmp_path, question="best without").asked_since_draws() == {"question": "best without"}
    assert toy_study().older() is None


def test_the_same_study_has_the_same_identity_and_another_has_not() -> None:
    assert toy_study().identity() == toy_study().identity()
    assert toy_study(budget=kd.Budget(runs=99)).identity() == toy_study().identity()
    for changed in (
        toy_study(space={"alpha": kd.uniform(0, 1), "rate": kd.log(0.1, 1)}),
        toy_study(baselines={}),
        toy_study(task=ToyTask(noise=0.03)),
        toy_study(seed=1),
        toy_study(teachers="per-seed"),
    ):
        assert changed.identity() != toy_study().identity()


def test_a_preset_changes_task_and_budget_and_names_the_study() -> None:
    study = toy_study(presets={"smoke": {"task": {"noise": 0.5}, "budget": kd.Budget(runs=4)}})
    smoke = study.with_preset("smoke")
    assert (smoke.task.noise, smoke.budget.runs) == (0.5, 4)  # type: ignore[union-attr]
    assert (study.stored_name, smoke.stored_name) == ("toy@toy", "toy@toy+smoke")
    with pytest.raises(StudyFileError, match="has no preset 'smok'; it has: smoke"):
        study.with_preset("smok")
    with pytest.raises(StudyFileError, match="unknown 'bugdet'; did you mean 'budget'"):
        toy_study(presets={"p": {"bugdet": 1}}).with_preset("p")


def test_a_bare_function_needs_complete_baselines() -> None:
    with pytest.raises(StudyFileError, match="nothing is set for y"):
        kd.Study(
            name="f",
            task=lambda params, seed, report: 0.0,
            space={"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)},
            baselines={"b": {"x": 1}},
        )


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (kd.uniform(0, 1), [0, 0.5, 1], [-0.1, 1.1, True, "a"]),
        (kd.log(1e-3, 30), [1e-3, 30], [0, 31]),
        (kd.integer(1, 10), [1, 10, 3.0], [0, 11, 2.5]),
        (kd.categorical(["a", "b"]), ["a"], ["c", 1]),
    ],
)
def test_dimensions(dimension: Any, inside: list[Any], outside: list[Any]) -> None:
    assert all(dimension.contains(value) for value in inside)
    assert not any(dimension.contains(value) for value in outside)
    assert dimension_from(dimension.identity()) == dimension


@pytest.mark.parametrize(
    "make",
    [
        lambda: kd.uniform(1, 0),
        lambda: kd.log(0, 1),
        lambda: kd.integer(3, 3),
        lambda: kd.categorical(["a"]),
        lambda: kd.uniform(0, float("inf")),
    ],
)
def test_impossible_ranges_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"range|categorical"):
        make()


def test_an_idle_number_of_a_bare_function_need_not_be_set_and_is_a_possible_one() -> None:
    space = {"loss": kd.categorical(["kl", "mse"]), "temperature": kd.when(kd.log(1, 16), loss="kl")}
    study = kd.Study("s", lambda params, seed, report: 0.0, space, baselines={"paper": {"loss": "mse"}})
    assert study.explicit(study.baselines["paper"]) == {"loss": "mse", "temperature": 4.0}
    with pytest.raises(StudyFileError, match="nothing is set for temperature"):
        study.explicit({"loss": "kl"})
    with pytest.raises(StudyFileError, match="loss='hinge' cannot be used: expected one of 'kl', 'mse'"):
        study.check({"loss": "hinge"})


def test_a_misspelt_baseline_of_a_bare_function_is_named() -> None:
    with pytest.raises(StudyFileError, match="unknown parameter 'rte'; did you mean 'rate'"):
        kd.Study("s", lambda params, seed, report: 0.0, {"rate": kd.uniform(0, 1)}, baselines={"paper": {"rte": 0.1}})


def test_the_search_without_gets_half_where_it_is_what_is_asked() -> None:
    assert toy_study().settings()["without"] == 0.1
    assert toy_study(question="best without").settings()["without"] == 0.5
    assert toy_study(question="best without", budget=kd.Budget(runs=20, without=0.2)).settings()["without"] == 0.2
    for share in (0.6, -0.1, True, "half"):
        with pytest.raises(StudyFileError, match="without is the share of the budget without a teacher, 0 to"):
            kd.Budget(runs=20, without=share)  # type: ignore[arg-type]


def test_searches_have_the_seeds_that_their_docs_say() -> None:
    assert (kd.Fixed().seeds, kd.OptunaSearch(RandomSampler).seeds) == (5, 2)
    for make in (kd.Fixed, functools.partial(kd.OptunaSearch, RandomSampler)):
        assert make(seeds=2).seeds == 2
        for few in (1, 0, -3):
            with pytest.raises(StudyFileError, match=rf"needs 2 seeds or more, since one seed .*; got {few}"):
                make(seeds=few)


def test_a_sampler_is_a_class_or_a_function_of_a_seed() -> None:
    for good in (RandomSampler, lambda seed: RandomSampler(seed), functools.partial(RandomSampler)):
        assert kd.OptunaSearch(good).sampler is good
    with pytest.raises(
        StudyFileError, match=r"sampler=RandomSampler\(...\): expected the class, or a function of a seed"
    ):
        kd.OptunaSearch(RandomSampler())
    for bad in (3, lambda seed: seed, int):
        with pytest.raises(StudyFileError, match="expected a sampler of Optuna, such as"):
            kd.OptunaSearch(bad)
