"""A teacher of averaged weights (Izmailov et al. 2018): constant rate, mean over the second half of its epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from kdsearch.data.folds import Fold
from kdsearch.tasks.alone import one_run
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.bench import initial_network
from kdsearch.tasks.bench import make_member
from kdsearch.tasks.bench import run_params
from kdsearch.training.files import save_atomically
from kdsearch.training.loop import serve
from kdsearch.training.members import Alone
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.schedules import StepDecay
from kdsearch.training.steppers import PlainStepper
from kdsearch.training.steppers import draw


def train_averaged(task: Any, seed: int, fold: Fold, folder: Path) -> tuple[Path, float]:
    """The file of the averaged weights, and their metric on the test part; batch norm's statistics are taken anew."""
    request, place = RunRequest("teacher", dict(task.parameters), seed, fold=fold), folder / "averaged"
    place.mkdir()
    params, bench = run_params(task, request), task.bench("teacher", "cpu", fold)
    model = initial_network(bench, request, params)
    stepper = PlainStepper(
        model,
        make_optimizer(task.optimizer_of("teacher"), model.parameters(), float(params["weight_decay"])),
        bench.feed(torch.float32),
        one_run(bench.terms(1, torch.float32), bench.numbers(request, params)),
    )
    total: dict[str, torch.Tensor] = {}
    count, first = 0, task.epochs_of("teacher") // 2

    def report(epoch: int, objective: float) -> None:
        nonlocal count
        if epoch > first:
            count += 1
            for name, value in model.state_dict().items():
                total[name] = total.get(name, torch.zeros_like(value)) + value

    member = make_member(task, bench, request, RunContext(place, report=report), params)
    member.schedule = StepDecay(float(params["learning_rate"]), milestones=())
    serve(stepper, bench.evaluate(), Alone(member))
    floating = {name: value / count for name, value in total.items() if value.is_floating_point()}
    model.load_state_dict({**model.state_dict(), **floating})
    _statistics_anew(model, stepper, bench, task.batch)
    path = place / "averaged.pt"
    save_atomically({"format": 1, "meta": {"role": "teacher"}, "state": model.state_dict()}, path)
    return path, float(bench.evaluate()(stepper, [0], [bench.validation])[0][1])


def _statistics_anew(model: nn.Module, stepper: PlainStepper, bench: Any, batch: int) -> None:
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    model.train()
    with torch.no_grad():
        for clips in torch.split(bench.train, batch):
            if len(clips) > 1:
                samples = draw(stepper.feed, clips.unsqueeze(0), stepper.views)[0]
                model(stepper.feed.take(samples, stepper.device))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
