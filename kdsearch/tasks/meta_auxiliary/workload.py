"""Meta auxiliary learning at work: data, the two networks, metric, and how a run is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from kdsearch.errors import RunInterrupted
from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.images.workload import ImageWorkload
from kdsearch.tasks.runner import make_result
from kdsearch.tasks.workload import initial_network, make_member, run_params
from kdsearch.training.loop import train_all
from kdsearch.training.maxl_stepper import MetaAuxiliaryStepper, MetaNumbers, Pair
from kdsearch.training.members import SingleRun
from kdsearch.training.memory import reset_peak_memory

if TYPE_CHECKING:
    from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary


@dataclass(frozen=True)
class MetaAuxiliaryWorkload(ImageWorkload):
    """Images, networks and metric of one task on one device."""

    task: MetaAuxiliary

    @property
    def subclasses(self) -> tuple[int, ...]:
        """How many sub-classes each class has."""
        return (self.task.psi,) * self.data.classes

    def build(self) -> Pair:
        """The network, then its generator, drawn from torch's default generator."""
        options, classes = self.task.network, self.data.classes
        network = MultiTaskNetwork(options.build(classes), classes, self.subclasses)
        generator = LabelGenerator(options.build(classes), classes, self.subclasses)
        return Pair(network, generator)


def train(task: MetaAuxiliary, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``; see :meth:`MetaAuxiliary.train`."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    workload = MetaAuxiliaryWorkload(task, request.role, context.device, request.fold)
    numbers = MetaNumbers(*(float(params[name]) for name in MetaNumbers._fields))
    pair = cast("Pair", initial_network(workload, request, params).to(context.device))
    feed = workload.feed(torch.float32)
    stepper = MetaAuxiliaryStepper(pair, feed, workload.data.labels, workload.subclasses, numbers)
    member = make_member(task, workload, request, context, params)
    train_all(stepper, workload.evaluate(), SingleRun(member))
    if member.interrupted:
        raise RunInterrupted
    return make_result(task, request, context, member.recipe, member.progress)
