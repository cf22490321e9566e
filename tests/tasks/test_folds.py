from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdsearch.data import cifar10, jhmdb
from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import RunInterrupted, StudyFileError
from kdsearch.tasks import ImageClassification, MutualLearning
from kdsearch.tasks.base import Job, RunContext, RunRequest, RunResult
from kdsearch.tasks.nested import nested_parts
from kdsearch.tasks.runner import StudentPopulation, run_key, run_params
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.schedules import Cosine, Plateau, StepDecay
from tests.tasks.images.data import TinyImages
from tests.tasks.video_hashing.data import TinyData
from tests.tasks.video_hashing.test_together import Listed


@dataclass(frozen=True)
class Folded(TinyData):
    """42 listed clips; in partition p clip i is of fold (i // 3 + p) mod 3. ``spoilt``: rows made noise."""

    folds: int = 3
    spoilt: tuple[int, ...] = ()

    def parts(self, fold: Fold = FIRST) -> Any:
        whole = super().load(1)
        held = (whole.database // 3 + fold.partition) % 3 == fold.number
        return replace(whole, train=whole.database[~held], validation=whole.database[held])

    def load(self, frames: int, size: int | None = None) -> Any:
        clips, first = super().load(frames, size), self.parts()
        inputs = clips.inputs.copy()
        inputs[list(self.spoilt)] = np.random.default_rng(1).normal(size=inputs[list(self.spoilt)].shape)
        return replace(clips, inputs=inputs, train=first.train, validation=first.validation)


@dataclass(frozen=True)
class FoldedImages(TinyImages):
    """All but the test part in folds by place."""

    folds: int = 3

    def parts(self, fold: Fold = FIRST) -> Any:
        whole = super().parts()
        listed = np.sort(np.concatenate([whole.train, whole.validation]))
        held = (listed // 3 + fold.partition) % 3 == fold.number
        whole.train, whole.validation = listed[~held], listed[held]
        return whole


def task(data: Any = None, **options: Any) -> VideoHashing:
    small: dict[str, Any] = {
        "teacher": {"frames": 4, "width": 6},
        "student": {"frames": 2, "width": 4},
        "bits": 8,
        "margin": 3.0,
        "batch": 12,
        "epochs": 6,
        "evaluate_every": 2,
    }
    return VideoHashing(data or Folded(), **(small | options))


def train(place: Path, of: Any, role: Any = "student", fold: Fold = FIRST, seed: int = 0, **params: Any) -> RunResult:
    place.mkdir(exist_ok=True)
    return of.train(RunRequest(role, params, seed, fold=fold), RunContext(place, keep_weights=True, keep_queries=True))


def weights(result: RunResult) -> dict[str, torch.Tensor]:
    assert result.weights is not None
    state = torch.load(result.weights, weights_only=True)["state"]
    assert isinstance(state, dict)
    return state


def same(one: RunResult, two: RunResult) -> bool:
    first, second = weights(one), weights(two)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_trains_and_is_validated_by_its_own_fold() -> None:
    own = task()
    seen = [dataset(own, "student", "cpu", Fold(0, number)) for number in range(3)]
    assert torch.cat([part.validation for part in seen]).sort().values.tolist() == list(range(42))
    assert all(set(part.train.tolist()).isdisjoint(part.validation.tolist()) for part in seen)
    assert dataset(own, "student", "cpu", Fold(1, 0)).validation.tolist()[:4] == [6, 7, 8, 15]
    assert seen[1].inputs is seen[0].inputs  # one copy of the clips for all folds
    assert seen[1].query.tolist() == list(range(42, 60))


def test_folds_make_other_runs_of_one_seed(tmp_path: Path) -> None:
    first, second = (train(tmp_path / str(number), task(), fold=Fold(0, number)) for number in (0, 1))
    assert first.objective != second.objective
    again = train(tmp_path / "again", task(), fold=Fold(0, 1))
    assert again.curve == second.curve
    assert same(again, second)


def test_a_checkpoint_of_another_fold_is_not_continued() -> None:
    own, request = task(), RunRequest("student", {}, 0)
    params = run_params(own, request)
    keys = {run_key(own, replace(request, fold=fold), params, "") for fold in (FIRST, Fold(0, 1), Fold(1, 0))}
    assert len(keys) == 3


@pytest.mark.parametrize("recipe", ["last", "averaged"])
@pytest.mark.parametrize("number", range(3))
def test_nothing_of_a_teacher_is_chosen_on_the_clips_of_its_fold(tmp_path: Path, number: int, recipe: str) -> None:
    fold = Fold(0, number)
    held = tuple(Folded().parts(fold).validation.tolist())
    clean = train(tmp_path / "clean", task(teacher_recipe=recipe), "teacher", fold)
    spoilt = train(tmp_path / "spoilt", task(Folded(spoilt=held), teacher_recipe=recipe), "teacher", fold)
    assert clean.epoch == spoilt.epoch == 6
    assert same(clean, spoilt)
    assert clean.objective != spoilt.objective  # they are what it is measured on, and no more
    assert clean.curve["learning_rate"] == spoilt.curve["learning_rate"]


def test_a_nested_teacher_chooses_on_clips_outside_its_fold(tmp_path: Path) -> None:
    own, fold = task(teacher_recipe="nested", epochs=10), Fold(0, 1)
    train_rows, chosen_on = nested_parts(Folded(), fold)
    held = Folded().parts(fold).validation
    assert not np.intersect1d(held, np.concatenate([train_rows, chosen_on])).size
    assert not np.intersect1d(train_rows, chosen_on).size
    assert len(chosen_on) > 0
    spoilt = task(Folded(spoilt=tuple(held.tolist())), teacher_recipe="nested", epochs=10)
    one, two = train(tmp_path / "one", own, "teacher", fold), train(tmp_path / "two", spoilt, "teacher", fold)
    assert same(one, two)
    assert one.objective == two.objective  # nor is it measured on them
    assert isinstance(own.schedule("teacher", own.parameters), Plateau)


def test_the_last_epoch_counts_though_another_was_better(tmp_path: Path) -> None:
    result = train(tmp_path / "teacher", task(epochs=12, evaluate_every=1), "teacher", Fold(0, 2), seed=1)
    values = result.curve["objective"]
    assert max(values) > values[-1]  # else this shows nothing: take another seed
    assert (result.epoch, result.objective, result.score) == (12, values[-1], result.curve["score"][-1])
    student = train(tmp_path / "student", task(epochs=12, evaluate_every=1), fold=Fold(0, 2))
    assert student.objective == max(student.curve["objective"])


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_a_teacher_of_averaged_weights_goes_on_where_it_was_interrupted(tmp_path: Path, stop: int) -> None:
    own, fold = task(teacher_recipe="averaged"), Fold(0, 1)

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == stop:
            raise RunInterrupted

    unbroken = train(tmp_path / "unbroken", own, "teacher", fold)
    place = tmp_path / "broken"
    place.mkdir()
    with pytest.raises(RunInterrupted):
        own.train(RunRequest("teacher", {}, 0, fold=fold), RunContext(place, report=interrupt))
    resumed = train(place, own, "teacher", fold)
    assert resumed.curve == unbroken.curve
    assert resumed.queries == unbroken.queries
    assert same(resumed, unbroken)


def test_a_teacher_of_averaged_weights_keeps_its_rate_and_is_measured_as_it_is_kept(tmp_path: Path) -> None:
    own, last, fold = task(teacher_recipe="averaged"), task(teacher_recipe="last"), Fold(0, 1)
    result = train(tmp_path / "teacher", own, "teacher", fold)
    assert set(result.curve["learning_rate"]) == {float(own.parameters["learning_rate"])}
    assert (result.epoch, result.objective) == (6, result.curve["objective"][-1])
    assert np.mean(result.queries) == pytest.approx(result.score, abs=1e-6)
    assert not same(result, train(tmp_path / "last", last, "teacher", fold))
    assert own.average_after("student") is None
    student = own.train(
        RunRequest("student", {"alpha": 0.5}, 0, teacher=result.weights, fold=fold), RunContext(_made(tmp_path / "own"))
    )
    assert student.score is not None
    images = ImageClassification(
        FoldedImages(),  # type: ignore[arg-type]
        teacher={"network": "studentnet", "width": 4, "schedule": "steps", "milestones": (2,)},
        teacher_recipe="averaged",
        epochs=4,
    )
    found = train(tmp_path / "images", images, "teacher", fold)
    assert len(set(found.curve["learning_rate"])) == 1
    assert found.score == pytest.approx(np.mean(found.queries))


def test_the_usual_recipe_is_the_last_epoch_and_another_is_another_study(tmp_path: Path) -> None:
    usual = VideoHashing(jhmdb(root=tmp_path, modality="silhouettes"))
    assert usual.recipe == "last"
    assert "teacher_recipe" not in usual.identity()
    other = usual.with_options(teacher_recipe="averaged")
    assert other.identity()["teacher_recipe"] == "averaged"
    assert "averaged weights" in other.description
    assert other.before_folds().recipe == "validation"


def _made(place: Path) -> Path:
    place.mkdir()
    return place


def test_a_rate_that_would_fall_by_plateaus_falls_by_a_cosine() -> None:
    own = task()
    schedule = own.schedule("teacher", own.parameters)
    assert isinstance(schedule, Cosine)
    assert schedule.epochs == 6
    assert isinstance(own.schedule("student", own.parameters), Plateau)
    images = ImageClassification(FoldedImages(), teacher={"network": "studentnet"}, epochs=5)  # type: ignore[arg-type]
    assert isinstance(images.schedule("teacher", images.parameters), Cosine)
    steps = images.with_options(teacher={"schedule": "steps", "milestones": (2,)})
    schedule = steps.schedule("teacher", steps.parameters)
    assert isinstance(schedule, StepDecay)
    assert schedule.milestones == (2,)


def test_queries_are_what_the_score_is_the_mean_of(tmp_path: Path) -> None:
    result = train(tmp_path / "clips", task(), fold=Fold(1, 1))
    assert len(result.queries) == 18
    assert np.mean(result.queries) == pytest.approx(result.score, abs=1e-6)
    images = ImageClassification(FoldedImages(), student={"network": "studentnet", "width": 4}, epochs=2)  # type: ignore[arg-type]
    result = train(tmp_path / "images", images, fold=Fold(0, 2))
    assert set(result.queries) <= {0.0, 1.0}
    assert np.mean(result.queries) == pytest.approx(result.score)
    peers = MutualLearning(FoldedImages(), student={"network": "studentnet", "width": 4}, epochs=2)  # type: ignore[arg-type]
    result = train(tmp_path / "peers", peers, fold=Fold(0, 2))
    assert set(result.queries) <= {0.0, 0.5, 1.0}
    assert np.mean(result.queries) == pytest.approx(result.score)


def test_queries_are_kept_only_where_asked_for(tmp_path: Path) -> None:
    result = task().train(RunRequest("student", {}, 0), RunContext(tmp_path))
    assert result.queries == []


def test_a_population_holds_runs_of_several_folds(tmp_path: Path) -> None:
    own, folds = task(), (Fold(0, 1), Fold(1, 0), Fold(0, 2))

    def trained(width: int, runs: dict[int, Fold]) -> dict[int, RunResult | None]:
        jobs = []
        for seed, fold in runs.items():
            place = tmp_path / f"{seed} of {len(runs)}"
            place.mkdir()
            jobs.append(Job(RunRequest("student", {}, seed, fold=fold), RunContext(place, keep_queries=True)))
        listed = Listed(jobs)
        StudentPopulation(own, "cpu", width, "looped", torch.float64).train(listed)
        assert not listed.errors
        return listed.results

    together = trained(2, dict(enumerate(folds)))
    for seed, fold in enumerate(folds):
        alone, found = trained(1, {seed: fold})[seed], together[seed]
        assert alone is not None
        assert found is not None
        assert found.curve["objective"] == pytest.approx(alone.curve["objective"], abs=1e-12)
        assert found.queries == pytest.approx(alone.queries, abs=1e-6)
        assert len(found.queries) == 18


def test_a_recipe_fits_the_data() -> None:
    with pytest.raises(StudyFileError, match="'last' or 'averaged' or 'nested'"):
        task(teacher_recipe="validation")
    with pytest.raises(StudyFileError, match="take 'validation'"):
        task(TinyData(), teacher_recipe="last")
    with pytest.raises(StudyFileError, match="last, averaged, nested, validation, got 'best'"):
        task(teacher_recipe="best")
    assert task(TinyData()).recipe == "validation"
    quirk = {
        "quirks": ("stages_from_best",),
        "teacher": {"network": "studentnet", "schedule": "steps", "milestones": (2,)},
    }
    with pytest.raises(StudyFileError, match="teacher_recipe='nested'"):
        ImageClassification(FoldedImages(), **quirk)  # type: ignore[arg-type]
    with pytest.raises(StudyFileError, match="teacher_recipe='nested'"):
        ImageClassification(FoldedImages(), teacher_recipe="averaged", **quirk)  # type: ignore[arg-type]
    nested = ImageClassification(FoldedImages(), teacher_recipe="nested", **quirk)  # type: ignore[arg-type]
    assert nested.restarts_of("teacher") == (2,)


def test_streams_and_folds_are_said() -> None:
    assert task().parameters["vary"] == "initialisation+order+split+teacher"
    assert task(TinyData()).parameters["vary"] == "initialisation+order"
    peers = MutualLearning(FoldedImages())  # type: ignore[arg-type]
    assert peers.parameters["vary"] == "initialisation+order+augmentation+split"
    assert (task().folds, task(TinyData()).folds, peers.folds) == (3, 0, 3)
    assert "teacher pose_conv width 6, 4 frames, last epoch" in task().description
    assert "epoch" not in task(TinyData()).description


def test_a_task_goes_back_to_what_was_stored_before(tmp_path: Path) -> None:
    before = VideoHashing(jhmdb(root=tmp_path)).before_folds()
    assert before.identity()["data"] == {
        "data": "jhmdb",
        "modality": "poses",
        "protocol": "split1",
        "split_seed": 0,
        "validation": 0.2,
        "source": "stand-in",
    }
    assert before.identity()["parameters"]["vary"] == "initialisation+order"
    assert "teacher_recipe" not in before.identity()
    images = ImageClassification(cifar10(train=600, root=tmp_path))
    assert images.folds == 5
    assert images.before_folds().identity()["data"]["validation"] == 0.1
    assert "teacher_recipe" not in images.identity()


def test_a_task_of_before_folds_holds_out_the_share_that_is_named(tmp_path: Path) -> None:
    images = ImageClassification(cifar10(train=600, root=tmp_path))
    assert images.before_folds(0.25).identity()["data"]["validation"] == 0.25
    assert images.before_folds().identity()["data"]["validation"] == 0.1


def test_rates_fall_at_the_tasks_milestones_where_a_teacher_has_none_of_its_own() -> None:
    images = ImageClassification(TinyImages(), schedule_name="steps", milestones=(2, 4), epochs=5)  # type: ignore[arg-type]

    def falls(task: ImageClassification, role: Any) -> tuple[int, ...]:
        schedule = task.schedule(role, task.parameters)
        assert isinstance(schedule, StepDecay)
        return schedule.milestones

    assert (falls(images, "student"), falls(images, "teacher")) == ((2, 4), (2, 4))
    own = images.with_options(teacher={"schedule": "steps", "milestones": (1,), "epochs": 5})
    assert (falls(own, "student"), falls(own, "teacher")) == ((2, 4), (1,))
    same = images.with_options(teacher={"epochs": 6})
    assert falls(same, "teacher") == (2, 4)
