from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsearch.errors import DataError, RunInterrupted
from kdsearch.metrics.retrieval import mean_average_precision
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.runner import run_params
from kdsearch.tasks.video_hashing import teacher as teachers
from kdsearch.tasks.video_hashing.data import Dataset, dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.tasks.video_hashing.workload import Ranked, make_evaluate
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from tests.tasks.video_hashing.data import TinyData

DISTIL = {"representation_weight": 1.0, "alpha": 0.5}


def validated(data: Dataset) -> Ranked:
    return Ranked.of(data, data.validation, data.train)


def make(modality: str = "poses", **options: Any) -> VideoHashing:
    small: dict[str, Any] = {
        "teacher": {"frames": 4, "width": 6},
        "student": {"frames": 2, "width": 4},
        "bits": 8,
        "margin": 3.0,
        "batch": 12,
        "epochs": 6,
        "evaluate_every": 2,
    }
    return VideoHashing(TinyData(modality), **(small | options))


def run(
    workspace: Path,
    task: VideoHashing | None = None,
    seed: int = 0,
    teacher: Path | None = None,
    report: Callable[[int, float], None] = lambda epoch, objective: None,
    role: Any = "student",
    code: str = "",
    **params: Any,
) -> RunResult:
    context = RunContext(workspace, keep_weights=True, code_hash=code, report=report)
    return (task or make()).train(RunRequest(role, params, seed, teacher), context)


def state(result: RunResult) -> dict[str, torch.Tensor]:
    assert result.weights is not None
    content = torch.load(result.weights, weights_only=True)
    assert isinstance(content["state"], dict)
    return content["state"]


def assert_same(one: RunResult, two: RunResult) -> None:
    """Bitwise, weights included."""
    assert one.curve == two.curve
    assert (one.objective, one.score, one.epoch, one.scores) == (two.objective, two.score, two.epoch, two.scores)
    first, second = state(one), state(two)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = run(tmp_path_factory.mktemp("teacher"), role="teacher")
    assert result.weights is not None
    return result.weights


