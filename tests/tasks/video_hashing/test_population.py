"""A member of a population is the run alone: in any slot, refilled, resumed, beside one that diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.data.folds import Fold
from kdsearch.distillation.triplet import triplet_mean
from kdsearch.errors import RunInterrupted
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.tasks.base import RunContext, RunRequest
from kdsearch.tasks.runner import Form, StudentPopulation, make_member, run_params
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.task import DEFAULTS, VideoHashing
from kdsearch.tasks.video_hashing.teacher import find_teacher
from kdsearch.tasks.video_hashing.workload import loss_weights
from kdsearch.training.loop import batch_sizes, train_one
from kdsearch.training.members import Member
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from tests.tasks.video_hashing.data import drawn

EXACT = 1e-12
RUNS: list[dict[str, Any]] = [
    {"params": {"learning_rate": 1e-3, "patience": 1}, "seed": 1},
    {"params": {"representation_weight": 2.0, "learning_rate": 3e-3, "weight_decay": 1e-2}, "seed": 2},
    {"params": {"alpha": 0.7, "temperature": 3.0, "triplet_weight": 0.0}, "seed": 3},
    {"params": {"alpha": 0.3, "temperature": 8.0, "representation_weight": 0.5, "patience": 2}, "seed": 4},
    {"params": {"triplet_weight": 0.2}, "seed": 4},
]


class Queue:
    """A source of runs that are there from the beginning."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.waiting = list(members)
        self.boundaries: list[int] = []

    def claim(self, free: int) -> Sequence[Member]:
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, members: Sequence[Member]) -> None:
        self.boundaries.append(len(members))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    result = drawn(folder, epochs=1).train(RunRequest("teacher", {}, 9), RunContext(folder))
    assert result.weights is not None
    return result.weights


def context(workspace: Path, report: Any = lambda epoch, objective: None) -> RunContext:
    return RunContext(workspace, keep_weights=True, report=report)


def weighted_sum(
    given: VideoHashing, params: dict[str, Any], labels: Tensor, teacher: Callable[[Tensor], HashingOutput] | None
) -> Callable[[HashingOutput, Tensor], Tensor]:
    """The documented sum, term by term, in plain numbers: nothing of how members are stacked."""

    classification, alpha, temperature = params["classification_weight"], params["alpha"], params["temperature"]
    repeat = "triplet_per_sample_repeat" in given.quirks

    def loss(outputs: HashingOutput, clips: Tensor) -> Tensor:
        total = outputs.codes.new_zeros(())
        if weight := params["triplet_weight"]:
            triplet = triplet_mean(outputs.codes, labels[clips], given.margin, per_sample_repeat=repeat)
            total = total + weight * triplet
        if weight := classification * (1 - alpha):
            total = total + weight * F.cross_entropy(outputs.logits, labels[clips])
        if weight := params["representation_weight"]:
            assert teacher is not None
            total = total + weight * F.mse_loss(outputs.codes, teacher(clips).codes.double())
        if weight := classification * alpha * temperature**2:
            assert teacher is not None
            target = torch.softmax(teacher(clips).logits.double() / temperature, 1)
            own = torch.log_softmax(outputs.logits / temperature, 1)
            total = total + weight * F.kl_div(own, target, reduction="batchmean")
        return total

    return loss


def alone(
    given: VideoHashing, request: RunRequest, workspace: Path, report: Any = lambda epoch, objective: None
) -> Member:
    """The run by itself in float64: one module, torch's optimizer."""
    params, data = run_params(given, request), dataset(given, "student", "cpu", request.fold)
    taught = find_teacher(given, request, params, "cpu")
    model = build_seeded(request.seed, lambda: given.build("student", data.classes)).double()
    stepper = PlainStepper(
        model,
        make_optimizer(given.optimizer, model.parameters(), float(params["weight_decay"])),
        data.inputs.double(),
        weighted_sum(given, params, data.labels, taught),
        skip_zero_loss="skip_zero_loss" in given.quirks,
    )
    workload = given.make_workload("student", "cpu", request.fold)
    member = make_member(given, workload, request, context(workspace, report), params)
    train_one(stepper, workload.evaluate(), member)
    return member


