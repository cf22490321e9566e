"""Meta auxiliary learning at work: data, the two networks, metric, and how a run is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import RunInterrupted
from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.images.workload import ImageBench, image_set
from kdsearch.tasks.runner import make_result
from kdsearch.tasks.workload import initial_network, make_member, run_params
from kdsearch.training.loop import serve
from kdsearch.training.maxl_stepper import MetaAuxiliaryStepper, MetaNumbers, Pair
from kdsearch.training.members import Alone
from kdsearch.training.memory import reset_peak_memory

if TYPE_CHECKING:
    from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary


@dataclass(frozen=True)
class MetaAuxiliaryBench(ImageBench):
    """Images, networks and metric of one task on one device."""

    task: MetaAuxiliary

    @staticmethod
    def of(task: MetaAuxiliary, device: str, fold: Fold = FIRST) -> MetaAuxiliaryBench:
        """The bench with the task's images, which this process keeps."""
        return MetaAuxiliaryBench(image_set(task.data, task.size, device, fold), "student", device, task)

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
    params, bench = run_params(task, request), task.bench(request.role, context.device, request.fold)
    numbers = MetaNumbers(*(float(params[name]) for name in MetaNumbers._fields))
    pair = cast("Pair", initial_network(bench, request, params).to(context.device))
    feed = bench.feed(torch.float32)
    stepper = MetaAuxiliaryStepper(pair, feed, bench.data.labels, bench.subclasses, numbers)
    member = make_member(task, bench, request, context, params)
    serve(stepper, bench.evaluate(), Alone(member))
    if member.interrupted:
        raise RunInterrupted
    return make_result(task, request, context, member.recipe, member.progress)
