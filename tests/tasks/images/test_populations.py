"""Members of a population of image tasks equal the runs alone in float64, whatever their numbers and views."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.data.folds import FIRST, Fold
from kdsearch.models.classifiers.pretrained import Pretrained, freeze
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.tasks.base import Layout, RunContext, RunRequest
from kdsearch.tasks.images.task import ImageTask
from kdsearch.tasks.runner import Form, StudentPopulation, make_member, run_params
from kdsearch.training.loop import train_one
from kdsearch.training.members import Member
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from tests.tasks.images.data import TinyImages
from tests.tasks.images.helpers import TASKS, classification, meta, train_teacher

EXACT = 1e-12
FORMS = pytest.mark.parametrize("form", ["vmapped", "looped"])

RUNS: dict[str, list[dict[str, Any]]] = {
    "classification": [
        {"alpha": 0.0},
        {"alpha": 0.6, "temperature": 3.0, "learning_rate": 3e-3},
        {"alpha": 1.0, "mode": "mse", "temperature": 2.0},
    ],
    "mutual": [
        {"mutual_weight": 0.0},
        {"mutual_weight": 0.7, "temperature": 2.0},
        {"mutual_weight": 1.0, "weight_decay": 1e-2},
    ],
    "transfer": [
        {"alpha": 0.0},
        {"alpha": 0.3, "temperature": 2.0},
        {"alpha": 1.0, "auxiliary": "kd"},
        {"alpha": 0.5, "auxiliary": "focal", "temperature": 2.0},
    ],
}


@dataclass(frozen=True)
class Uneven(TinyImages):
    """72 listed images in three folds of 12, 25 and 35: epochs of 3, 3 and 2 batches of 20."""

    folds: int = 3

    def parts(self, fold: Fold = FIRST) -> Any:
        parts = super().parts()
        listed = np.concatenate([parts.train, parts.validation])
        own = np.split(listed, [12, 37])[fold.number]
        parts.train, parts.validation = np.setdiff1d(listed, own), own
        return parts


class Queue:
    """Members that are all there."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.waiting = list(members)

    def claim(self, free: int) -> Sequence[Member]:
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, members: Sequence[Member]) -> None:
        pass


def written_out(task: ImageTask, params: dict[str, Any], labels: Tensor, said: Any) -> Callable[[Any, Tensor], Tensor]:
    """The documented sum for a bare batch, by torch's own losses: nothing of how members are stacked."""
    temperature = float(params["temperature"])

    def soft(own: Tensor, target: Tensor) -> Tensor:
        wanted = torch.softmax(target.double() / temperature, -1)
        return -(wanted * torch.log_softmax(own / temperature, -1)).sum(-1).mean() * temperature**2

    def classify(outputs: Any, samples: Tensor) -> Tensor:
        alpha, own = params["alpha"], outputs.logits
        total = (1 - alpha) * F.cross_entropy(own, labels(samples))
        if alpha and params["mode"] == "cse":
            total = total + alpha * soft(own, said(samples))
        if alpha and params["mode"] == "mse":
            p, q = (torch.softmax(z / temperature, -1) for z in (own, said(samples).double()))
            total = total + alpha * F.mse_loss(p, q) / 2 * temperature**2
        return total

    def mutual(outputs: Any, samples: Tensor) -> Tensor:
        peers = outputs.logits.unbind(1)
        total = sum(F.cross_entropy(own, labels(samples)) for own in peers)
        for i, own in enumerate(peers):
            for j, other in enumerate(peers):
                if i != j:
                    p, q = other.detach() / temperature, own / temperature
                    term = F.kl_div(q.log_softmax(1), p.log_softmax(1), reduction="batchmean", log_target=True)
                    total = total + params["mutual_weight"] / (len(peers) - 1) * temperature**2 * term
        return total

    def transfer(outputs: Any, samples: Tensor) -> Tensor:
        total, alpha = F.cross_entropy(outputs.logits, labels(samples)), params["alpha"]
        if alpha and params["auxiliary"] == "ce":
            total = total + alpha * soft(outputs.auxiliary, said(samples))
        if alpha and params["auxiliary"] == "kd":
            p = torch.softmax(said(samples).double() / temperature, -1)
            q = torch.log_softmax(outputs.auxiliary / temperature, -1)
            total = total + alpha * temperature**2 * F.kl_div(q, p, reduction="mean")
        if alpha and params["auxiliary"] == "focal":
            p = torch.softmax(said(samples).double() / temperature, -1)
            q = torch.softmax(outputs.auxiliary, -1)
            total = total - alpha * (p * (1 - q) ** 2 * (q + 1e-20).log()).sum(-1).mean()
        return total

    return {"image_classification": classify, "mutual_learning": mutual, "transfer": transfer}[task.kind]