def requests(teacher: Path, runs: Sequence[dict[str, Any]] = RUNS) -> list[RunRequest]:
    return [RunRequest("student", row["params"], row["seed"], teacher) for row in runs]


def same(found: Member, wanted: Member) -> None:
    assert found.progress.curve["epoch"] == wanted.progress.curve["epoch"]
    assert found.progress.curve["learning_rate"] == wanted.progress.curve["learning_rate"]
    for name in ("objective", "score", "loss"):
        assert found.progress.curve[name] == pytest.approx(wanted.progress.curve[name], rel=EXACT, abs=EXACT)
    for name, value in wanted.progress.best_weights.items():
        torch.testing.assert_close(found.progress.best_weights[name], value, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("form", ["vmapped", "looped"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_each_member_is_the_run_alone_also_in_a_slot_filled_anew(
    tmp_path: Path, teacher: Path, form: Form, optimizer: str
) -> None:
    given = drawn(tmp_path, optimizer=optimizer)
    population = StudentPopulation(given, "cpu", 2, form, torch.float64)
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(requests(teacher))]
    queue = Queue(members)
    population.train_all(queue.claim, queue.ended)
    assert sum(queue.boundaries) == len(RUNS)
    for i, row in enumerate(requests(teacher)):
        wanted = alone(given, row, tmp_path / f"a{i}")
        assert wanted.progress.epoch == members[i].progress.epoch > 1
        same(members[i], wanted)


FOLDS = [Fold(0, 1), Fold(0, 4), Fold(7, 2), Fold(0, 1), Fold(3, 0)]


@pytest.mark.parametrize("batch", [40, 57])
@pytest.mark.parametrize("form", ["vmapped", "looped"])
def test_members_of_several_folds_are_the_runs_alone(tmp_path: Path, form: Form, batch: int) -> None:
    given = drawn(tmp_path, batch=batch)
    files = {}
    for fold in set(FOLDS):
        place = tmp_path / f"teacher{fold.partition}-{fold.number}"
        place.mkdir()
        files[fold] = given.train(RunRequest("teacher", {}, 9, fold=fold), RunContext(place)).weights
    runs = [RunRequest("student", row["params"], row["seed"], files[f], f) for row, f in zip(RUNS, FOLDS, strict=True)]
    population = StudentPopulation(given, "cpu", 4, form, torch.float64)
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(runs)]
    counts = {len(member.recipe.clips) for member in members}
    assert len(counts) > 2, "the folds' last batches differ"
    steps = {len(batch_sizes(count, batch)) for count in counts}
    assert (len(steps) > 1) == (batch == 57), "and of 57 in their number; one of them leaves a clip over"
    population.train_all(Queue(members).claim)
    for i, row in enumerate(runs):
        same(members[i], alone(given, row, tmp_path / f"a{i}"))


def test_members_of_several_folds_are_evaluated_in_one_forward(tmp_path: Path) -> None:
    given, asked = drawn(tmp_path, epochs=1), []
    population = StudentPopulation(given, "cpu", 4, "looped")
    outputs = population.stepper.outputs
    population.stepper.outputs = lambda slots, clips: asked.append(slots) or outputs(slots, clips)  # type: ignore
    folds = [Fold(0, 1), Fold(0, 2), Fold(0, 1), Fold(0, 3)]
    rows = [RunRequest("student", {}, seed, fold=fold) for seed, fold in enumerate(folds)]
    population.train_all(
        Queue([population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]).claim
    )
    assert asked == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("form", "forwards"), [("vmapped", 1), ("looped", 3)])
def test_stacked_members_take_one_forward_a_step_and_looped_ones_one_each(
    tmp_path: Path, form: Form, forwards: int
) -> None:
    given, training = drawn(tmp_path, epochs=1), list[bool]()
    population = StudentPopulation(given, "cpu", 3, form)
    population.stepper.skeleton.register_forward_pre_hook(lambda network, inputs: training.append(network.training))
    rows = [RunRequest("student", {}, seed) for seed in range(3)]
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    population.train_all(Queue(members).claim)
    steps = math.ceil(len(members[0].recipe.clips) / given.batch)
    assert training.count(True) == forwards * steps > 1


