"""What holds for each task on images: it trains, repeats, resumes, listens without moving what it listens to."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsearch import data as images
from kdsearch.errors import DataError, RunInterrupted, StudyFileError
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.tasks import frozen
from kdsearch.tasks.base import RunRequest, Task
from kdsearch.tasks.frozen import FROZEN
from kdsearch.tasks.image_classification import workload as classification_workload
from kdsearch.tasks.images.task import ImageTask
from kdsearch.tasks.options import ClassifierOptions, classifier_options
from kdsearch.tasks.transfer import workload as transfer_workload
from kdsearch.tasks.transfer.task import SourceNetwork, Transfer
from tests.tasks.images.data import TinyImages
from tests.tasks.images.helpers import (
    DISTIL,
    STUDENT,
    TASKS,
    classification,
    meta,
    mutual,
    run,
    train_teacher,
    transfer,
)

EVERY = pytest.mark.parametrize("name", list(TASKS))


def state(path: Path | None) -> dict[str, torch.Tensor]:
    assert path is not None
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state"]
    return found


@EVERY
def test_it_is_a_task_whose_identity_is_json(name: str) -> None:
    task: ImageTask = TASKS[name]()
    assert all(hasattr(task, member) for member in dir(Task) if not member.startswith("_"))
    assert set(task.teacher_parameters) <= set(task.parameters)
    assert set(DISTIL[name]) <= set(task.parameters)
    assert json.loads(json.dumps(task.identity())) == task.identity()
    assert task.identity() != task.with_options(epochs=4).identity()
    assert task.with_options(epochs=4).with_options(epochs=3) == task
    hash(task)
    assert all(path.exists() for path in task.sources())
    assert task.label == "tiny"
    assert "studentnet width 4" in task.description
    assert task.chances == (1 / 3, 1 / 3)


def test_declaring_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from tests.tasks.images.helpers import TASKS\n"
        "for make in TASKS.values():\n"
        "    task = make(); task.description, task.identity(), task.parameters, task.sources(), task.chances\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=root)


@EVERY
def test_every_parameter_learns_and_a_seed_repeats_its_run(name: str, tmp_path: Path) -> None:
    task = TASKS[name](epochs=2)
    teacher = train_teacher(task, tmp_path / "teacher")
    before = None if teacher is None else teacher.read_bytes()
    first = run(task, tmp_path / "a", teacher, params=DISTIL[name])
    second = run(task, tmp_path / "b", teacher, params=DISTIL[name])
    other = run(task, tmp_path / "c", teacher, seed=8, params=DISTIL[name])
    assert first.state == "done"
    assert first.curve == second.curve
    assert first.curve["loss"] != other.curve["loss"]
    assert all(torch.equal(value, state(second.weights)[key]) for key, value in state(first.weights).items())
    assert teacher is None or teacher.read_bytes() == before

    workload = task.make_workload("student", "cpu")
    from kdsearch.training.randomness import build_seeded

    initial = dict(build_seeded(7, workload.build).named_parameters())
    moved = state(first.weights)
    still = [key for key, value in initial.items() if torch.equal(value, moved[key])]
    # The norm behind a convolution takes its bias away: what gradient it has is rounding, which plain SGD may not see.
    assert [key for key in still if not re.search(r"convolutions\.\d\.bias$", key)] == [], "each has a gradient"


@pytest.mark.parametrize("name", ["classification", "transfer"])
def test_what_is_listened_to_does_not_move(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither weights nor buffers of the frozen network, in memory, and it is in evaluation mode."""
    held: list[torch.nn.Module] = []
    load = frozen.load_state

    def watched(network: torch.nn.Module, path: Path) -> torch.nn.Module:
        held.append(load(network, path))
        return held[-1]

    for module in (classification_workload, transfer_workload):
        monkeypatch.setattr(module, "load_state", watched)
    task = TASKS[name](epochs=2)
    teacher = train_teacher(task, tmp_path / "teacher")
    FROZEN.clear()
    run(task, tmp_path / "a", teacher, params=DISTIL[name])
    (network,) = held
    assert not network.training
    kept = state(teacher)
    assert all(torch.equal(value, kept[key]) for key, value in network.state_dict().items())
    assert any("running_mean" in key for key in kept)


