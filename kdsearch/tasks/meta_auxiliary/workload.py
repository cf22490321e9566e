"""Meta auxiliary learning at work: data, the two networks, metric, and how a run is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from typing_extensions import override

from kdsearch.errors import RunInterrupted
from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.images.workload import ImageWorkload
from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary
from kdsearch.tasks.runner import initial_network, make_member, make_result, run_params
from kdsearch.training.loop import train_one
from kdsearch.training.maxl_stepper import MetaAuxiliaryStepper, MetaParameters, Pair
from kdsearch.training.memory import reset_peak_memory


@dataclass(frozen=True)
class MetaAuxiliaryWorkload(ImageWorkload):
    """Images, networks and metric of one task on one device."""

    task: MetaAuxiliary

    @property
    def subclasses(self) -> tuple[int, ...]:
        """How many sub-classes each class has."""
        return (self.task.psi,) * self.data.classes

    @override
    def build(self) -> Pair:
        """The network, then its generator, drawn from torch's default generator."""
        options, classes = self.task.network("student"), self.data.classes
        network = MultiTaskNetwork(options.build(classes), classes, self.subclasses)
        generator = LabelGenerator(options.build(classes), classes, self.subclasses)
        return Pair(network, generator)


def train(task: MetaAuxiliary, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``, continuing a checkpoint found in its workspace."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    workload = MetaAuxiliaryWorkload(task, request.role, context.device, request.fold)
    searched = MetaParameters(*(float(params[name]) for name in MetaParameters._fields))
    pair = cast("Pair", initial_network(workload, request, params).to(context.device))
    feed = workload.feed(torch.float32)
    stepper = MetaAuxiliaryStepper(pair, feed, workload.data.labels, workload.subclasses, searched)
    member = make_member(task, workload, request, context, params)
    train_one(stepper, workload.evaluate(), member)
    if member.interrupted:
        raise RunInterrupted
    return make_result(task, request, context, member.recipe, member.progress)