@pytest.mark.parametrize("form", ["vmapped", "looped"])
def test_free_slots_are_not_computed(tmp_path: Path, teacher: Path, form: Form) -> None:
    given = drawn(tmp_path, epochs=3, evaluate_every=3)
    population = StudentPopulation(given, "cpu", 4, form, torch.float64)
    computed, forward = [], population.stepper.forward

    def watched(views: Any, buffers: Any, inputs: Any, **how: Any) -> Any:
        if population.stepper.skeleton.training:
            computed.append(len(inputs))
        return forward(views, buffers, inputs, **how)

    population.stepper.forward = watched
    rows = requests(teacher, RUNS[:3])
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    members[1].recipe = replace(members[1].recipe, epochs=1)
    population.train_all(Queue(members).claim)
    steps = math.ceil(len(members[0].recipe.clips) / given.batch)
    assert computed == [3] * steps + [2] * 2 * steps
    for i in (0, 2):
        same(members[i], alone(given, rows[i], tmp_path / f"a{i}"))
    assert members[1].progress.epoch == 1


def test_members_of_several_teachers_each_hear_their_own(tmp_path: Path, teacher: Path) -> None:
    given = drawn(tmp_path, epochs=2)
    (tmp_path / "other").mkdir()
    other = given.with_options(epochs=1).train(RunRequest("teacher", {}, 10), RunContext(tmp_path / "other")).weights
    assert other is not None
    rows = [
        RunRequest("student", RUNS[1]["params"] | {"alpha": 0.4}, 2, teacher),
        RunRequest("student", RUNS[3]["params"], 4, other),
        RunRequest("student", {}, 5),
    ]
    population = StudentPopulation(given, "cpu", 3, "looped", torch.float64)
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    population.train_all(Queue(members).claim)
    for i, row in enumerate(rows):
        same(members[i], alone(given, row, tmp_path / f"a{i}"))


@pytest.mark.parametrize("quirks", [(), ("skip_zero_loss",)])
def test_a_run_of_no_terms_trains_on_when_the_others_have_ended(
    tmp_path: Path, teacher: Path, quirks: tuple[str, ...]
) -> None:
    nothing = {"params": {"triplet_weight": 0.0, "classification_weight": 0.0}, "seed": 5}
    given = drawn(tmp_path, epochs=3, evaluate_every=3, quirks=quirks)
    population = StudentPopulation(given, "cpu", 2, "looped", torch.float64)
    rows = requests(teacher, [nothing, RUNS[0]])
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    members[1].recipe = replace(members[1].recipe, epochs=1)
    population.train_all(Queue(members).claim)
    assert [member.progress.epoch for member in members] == [3, 1]
    initial = dict(build_seeded(5, given.make_workload("student", "cpu").build).named_parameters())
    for name, value in initial.items():
        assert torch.equal(members[0].progress.best_weights[name], value.double()), "no term moves it"
    (tmp_path / "alone").mkdir()
    by_itself = given.train(rows[0], context(tmp_path / "alone"))
    assert by_itself.weights is not None
    kept = torch.load(by_itself.weights, weights_only=True)["state"]
    assert all(torch.equal(kept[name], value) for name, value in initial.items())


def test_a_weight_without_a_teacher_is_refused() -> None:
    with pytest.raises(ValueError, match="given no teacher"):
        loss_weights(DEFAULTS | {"alpha": 0.5}, None)


@pytest.mark.parametrize("form", ["vmapped", "looped"])
def test_steps_without_loss_are_skipped_by_each_member_for_itself(tmp_path: Path, teacher: Path, form: Form) -> None:
    nothing = {"params": {"triplet_weight": 0.0, "classification_weight": 0.0}, "seed": 5}
    given = drawn(tmp_path, quirks=("skip_zero_loss",), epochs=2)
    population = StudentPopulation(given, "cpu", 2, form, torch.float64)
    rows = requests(teacher, [nothing, RUNS[0]])
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    before = {name: value.double() for name, value in members[0].initial_state.state.items()}
    population.train_all(Queue(members).claim)
    unmoved = members[0].progress.best_weights
    assert all(torch.equal(unmoved[name], before[name]) for name in population.stepper.rows.layout.names)
    same(members[1], alone(given, rows[1], tmp_path / "alone"))