def test_a_frozen_network_is_not_asked_about_other_images(tmp_path: Path) -> None:
    task = classification(epochs=1)
    teacher = train_teacher(task, tmp_path)
    other = task.with_options(data=TinyImages(count=60))
    both = []
    for given in (task, other):
        workload = given.make_workload("student", "cpu")
        params = {**given.parameters, "alpha": 0.5}
        both.append(workload.loss_weights(RunRequest("student", params, 0, teacher), params).teacher)
    assert both[0] is not both[1]
    with pytest.raises(ValueError, match="clips that are not among those"):
        both[1](torch.tensor([80]) * both[1].space.views)


def save_source(path: Path, classes: int, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(CLASSIFIERS["resnet18"].build(classes, 4).layout().state_dict(), path)
    return path


def test_several_sources_from_files_are_asked_side_by_side(tmp_path: Path) -> None:
    files = {name: save_source(tmp_path / f"{name}.pth", 5, seed) for seed, name in enumerate(("one", "two"))}
    sources = [
        SourceNetwork(name, {"network": "resnet18", "width": 4, "weights": str(path)}, classes=5)
        for name, path in files.items()
    ]
    task = transfer(transfer_from=sources, transfer_module=False, target_loss="focal", epochs=1)
    assert not task.has_teacher
    before = task.fingerprint()
    workload = task.make_workload("student", "cpu")
    params = {**task.parameters, "alpha": 0.5}
    said = workload.loss_weights(RunRequest("student", params, 0), params).teacher
    samples = workload.train[:6] * workload.feed(torch.float32).views
    assert said(samples).shape == (6, 10)
    for place, (source, path) in enumerate(zip(sources, files.values(), strict=True)):
        network = CLASSIFIERS["resnet18"].build(5, 4, str(path)).eval()
        feed = transfer_workload.source_feed(task, source, workload.data.images, task.data.padding)
        with torch.no_grad():
            want = network(feed.take(samples, torch.device("cpu"))).logits
        torch.testing.assert_close(said(samples)[:, 5 * place : 5 * place + 5], want, rtol=1e-4, atol=1e-5)
    assert run(task, tmp_path / "run", params={"auxiliary": "focal"}).state == "done"
    save_source(files["two"], 5, 9)
    assert transfer(transfer_from=sources, transfer_module=False, target_loss="focal").fingerprint() != before
    wrong = transfer(transfer_from=[SourceNetwork("one", sources[0].network, classes=7)], epochs=1)
    with pytest.raises(DataError, match="know another number of classes than 7"):
        run(wrong, tmp_path / "wrong", params={})


def test_weights_that_cannot_be_are_refused_at_launch(tmp_path: Path) -> None:
    def student(**options: Any) -> None:
        classification(student={"network": "resnet18", "width": 4, **options}).fingerprint()

    with pytest.raises(
        StudyFileError, match=r"torchvision's names \(IMAGENET1K_V1, DEFAULT\) or a file's path; got 'V3'"
    ):
        student(weights="V3")
    with pytest.raises(DataError, match=r"expected a file at .*gone\.pth, found none; put it there"):
        student(weights=str(tmp_path / "gone.pth"))
    with pytest.raises(StudyFileError, match="tune_from keeps pretrained weights in front of a stage; give weights"):
        student(tune_from=2)
    with pytest.raises(StudyFileError, match="tune_from is 2 to 4 for a stage of resnet18, 5 for its last layer alone"):
        student(weights="IMAGENET1K_V1", tune_from=1)
    with pytest.raises(DataError, match="expected a file at"):  # the last layer alone may be tuned
        student(weights=str(tmp_path / "gone.pth"), tune_from=5)
    with pytest.raises(StudyFileError, match="5 for its last layer alone; got 6"):
        student(weights=str(tmp_path / "gone.pth"), tune_from=6)
    with pytest.raises(StudyFileError, match="studentnet takes no weights"):
        classification(student={"network": "studentnet", "weights": "w.pth"})


def test_a_source_that_learns_the_students_validation_images_is_refused() -> None:
    network = {"network": "studentnet", "width": 4, "epochs": 1}

    def declared(**options: Any) -> Transfer:
        source = SourceNetwork("other", network, data=images.cifar10(train=300, validation=0.1, **options))
        target = images.cifar10(train=200, validation=0.25, classes=("cat", "dog"))
        return Transfer(target, transfer_from=(source,), student=STUDENT)

    with pytest.raises(StudyFileError, match=r"would train on \d+ of the images that validate the student"):
        declared().fingerprint()
    assert declared(classes=("bird", "frog", "horse")).fingerprint()


def test_a_trained_source_learns_images_as_large_as_it_is_asked_about() -> None:
    task = transfer()
    source, device = task.transfer_from[0], torch.device("cpu")
    learnt = task.make_workload("teacher", "cpu").feed(torch.float32).take(torch.tensor([3]), device)
    student = task.make_workload("student", "cpu")
    asked = transfer_workload.source_feed(task, source, student.data.images, task.data.padding)
    assert learnt.shape == asked.take(torch.tensor([3]), device).shape == (1, 3, 40, 40)


def test_a_diverged_source_stands_at_the_chance_of_its_own_task(tmp_path: Path) -> None:
    task = transfer(learning_rate=float("nan"))
    result = run(task, tmp_path, role="teacher")
    assert (result.state, result.objective) == ("diverged", 0.25)


@EVERY
def test_without_the_other_networks_weight_none_is_asked(name: str, tmp_path: Path) -> None:
    task = TASKS[name](epochs=1)
    result = run(task, tmp_path, None, params=dict.fromkeys(task.teacher_parameters, 0.0))
    assert result.state == "done"
    if task.has_teacher:
        with pytest.raises(ValueError, match="needs a teacher"):
            run(task, tmp_path / "b", None, params=DISTIL[name])


@EVERY
def test_resumed_equals_unbroken(name: str, tmp_path: Path) -> None:
    task = TASKS[name](epochs=4)
    teacher = train_teacher(task, tmp_path / "teacher")

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 2:
            raise RunInterrupted

    whole = run(task, tmp_path / "whole", teacher, params=DISTIL[name])
    FROZEN.clear()
    with pytest.raises(RunInterrupted):
        run(task, tmp_path / "cut", teacher, params=DISTIL[name], report=interrupt)
    FROZEN.clear()
    resumed = run(task, tmp_path / "cut", teacher, params=DISTIL[name])
    assert resumed.curve["epoch"] == whole.curve["epoch"]
    assert resumed.curve["loss"] == pytest.approx(whole.curve["loss"], rel=1e-5)
    assert resumed.curve["objective"] == pytest.approx(whole.curve["objective"], abs=0.06)


def parts_of(content: Any, place: str = "") -> Iterator[str]:
    """The places of all parts of a checkpoint down to single tensors; of many of one kind, the first and the last."""
    if isinstance(content, dict):
        names = list(content)
        large = len(names) > 12 and all(isinstance(value, torch.Tensor) for value in content.values())
        for name in [names[0], names[-1]] if large else names:
            yield f"{place}/{name}"
            yield from parts_of(content[name], f"{place}/{name}")


@pytest.mark.parametrize("name", list(TASKS))
def test_a_checkpoint_that_lacks_any_part_starts_the_run_over(name: str, tmp_path: Path) -> None:
    """Whatever it lacks: nothing passes for a beginning, and nothing is missed in the middle of the run."""
    task = TASKS[name](epochs=2)
    teacher = train_teacher(task, tmp_path / "teacher")

    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    with pytest.raises(RunInterrupted):
        run(task, tmp_path / "cut", teacher, params=DISTIL[name], report=interrupt)
    file = tmp_path / "cut" / "checkpoint.pt"
    content = torch.load(file, weights_only=True)
    places = list(parts_of(content["state"]))
    assert {"/stepper/model", "/schedule", "/progress/curve/score", "/progress/best_weights"} <= set(places)
    if name != "classification":  # what is not the stepper's is the same for all
        places = [place for place in places if place.startswith("/stepper")]
    for place in places:
        lacking = copy.deepcopy(content)
        *path, last = place.strip("/").split("/")
        inner = lacking["state"]
        for key in path:
            inner = inner[key]
        del inner[last]
        torch.save(lacking, file)
        told: list[int] = []

        def listen(epoch: int, objective: float, told: list[int] = told) -> None:
            told.append(epoch)
            raise RunInterrupted  # the first evaluation says where it began

        with pytest.warns(UserWarning, match="lacks a part"), pytest.raises(RunInterrupted):
            run(task, tmp_path / "cut", teacher, params=DISTIL[name], report=listen)
        assert told == [1], place


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("classification", {}),
        (
            "classification",
            {"activation_checkpointing": True, "teacher": {"network": "resnet20", "width": 4, "epochs": 1}},
        ),
        ("classification", {"micro_batch": 10}),
        ("mutual", {"peers": 2}),
        ("transfer", {}),
        ("meta", {}),
    ],
)
def test_a_tuned_students_first_layers_stay_resumed_or_not(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    file = save_source(tmp_path / "w.pth", 7, 0)
    student = {"network": "resnet18", "width": 4, "weights": str(file), "tune_from": 4}
    task = TASKS[name](student=student, epochs=2, **options)
    assert "tuned from stage 4 on" in task.description
    teacher = train_teacher(task, tmp_path / "teacher")

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 1:
            raise RunInterrupted

    whole = run(task, tmp_path / "whole", teacher, params=DISTIL[name])
    FROZEN.clear()
    with pytest.raises(RunInterrupted):
        run(task, tmp_path / "cut", teacher, params=DISTIL[name], report=interrupt)
    resumed = run(task, tmp_path / "cut", teacher, params=DISTIL[name])
    assert resumed.curve["loss"] == pytest.approx(whole.curve["loss"], rel=1e-5)
    trained, seen = state(resumed.weights), set()
    kept = {"conv1.weight", "layer1.0.conv1.weight", "layer3.1.bn2.weight"}
    for key, value in torch.load(file, weights_only=True).items():
        for own in (there for there in trained if re.search(rf"(^|body\.|peers\.\d\.){re.escape(key)}$", there)):
            seen.add(key)
            if key in kept:
                assert torch.equal(trained[own], value), own
            if key == "layer4.0.conv1.weight":
                assert not torch.equal(trained[own], value), own
    assert kept | {"layer4.0.conv1.weight"} <= seen


def test_the_teachers_stages_from_the_best_epoch_are_a_quirk(tmp_path: Path) -> None:
    recipe = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "steps", "milestones": (2, 4), "epochs": 5}
    teacher = {"network": "studentnet", "width": 8, **recipe}
    plain, quirk = classification(teacher=teacher), classification(teacher=teacher, quirks="stages_from_best")
    goes_on = run(plain, tmp_path / "on", role="teacher", seed=1)
    starts = run(quirk, tmp_path / "restart", role="teacher", seed=1)
    assert starts.curve["loss"][:2] == goes_on.curve["loss"][:2]
    assert starts.curve["loss"][2] != goes_on.curve["loss"][2], "momentum at least is forgotten"
    assert [round(rate, 6) for rate in starts.curve["learning_rate"]] == [0.1, 0.1, 0.01, 0.01, 0.001]

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 2:
            raise RunInterrupted

    with pytest.raises(RunInterrupted):
        run(quirk, tmp_path / "cut", role="teacher", seed=1, report=interrupt)
    resumed = run(quirk, tmp_path / "cut", role="teacher", seed=1)
    assert resumed.curve["loss"] == pytest.approx(starts.curve["loss"], rel=1e-5)
    assert "each stage of the teacher's schedule begins at its best epoch so far" in quirk.description
    with pytest.raises(StudyFileError, match="unknown quirk 'stages_from_best'"):
        mutual(quirks="stages_from_best")
    with pytest.raises(
        StudyFileError, match="is of a teacher whose schedule is 'steps', with milestones, got 'constant'"
    ):
        classification(quirks="stages_from_best")
    smooth = {"network": "studentnet", "schedule": "cosine"}
    with pytest.raises(StudyFileError, match="with milestones, got 'cosine'"):  # the milestones are its students'
        classification(teacher=smooth, schedule_name="steps", milestones=(2, 4), quirks="stages_from_best")