def alone(task: ImageTask, request: RunRequest, workspace: Path) -> Member:
    """The run by itself in float64: one module, torch's optimizer, torch's losses."""
    params, workload = run_params(task, request), task.make_workload("student", "cpu", request.fold)
    numbers = workload.loss_weights(request, params)
    said = getattr(numbers, "teacher", None) or getattr(numbers, "sources", None)
    feed = workload.feed(torch.float64)
    model = build_seeded(request.seed, workload.build).double()
    optimizer = make_optimizer(task.optimizer, model.parameters(), float(params["weight_decay"]))
    loss = written_out(task, params, lambda samples: workload.data.labels[feed.clips(samples)], said)
    stepper = PlainStepper(model, optimizer, feed, loss)
    member = make_member(task, workload, request, RunContext(workspace, keep_weights=True), params)
    train_one(stepper, workload.evaluate(), member)
    return member


@FORMS
@pytest.mark.parametrize("name", list(RUNS))
def test_members_of_several_folds_are_the_runs_alone(tmp_path: Path, name: str, form: Form) -> None:
    task = TASKS[name](epochs=2, optimizer="sgd").with_options(data=Uneven())
    runs = []
    for seed, params in enumerate(RUNS[name]):
        fold = Fold(0, seed % 3)
        # Its teacher knows the clips of its own fold alone.
        teacher = train_teacher(task, tmp_path / f"teacher{seed}", fold)
        runs.append(RunRequest("student", params, seed, teacher, fold))
    population = StudentPopulation(task, "cpu", 4, form, torch.float64)
    members = [population.member(row, RunContext(tmp_path / f"m{i}", keep_weights=True)) for i, row in enumerate(runs)]
    assert len({len(member.recipe.clips) for member in members}) == 3
    population.train_all(Queue(members).claim)
    for i, (member, row) in enumerate(zip(members, runs, strict=True)):
        want = alone(task, row, tmp_path / f"a{i}")
        for column in ("objective", "score", "loss"):
            assert member.progress.curve[column] == pytest.approx(want.progress.curve[column], rel=EXACT, abs=EXACT)


@FORMS
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", list(RUNS))
def test_member_equals_alone(tmp_path: Path, name: str, form: Form, optimizer: str) -> None:
    task = TASKS[name](epochs=4, optimizer=optimizer)
    teacher = train_teacher(task, tmp_path / "teacher")
    requests = [RunRequest("student", params, seed, teacher) for seed, params in enumerate(RUNS[name])]
    # Two slots for three runs: the last begins where another ended.
    population = StudentPopulation(task, "cpu", 2, form, torch.float64)
    members = [
        population.member(request, RunContext(tmp_path / f"m{i}", keep_weights=True))
        for i, request in enumerate(requests)
    ]
    population.train_all(Queue(members).claim)
    for i, (member, request) in enumerate(zip(members, requests, strict=True)):
        want = alone(task, request, tmp_path / f"a{i}")
        assert member.progress.curve["epoch"] == want.progress.curve["epoch"]
        for column in ("objective", "score", "loss"):
            assert member.progress.curve[column] == pytest.approx(want.progress.curve[column], rel=EXACT, abs=EXACT)
        for key, value in want.progress.best_weights.items():
            if optimizer == "adam" and re.search(r"(convolutions\.\d\.bias|running_mean)$", key):
                continue  # the norm behind takes it away: its gradient is rounding, which Adam makes as large as any
            torch.testing.assert_close(member.progress.best_weights[key], value, rtol=EXACT, atol=EXACT)