@pytest.mark.parametrize("form", ["vmapped", "looped"])
def test_divergence_of_one_member_touches_no_other(tmp_path: Path, teacher: Path, form: Form) -> None:
    given = drawn(tmp_path)
    population = StudentPopulation(given, "cpu", 3, form, torch.float64)
    explodes = {"params": {"learning_rate": math.inf}, "seed": 6}
    rows = requests(teacher, [RUNS[0], explodes, RUNS[3], RUNS[1]])
    members = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows)]
    population.train_all(Queue(members).claim)
    assert [member.progress.diverged for member in members] == [False, True, False, False]
    for i in (0, 2, 3):
        same(members[i], alone(given, rows[i], tmp_path / f"a{i}"))


def test_an_interrupted_member_goes_on_in_another_slot_as_if_unbroken(tmp_path: Path, teacher: Path) -> None:
    given = drawn(tmp_path)

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 2:
            raise RunInterrupted

    population = StudentPopulation(given, "cpu", 2, "vmapped", torch.float64)
    first, second = requests(teacher, RUNS[1:3])
    cut = population.member(second, context(tmp_path / "cut", interrupt))
    whole = population.member(first, context(tmp_path / "whole"))
    population.train_all(Queue([whole, cut]).claim)
    assert cut.interrupted
    assert cut.progress.epoch == 2
    again = population.member(second, context(tmp_path / "cut"))
    population.train_all(Queue([again]).claim)
    same(again, alone(given, second, tmp_path / "a"))
    same(whole, alone(given, first, tmp_path / "b"))


@pytest.mark.parametrize("form", ["vmapped", "looped"])
def test_rates_that_a_plateau_reduces_are_those_of_the_run_alone_resumed_or_not(
    tmp_path: Path, teacher: Path, form: Form
) -> None:
    """Each member's rate falls at its own evaluation; one is cut right after that, and another slot takes it up."""
    given = drawn(tmp_path, epochs=8, reductions=2)
    runs = [
        {"params": {"learning_rate": 3e-2, "patience": own}, "seed": seed} for seed, own in ((1, 0), (2, 1), (3, 0))
    ]
    rows = requests(teacher, runs)
    want = [alone(given, row, tmp_path / f"a{i}") for i, row in enumerate(rows)]
    rates = [member.progress.curve["learning_rate"] for member in want]
    falls = [next(i for i, rate in enumerate(row) if rate < row[0]) for row in rates]
    assert len(set(falls)) == 3, "they fall at evaluations of their own"
    assert all(len(row) > fall + 1 for row, fall in zip(rates, falls, strict=True)), "and training goes on"

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == falls[0]:  # its rate is the reduced one from here on
            raise RunInterrupted

    population = StudentPopulation(given, "cpu", 2, form, torch.float64)
    first = population.member(rows[0], context(tmp_path / "m0", interrupt))
    others = [population.member(row, context(tmp_path / f"m{i}")) for i, row in enumerate(rows[1:], 1)]
    population.train_all(Queue([others[0], first, others[1]]).claim)
    assert first.interrupted
    again = population.member(rows[0], context(tmp_path / "m0"))
    population.train_all(Queue([again]).claim)
    for found, wanted in zip([again, *others], want, strict=True):
        same(found, wanted)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("first", ["alone", "together"])
def test_a_run_goes_on_from_its_checkpoint_in_the_other_way_of_training(
    tmp_path: Path, teacher: Path, optimizer: str, first: str
) -> None:
    given = drawn(tmp_path, optimizer=optimizer)
    (request,) = requests(teacher, RUNS[1:2])

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 2:
            raise RunInterrupted

    def together(report: Any = lambda epoch, objective: None) -> Member:
        population = StudentPopulation(given, "cpu", 2, "vmapped", torch.float64)
        member = population.member(request, context(tmp_path / "cut", report))
        population.train_all(Queue([member]).claim)
        return member

    if first == "alone":
        cut = alone(given, request, tmp_path / "cut", interrupt)
        again = together()
    else:
        cut = together(interrupt)
        again = alone(given, request, tmp_path / "cut")
    assert cut.interrupted
    assert cut.progress.epoch == 2
    same(again, alone(given, request, tmp_path / "whole"))


def test_a_teacher_that_answers_batches_trains_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one by one"):
        StudentPopulation(drawn(tmp_path, quirks=("teacher_train_mode",)), "cpu", 2, "vmapped")