@pytest.mark.parametrize("name", ["classification", "transfer"])
def test_a_live_teacher_in_train_mode_is_another_one_and_keeps_its_file(name: str, tmp_path: Path) -> None:
    task = TASKS[name](epochs=2)
    quirk = TASKS[name](epochs=2, quirks="teacher_train_mode")
    teacher = train_teacher(task, tmp_path / "teacher")
    plain = run(task, tmp_path / "a", teacher, params=DISTIL[name])
    asked = run(quirk, tmp_path / "b", teacher, params=DISTIL[name])
    assert plain.curve["loss"] != asked.curve["loss"]
    assert "as the original: frozen networks use the batch's statistics" in quirk.description
    assert not quirk.trains_together(_student())
    assert task.trains_together(_student())


def _student() -> Any:
    return RunRequest("student", {}, 0)


def test_a_diverged_run_stands_at_chance(tmp_path: Path) -> None:
    result = run(classification(), tmp_path, params={"learning_rate": float("nan")})
    assert (result.state, result.objective, result.score) == ("diverged", 1 / 3, 1 / 3)


def test_the_best_epoch_on_test_is_a_quirk_that_leaves_the_objective_alone(tmp_path: Path) -> None:
    plain, quirk = (run(mutual(epochs=6, quirks=q), tmp_path / f"r{len(q)}") for q in ((), ("best_epoch_on_test",)))
    assert plain.curve == quirk.curve
    assert quirk.objective == plain.objective == max(plain.curve["objective"])
    assert quirk.score == max(plain.curve["score"])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (classification, {"student": {"network": "studentnett"}}, "unknown network 'studentnett'.*'studentnet'"),
        (classification, {"student": {"width": 4}}, "the student names no network; choose one of studentnet"),
        (classification, {"student": {"network": "studentnet", "epochs": 3}}, "option of the student 'epochs'"),
        (classification, {"teacher": {"network": "studentnet", "width": 0}}, "the teacher: width must be a whole"),
        (classification, {"quirks": "stable_ties"}, "unknown quirk 'stable_ties'"),
        (classification, {"augment": "flips"}, "unknown augmentation 'flips'.*'flip'"),
        (classification, {"schedule_name": "plataeu"}, "Did you mean 'plateau'"),
        (mutual, {"peers": 1}, "peers must be a whole number of at least 2, got 1"),
        (mutual, {"quirks": ("teacher_train_mode",)}, "unknown quirk 'teacher_train_mode'"),
        (meta, {"psi": 1}, "psi must be a whole number of at least 2"),
        (meta, {"optimizer": "adam"}, "virtual step is one of plain SGD"),
        (transfer, {"transfer_from": ()}, "a transfer needs one source or more"),
        (transfer, {"transfer_from": ({"name": "a"},)}, "transfer_from holds kdsearch.tasks.SourceNetwork"),
        (transfer, {"hidden": 0}, "hidden must be a whole number of at least 1"),
        (classification, {"student": {"network": "resnet20", "weights": "x.pth"}}, "resnet20 takes no weights"),
        (classification, {"schedule_name": "steps"}, "milestones are the epochs of schedule_name='steps'"),
        (classification, {"milestones": (3,)}, "schedule_name='constant' and milestones="),
        (classification, {"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
        (classification, {"quirks": "per_image_average_precision"}, "is for images of several classes"),
        (transfer, {"target_loss": "bce"}, "unknown target_loss 'bce'"),
    ],
)
def test_errors_name_what_is_allowed(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        make(**options)


def test_several_classes_an_image_are_for_transfer_alone(tmp_path: Path) -> None:
    several = TinyImages(multi_label=True)
    for make in (classification, mutual, meta):
        with pytest.raises(StudyFileError, match="class"):
            make().with_options(data=several)
    task = transfer(data=several)
    assert task.metric == "mAP"
    seed = task.with_options(quirks="per_image_average_precision")
    assert seed.metric == "per-image AP"
    teacher = train_teacher(task, tmp_path / "teacher")
    one, two = (run(t, tmp_path / t.metric, teacher, params=DISTIL["transfer"]) for t in (task, seed))
    assert one.curve["loss"] == two.curve["loss"]
    assert one.curve["score"] != two.curve["score"]


def test_options_of_a_preset_are_merged_into_the_networks() -> None:
    task = classification().with_options(teacher={"width": 3}, student={"network": "resnet20"})
    assert task.network("teacher") == ClassifierOptions("studentnet", 3, epochs=2)
    assert task.network("student") == ClassifierOptions("resnet20", 4)
    with pytest.raises(StudyFileError, match="unknown option of ImageClassification 'epoch'"):
        task.with_options(epoch=3)


def test_a_file_of_weights_is_found_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options = classifier_options("the student", {"network": "resnet18", "weights": "~/mine.pth"}, own=True)
    assert options.weights == str(tmp_path / "mine.pth")


def test_the_teacher_has_a_recipe_of_its_own() -> None:
    recipe = {"network": "vgg16_bn", "optimizer": "sgd", "learning_rate": 0.1, "schedule": "steps"}
    task = classification(teacher=recipe | {"milestones": (150, 250), "epochs": 300, "weight_decay": 0.5})
    assert (task.optimizer_of("teacher"), task.optimizer_of("student")) == ("sgd", "adam")
    assert (task.epochs_of("teacher"), task.epochs_of("student")) == (300, 3)
    numbers = dict(task.parameters) | dict(task.teacher_params())
    assert (numbers["learning_rate"], numbers["weight_decay"]) == (0.1, 0.5)
    schedule = task.schedule("teacher", numbers)
    rates = []
    for epoch in (1, 149, 150, 249, 250, 299):
        schedule.epoch_ended(epoch)
        rates.append(schedule.learning_rate)
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
