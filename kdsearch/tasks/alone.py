"""How one run is trained by itself: network, terms and metric of its bench under the common loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kdsearch.errors import RunInterrupted
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.bench import Trained
from kdsearch.tasks.bench import initial_network
from kdsearch.tasks.bench import make_member
from kdsearch.tasks.bench import run_params
from kdsearch.tasks.result import make_result
from kdsearch.training.averaging import finish
from kdsearch.training.loop import serve
from kdsearch.training.members import Alone
from kdsearch.training.memory import reset_peak_memory
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.stepper import MemberTerms
from kdsearch.training.recompute import recompute
from kdsearch.training.steppers import PlainStepper


def train(task: Trained, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``, continuing a checkpoint found in its workspace."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    bench = task.bench(request.role, context.device, request.fold)
    numbers = bench.numbers(request, params)
    model = initial_network(bench, request, params).to(context.device)
    if task.recompute:
        recompute(bench.blocks(model))
    stepper = PlainStepper(
        model,
        make_optimizer(task.optimizer_of(request.role), model.parameters(), float(params["weight_decay"])),
        bench.feed(torch.float32),
        one_run(bench.terms(1, torch.float32), numbers),
        skip_zero_loss="skip_zero_loss" in task.quirks,
        precision=task.precision,
        micro_batch=task.micro_batch,
    )
    member = make_member(task, bench, request, context, params)
    evaluate = bench.evaluate()
    serve(stepper, evaluate, Alone(member))
    if member.interrupted:
        raise RunInterrupted
    finish(stepper, evaluate, member)
    return make_result(task, request, context, member.recipe, member.progress)


def one_run(terms: MemberTerms, numbers: Any) -> Callable[[Any, Tensor], Tensor]:
    """The loss of a run that trains alone, of outputs ``[B, ...]`` for samples ``[B]``; ``terms`` have room for one."""
    terms.put(0, numbers)

    def loss(outputs: Any, samples: Tensor) -> Tensor:
        return terms(type(outputs)(*(value.unsqueeze(0) for value in outputs)), samples.unsqueeze(0)).squeeze(0)

    return loss