def test_result_holds_what_the_protocol_promises(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    result = run(tmp_path, report=lambda epoch, objective: told.append((epoch, objective)))
    assert result.state == "done"
    assert told == list(zip([2, 4, 6], result.curve["objective"], strict=True))
    assert set(result.curve) == {"epoch", "objective", "score", "loss", "learning_rate"}
    assert {len(column) for column in result.curve.values()} == {3}
    assert result.objective == max(result.curve["objective"])
    assert result.score == result.scores["best_on_validation"] == result.curve["score"][result.epoch // 2 - 1]
    assert result.scores["last"] == result.curve["score"][-1]
    assert result.scores["best_on_test"] == max(result.curve["score"])
    assert result.epochs == 6
    assert result.peak_memory > 1 << 20
    assert 0 < result.seconds < 60


def test_training_learns(tmp_path: Path) -> None:
    task = make(epochs=30)
    assert run(tmp_path, task).objective > 1.6 * task.chance


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd"}, {"optimizer": "adamw"}])
def test_a_seed_reproduces_its_run(tmp_path: Path, options: dict[str, Any]) -> None:
    first = run(tmp_path / "a", make(**options), seed=5)
    torch.manual_seed(99)
    torch.rand(7)
    assert_same(first, run(tmp_path / "b", make(**options), seed=5))
    assert run(tmp_path / "c", make(**options), seed=6).curve != first.curve


def test_only_the_streams_that_vary_follow_the_seed(tmp_path: Path) -> None:
    one, other = (run(tmp_path / f"n{seed}", seed=seed, vary="nothing") for seed in (5, 6))
    assert_same(one, other)
    weights = [
        state(run(tmp_path / f"{vary}{seed}", make(epochs=2), seed=seed, vary=vary))
        for vary in ("initialisation", "order", "initialisation+order")
        for seed in (5, 6)
    ]
    pairs = list(itertools.combinations(weights, 2))
    assert not any(all(torch.equal(a[name], b[name]) for name in a) for a, b in pairs), "each combination is its own"


def test_training_moves_no_global_generator(tmp_path: Path) -> None:
    torch.manual_seed(3)
    want = torch.rand(4)
    torch.manual_seed(3)
    run(tmp_path)
    assert torch.equal(torch.rand(4), want)


@pytest.mark.parametrize("modality", ["poses", "silhouettes"])
@pytest.mark.parametrize("stop", [2, 4])
def test_resumed_equals_unbroken(tmp_path: Path, teacher: Path, stop: int, modality: str) -> None:
    params = DISTIL if modality == "poses" else {}
    given = teacher if params else None

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == stop:
            raise RunInterrupted

    whole = run(tmp_path / "whole", make(modality), teacher=given, **params)
    with pytest.raises(RunInterrupted):
        run(tmp_path / "cut", make(modality), teacher=given, report=interrupt, **params)
    told: list[int] = []
    resumed = run(tmp_path / "cut", make(modality), teacher=given, report=lambda epoch, _: told.append(epoch), **params)
    assert told == [epoch for epoch in (2, 4, 6) if epoch > stop]
    assert_same(whole, resumed)


def test_a_truncated_checkpoint_restarts_the_run(tmp_path: Path) -> None:
    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    whole = run(tmp_path / "whole")
    with pytest.raises(RunInterrupted):
        run(tmp_path / "cut", report=interrupt)
    file = tmp_path / "cut" / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.warns(UserWarning, match="ignored"):
        assert_same(whole, run(tmp_path / "cut"))


@pytest.mark.parametrize(
    "lacks",
    ["state", "stepper", "schedule", "progress", "stepper.model", "stepper.optimizer", "schedule.*", "progress.curve"],
)
def test_a_checkpoint_that_lacks_a_part_restarts_the_run(tmp_path: Path, lacks: str) -> None:
    """It can be read, and all that it says is true; what it does not say must not pass for a beginning."""

    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    whole = run(tmp_path / "whole")
    with pytest.raises(RunInterrupted):
        run(tmp_path / "cut", report=interrupt)
    file = tmp_path / "cut" / "checkpoint.pt"
    content = torch.load(file, weights_only=True)
    *path, last = lacks.split(".")
    inner = content if lacks == "state" else content["state"]
    for name in path:
        inner = inner[name]
    del inner[next(iter(inner)) if last == "*" else last]
    torch.save(content, file)
    if lacks == "state":  # then there is nothing to go on from
        assert_same(whole, run(tmp_path / "cut"))
        return
    with pytest.warns(UserWarning, match="lacks a part"):
        assert_same(whole, run(tmp_path / "cut"))


def test_the_checkpoint_of_another_seed_is_not_continued(tmp_path: Path) -> None:
    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    with pytest.raises(RunInterrupted):
        run(tmp_path / "shared", seed=1, report=interrupt)
    with pytest.warns(UserWarning, match="belongs to another run"):
        assert_same(run(tmp_path / "shared", seed=2), run(tmp_path / "alone", seed=2))


def test_a_checkpoint_is_continued_with_the_teacher_that_it_was_begun_with_alone(tmp_path: Path, teacher: Path) -> None:
    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    other = run(tmp_path / "other", role="teacher", seed=1).weights
    assert other is not None
    with pytest.raises(RunInterrupted):
        run(tmp_path / "cut", teacher=teacher, report=interrupt, **DISTIL)
    with pytest.warns(UserWarning, match="belongs to another run"):
        got = run(tmp_path / "cut", teacher=other, **DISTIL)
    assert_same(got, run(tmp_path / "alone", teacher=other, **DISTIL))


def test_a_checkpoint_is_continued_by_the_code_that_wrote_it_alone(tmp_path: Path) -> None:
    def interrupt(epoch: int, objective: float) -> None:
        raise RunInterrupted

    def listen(epoch: int, objective: float) -> None:
        told.append(epoch)

    for name in ("same", "other"):
        with pytest.raises(RunInterrupted):
            run(tmp_path / name, code="a", report=interrupt)
    told: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(tmp_path / "same", code="a", report=listen)
    assert told == [4, 6]
    told.clear()
    with pytest.warns(UserWarning, match="belongs to another run or to other trainer code"):
        run(tmp_path / "other", code="b", report=listen)
    assert told == [2, 4, 6]


def test_student_alone_touches_no_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the teacher was read")

    monkeypatch.setattr(teachers, "load_network", refuse)
    monkeypatch.setattr(teachers, "outputs_of_all", refuse)
    broken = tmp_path / "teacher.pt"
    broken.write_bytes(b"nothing a network could be read from")
    alone = run(tmp_path / "a")
    with_file = run(tmp_path / "b", teacher=broken, representation_weight=0, alpha=0.0, temperature=9.0)
    assert_same(alone, with_file)


def test_distillation_needs_and_uses_the_teacher(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(ValueError, match="needs a teacher"):
        run(tmp_path / "a", **DISTIL)
    alone = run(tmp_path / "b")
    for name, params in {"rep": {"representation_weight": 1.0}, "soft": {"alpha": 0.9}}.items():
        assert run(tmp_path / name, teacher=teacher, **params).curve["loss"] != alone.curve["loss"]


def test_student_training_leaves_the_teacher_as_it_was(tmp_path: Path, teacher: Path) -> None:
    bytes_before = teacher.read_bytes()
    teachers.TEACHERS.clear()
    seen: list[torch.nn.Module] = []
    load = teachers.load_network

    def watch(*arguments: Any) -> Any:
        seen.append(load(*arguments))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teachers, "load_network", watch)
        run(tmp_path, teacher=teacher, **DISTIL)
    assert teacher.read_bytes() == bytes_before
    saved = torch.load(teacher, weights_only=True)["state"]
    (network,) = seen
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_cached_teacher_equals_live_teacher(tmp_path: Path, teacher: Path) -> None:
    task = make()
    params = run_params(task, RunRequest("student", DISTIL, 0))
    cached = teachers.find_teacher(task, RunRequest("student", DISTIL, 0, teacher), params, "cpu")
    assert cached is not None
    data = dataset(task, "teacher", "cpu")
    live = teachers.load_network(task, teacher, data.classes).eval()
    clips = data.train[torch.randperm(len(data.train))[:12]]
    with torch.no_grad():
        want = live(data.inputs[clips])
    assert torch.allclose(cached(clips).codes, want.codes, rtol=0, atol=1e-6)
    assert torch.allclose(cached(clips).logits, want.logits, rtol=0, atol=1e-6)


def test_the_teachers_file_holds_its_chosen_epoch(tmp_path: Path) -> None:
    result = run(tmp_path, role="teacher")
    content = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert content["meta"]["epoch"] == result.epoch
    assert content["meta"]["objective"] == result.objective
    task = make()
    network = teachers.load_network(task, tmp_path / "weights.pt", 3)
    data = dataset(task, "teacher", "cpu")
    stepper = PlainStepper(network, None, data.inputs, None)  # type: ignore[arg-type]
    assert make_evaluate(task, data)(stepper, [0], [validated(data)])[0][0] == result.objective


def test_the_teacher_has_its_own_recipe(tmp_path: Path) -> None:
    task = make(teacher={"frames": 4, "width": 6, "learning_rate": 0.002, "epochs": 2})
    result = run(tmp_path, task, role="teacher")
    assert result.curve["learning_rate"] == [0.002]
    assert result.epochs == 2


def test_a_foreign_teacher_is_refused(tmp_path: Path, teacher: Path) -> None:
    (tmp_path / "t.pt").write_bytes(b"no teacher")
    with (
        pytest.warns(UserWarning, match="ignored"),
        pytest.raises(DataError, match=r"t\.pt: expected a teacher's weights"),
    ):
        run(tmp_path / "a", teacher=tmp_path / "t.pt", **DISTIL)
    with pytest.raises(DataError, match="does not fit this task's teacher"):
        run(tmp_path / "b", make(teacher={"frames": 4, "width": 5}), teacher=teacher, **DISTIL)


@pytest.mark.parametrize("rate", [math.nan, math.inf, 1e30])
def test_divergence_is_a_result_at_chance(tmp_path: Path, rate: float) -> None:
    task = make()
    result = run(tmp_path, task, learning_rate=rate)
    assert result.state == "diverged"
    assert result.objective == task.chance
    assert result.score == task.chances[1]
    assert set(result.scores.values()) == {result.score}
    assert result.weights is None


def test_student_frames_are_every_kth_of_the_teachers(tmp_path: Path) -> None:
    task = make(teacher={"frames": 8, "width": 6})
    clips = TinyData().load(8)
    teacher, student = (dataset(task, role, "cpu") for role in ("teacher", "student"))
    assert teacher.inputs.shape == (60, 8, 60)
    want = ENCODERS["pose_conv"].prepare(clips.inputs[:, [0, 4]])
    assert torch.equal(student.inputs, want)


def test_objective_reads_validation_and_score_reads_test(tmp_path: Path) -> None:
    task = make()
    data = dataset(task, "student", "cpu")
    codes = torch.nn.functional.one_hot(data.labels, 8).float() * 2 - 1
    codes[data.query] = -codes[data.query]  # test queries look like anything but their class

    class Given:
        def outputs(self, slots: list[int], clips: torch.Tensor) -> HashingOutput:
            return HashingOutput(codes[None, clips], codes[None, clips])

    ((objective, score, _queries),) = make_evaluate(task, data)(Given(), [0], [validated(data)])  # type: ignore[arg-type]
    assert objective == 1
    assert score < 0.6


def test_validation_queries_are_searched_in_the_train_part_and_not_among_themselves(tmp_path: Path) -> None:
    workload = make().make_workload("student", "cpu")
    data, part = dataset(make(), "student", "cpu"), workload.validation
    # Codes that know nothing but which clip it is: a query that stood in its own base would find itself.
    codes = torch.randn(len(data.labels), 8, generator=torch.Generator().manual_seed(0))

    class Given:
        def outputs(self, slots: list[int], clips: torch.Tensor) -> HashingOutput:
            return HashingOutput(codes[None, clips], codes[None, clips])

    relevant = data.labels[data.validation].unsqueeze(1) == data.labels[data.train]
    want = mean_average_precision(codes[data.validation], codes[data.train], relevant)
    ((objective, score, _),) = workload.evaluate()(Given(), [0], [part])  # type: ignore[arg-type]
    assert objective == pytest.approx(float(want))
    relevant = data.labels[data.query].unsqueeze(1) == data.labels[data.database]
    assert score == pytest.approx(float(mean_average_precision(codes[data.query], codes[data.database], relevant)))
    assert set(data.validation.tolist()).isdisjoint(data.train.tolist())
    assert set(data.query.tolist()).isdisjoint(data.database.tolist())


def test_skip_zero_loss_leaves_the_weights_where_no_batch_has_a_loss(tmp_path: Path) -> None:
    # Two clips make no triplet, so that each batch's loss is exactly 0; weight decay would still move the weights.
    params = {"classification_weight": 0.0, "triplet_weight": 1.0}
    plain, quirky = make(batch=2, epochs=2), make(batch=2, epochs=2, quirks="skip_zero_loss")
    want = build_seeded(0, lambda: plain.build("student", 3)).named_parameters()
    initial = {name: value.detach() for name, value in want}
    kept = run(tmp_path / "quirk", quirky, **params)
    moved = run(tmp_path / "plain", plain, **params)
    assert kept.curve["loss"] == moved.curve["loss"] == [0.0]
    assert all(torch.equal(state(kept)[name], value) for name, value in initial.items())
    assert not all(torch.equal(state(moved)[name], value) for name, value in initial.items())


def test_skip_zero_loss_changes_nothing_where_every_batch_has_a_loss(tmp_path: Path) -> None:
    quirky = run(tmp_path / "quirk", make(quirks="skip_zero_loss"))
    assert quirky.curve == run(tmp_path / "plain", make()).curve


QUIRK_CASES = ["triplet_per_sample_repeat", "plateau_on_running_best", "teacher_train_mode", "stable_ties"]


@pytest.mark.parametrize("quirk", QUIRK_CASES)
def test_each_quirk_changes_the_run_and_only_when_asked(tmp_path: Path, teacher: Path, quirk: str) -> None:
    options: dict[str, Any] = {"epochs": 24, "evaluate_every": 1} if quirk == "plateau_on_running_best" else {}
    params = DISTIL | {"triplet_weight": 1.0, "patience": 0}
    plain = run(tmp_path / "plain", make(**options), teacher=teacher, **params)
    quirky = run(tmp_path / "quirk", make(quirks=(quirk,), **options), teacher=teacher, **params)
    assert plain.curve != quirky.curve


def test_best_epoch_on_test_changes_the_score_but_never_the_objective(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 12, "evaluate_every": 1}
    heard: list[float] = []
    task = make(**options, quirks=("best_epoch_on_test",))
    quirky = run(tmp_path / "quirk", task, report=lambda epoch, objective: heard.append(objective))
    plain = run(tmp_path / "plain", make(**options))
    assert quirky.curve == plain.curve
    best = max(range(12), key=lambda i: quirky.curve["score"][i])
    assert best + 1 != plain.epoch, "the two rules choose different epochs, or this test shows nothing"
    assert quirky.epoch == best + 1
    assert quirky.score == quirky.scores["best_on_test"] == quirky.curve["score"][best]
    assert quirky.objective == plain.objective == max(quirky.curve["objective"])
    assert quirky.scores == plain.scores
    assert heard == quirky.curve["objective"]
    assert quirky.weights is not None
    meta = torch.load(quirky.weights, weights_only=True)["meta"]
    assert (meta["epoch"], meta["objective"]) == (best + 1, quirky.curve["objective"][best])
    data = dataset(task, "student", "cpu")
    network = task.build("student", data.classes)
    network.load_state_dict(state(quirky))
    stepper = PlainStepper(network, None, data.inputs, None)  # type: ignore[arg-type]
    assert make_evaluate(task, data)(stepper, [0], [validated(data)])[0][:2] == (
        quirky.curve["objective"][best],
        quirky.score,
    )


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's /proc/self/clear_refs")
def test_peak_memory_is_the_runs_own(tmp_path: Path) -> None:
    def allocate(epoch: int, objective: float) -> None:
        torch.ones(size // 8, dtype=torch.float64)

    size = 400 << 20
    run(tmp_path / "first")  # loads all that a first run loads
    before = run(tmp_path / "before").peak_memory
    large = run(tmp_path / "large", report=allocate).peak_memory
    after = run(tmp_path / "after").peak_memory
    assert large > before + size // 2
    assert after < large - size // 2