@FORMS
def test_a_tuned_member_in_resized_crops_equals_alone(tmp_path: Path, form: Form) -> None:
    """What is frozen stays in every slot; Nesterov's momentum; views that no table holds."""
    weights = tmp_path / "w.pth"
    network = CLASSIFIERS["resnet18"].build(9, 4)
    torch.save(cast("Pretrained", network).layout().state_dict(), weights)
    task = classification(
        student={"network": "resnet18", "width": 4, "weights": str(weights), "tune_from": 4},
        augment="resized-crop",
        optimizer="sgd-nesterov",
        epochs=2,
    )
    teacher = train_teacher(task, tmp_path / "teacher")
    params = [{"alpha": 0.0}, {"alpha": 0.6, "learning_rate": 3e-3}, {"alpha": 0.5, "mode": "mse"}]
    requests = [RunRequest("student", given, seed, teacher) for seed, given in enumerate(params)]
    population = StudentPopulation(task, "cpu", 2, form, torch.float64)
    members = [
        population.member(request, RunContext(tmp_path / f"m{i}", keep_weights=True))
        for i, request in enumerate(requests)
    ]
    population.train_all(Queue(members).claim)
    kept = network.state_dict()
    for i, (member, request) in enumerate(zip(members, requests, strict=True)):
        want = alone(task, request, tmp_path / f"a{i}")
        assert member.progress.curve["loss"] == pytest.approx(want.progress.curve["loss"], rel=EXACT, abs=EXACT)
        moved = set()
        for key, value in want.progress.best_weights.items():
            torch.testing.assert_close(member.progress.best_weights[key], value, rtol=EXACT, atol=EXACT)
            own = key.startswith("classify") or "running" in key or "num_batches" in key
            if not own and not torch.equal(value.float(), kept[key]):
                moved.add(key.split(".")[0])
        assert moved == {"layer4"}


@FORMS
def test_a_member_that_begins_anew_from_its_best_epoch_equals_alone(
    tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = classification(epochs=5, optimizer="sgd")
    requests = [RunRequest("student", {"learning_rate": 0.1}, seed) for seed in (0, 3)]
    without = [alone(goes_on, request, tmp_path / f"w{i}").progress.curve for i, request in enumerate(requests)]
    assert all(curve["objective"][2] < max(curve["objective"][:2]) for curve in without), "an earlier epoch is better"
    monkeypatch.setattr(ImageTask, "restarts_of", lambda self, role: (3,))
    task = classification(epochs=5, optimizer="sgd")
    population = StudentPopulation(task, "cpu", 2, form, torch.float64)
    members = [population.member(request, RunContext(tmp_path / f"m{i}")) for i, request in enumerate(requests)]
    population.train_all(Queue(members).claim)
    for i, (member, request) in enumerate(zip(members, requests, strict=True)):
        want = alone(task, request, tmp_path / f"a{i}").progress.curve["loss"]
        assert member.progress.curve["loss"] == pytest.approx(want, rel=EXACT, abs=EXACT)
        assert want[:3] == without[i]["loss"][:3]
        assert want[3] != without[i]["loss"][3]


def test_held_layers_are_checked_exactly_and_shared_by_all(tmp_path: Path) -> None:
    network = CLASSIFIERS["resnet18"].build(3, 4)
    freeze(cast("Pretrained", network).parts_before(4))
    rows = StackedParameters(network, 2)
    with torch.no_grad():
        rows.weights[1] += 0.01 * torch.randn_like(rows.weights[1])
    x = torch.randn(2, 4, 3, 32, 32)
    assert check(network, rows.views(), rows.buffers, x) is None
    seen: list[torch.dtype] = []
    network.conv1.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))  # type: ignore[operator, union-attr]
    check(network, rows.views(), rows.buffers, x)
    assert set(seen) == {torch.float64}, "not the coarse check of a network whose code fixes its dtype"
    other = {name: value + (name == "conv1.weight") for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"conv1\.weight is frozen, so that all members share it"):
        rows.put(0, other)


def test_alpha_0_is_plain_cross_entropy_bit_for_bit(tmp_path: Path) -> None:
    task = classification(epochs=3)
    workload = task.make_workload("student", "cpu")
    request = RunRequest("student", {}, 7)
    params = run_params(task, request)
    model = build_seeded(7, workload.build)
    feed = workload.feed(torch.float32)

    def plain(outputs: Any, samples: Tensor) -> Tensor:
        return -torch.log_softmax(outputs.logits, -1)[torch.arange(len(samples)), labels[feed.clips(samples)]].mean()

    labels = workload.data.labels  # type: ignore[attr-defined]
    stepper = PlainStepper(model, make_optimizer("adam", model.parameters(), 0.0), feed, plain)
    member = make_member(task, workload, request, RunContext(tmp_path / "a", keep_weights=True), params)
    train_one(stepper, workload.evaluate(), member)
    found = task.train(request, RunContext(tmp_path / "b", keep_weights=True))
    assert found.weights is not None
    kept = torch.load(found.weights, weights_only=True)["state"]
    assert found.curve["loss"] == member.progress.curve["loss"]
    assert all(torch.equal(kept[key], value) for key, value in member.progress.best_weights.items())


def test_what_a_teacher_said_of_a_view_is_what_it_says(tmp_path: Path) -> None:
    task = classification(epochs=3)
    teacher = train_teacher(task, tmp_path)
    workload = task.make_workload("student", "cpu")
    request = RunRequest("student", {"alpha": 0.5}, 0, teacher)
    cached = workload.loss_weights(request, run_params(task, request)).teacher
    feed = workload.feed(torch.float32)
    from kdsearch.training.steppers import Views

    seen: set[int] = set()
    for epoch in (1, 2, 1):
        views = Views.of([5, 6], [epoch] * 2, torch.device("cpu"))
        samples = feed.draw(workload.train[:20].expand(2, -1), *views)
        seen |= set(samples.flatten().tolist())
        network = task.network("teacher").build(3, pretrained=False)
        network.load_state_dict(torch.load(teacher, weights_only=True)["state"])
        with torch.no_grad():
            want = network.eval()(feed.take(samples.flatten(), torch.device("cpu"))).logits
        torch.testing.assert_close(cached(samples).flatten(0, 1), want, rtol=1e-5, atol=1e-5)
    assert int(cached.known.sum()) == len(seen), "each view is asked for once"
    small = type(cached)(cached.compute, cached.space, 3, limit=10)
    torch.testing.assert_close(small(samples), cached(samples))
    assert not small.kept


def test_meta_auxiliary_runs_one_by_one() -> None:
    task = meta()
    assert task.layouts("cpu") == [Layout(1)]
    assert not task.trains_together(RunRequest("student", {}, 0))


@pytest.mark.parametrize("name", list(RUNS))
def test_layouts_can_be_timed(name: str) -> None:
    task = TASKS[name]()
    assert len(task.layouts("cpu")) > 1
    for layout in (Layout(1), Layout(2, "looped"), Layout(2, "vmapped")):
        assert 0 < task.seconds_a_step(layout, "cpu") < 60
    assert task.population_key("cpu") != TASKS[name](batch=21).population_key("cpu")
