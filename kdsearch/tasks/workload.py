"""What the common way of training asks of a task: its options, and a workload for one role on one device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from kdsearch.data.folds import FIRST, Fold
from kdsearch.tasks.base import VARY, Role, RunContext, RunRequest, Scalar, Task
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.files import file_hash
from kdsearch.training.members import Member, Recipe
from kdsearch.training.randomness import build_seeded, varied, views_key

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from kdsearch.training.feeds import Feed
    from kdsearch.training.members import Evaluate
    from kdsearch.training.population.stepper import MemberTerms
    from kdsearch.training.schedules import Schedule
    from kdsearch.training.steppers import Precision


class Networks(Protocol):
    """What a run begins with: its clips and its network."""

    @property
    def train(self) -> Tensor:
        """Indices of the clips that give gradients."""

    def build(self) -> nn.Module:
        """The network, drawn from torch's default generator."""


class Folded(Networks, Protocol):
    """What a run begins with, and what validates it."""

    @property
    def validation(self) -> Any:
        """What :meth:`Workload.evaluate` knows the fold by; always the same object."""


class Workload(Folded, Protocol):
    """One role of a task on one device: the data of one fold, and how its runs are made."""

    def evaluate(self) -> Evaluate:
        """Objective and score of the weights in some slots, of runs of any folds."""

    def feed(self, dtype: torch.dtype) -> Feed:
        """The dataset, as the role's network reads it."""

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """The parts of the network that may be computed again; ``StudyFileError`` where it names none."""

    def terms(self, members: int, dtype: torch.dtype) -> MemberTerms:
        """Room for the terms of so many runs."""

    def numbers(self, request: RunRequest, params: Mapping[str, Scalar]) -> Any:
        """What these terms need of a run; its teacher is among it."""

    def describe(self) -> str:
        """Network, data shapes and terms in one line: what the time of a step depends on."""


class Looped(Task, Protocol):
    """A task whose runs the common loop trains, with whatever stepper."""

    @property
    def batch(self) -> int: ...  # noqa: D102

    @property
    def evaluate_every(self) -> int: ...  # noqa: D102

    @property
    def quirks(self) -> tuple[str, ...]: ...  # noqa: D102

    def chances_of(self, role: Role) -> tuple[float, float]:
        """Objective and score of a network of ``role`` that has learnt nothing."""

    def optimizer_of(self, role: Role) -> str:
        """One of ``training.optimizers``."""

    def epochs_of(self, role: Role) -> int:
        """Epochs at most."""

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """Epochs after which a run goes on from its best weights so far, its optimizer made anew; mostly none."""

    def average_after(self, role: Role) -> int | None:
        """The epoch after which weights are averaged, see ``Recipe.average_after``; mostly none."""

    def chooses(self, role: Role) -> str:
        """The column of the curve whose best epoch is chosen, see ``Recipe.choose``."""

    def teacher_numbers(self) -> Mapping[str, Scalar]:
        """Parameters in which the teacher's recipe differs from the task's defaults."""

    def schedule(self, role: Role, params: Mapping[str, Scalar]) -> Schedule:
        """What sets a run's learning rate and may end it."""


class Trained(Looped, Protocol):
    """One whose runs a plain stepper trains, or a population; ``precision`` and what follows as ``PlainStepper``'s."""

    @property
    def precision(self) -> Precision: ...  # noqa: D102

    @property
    def recompute(self) -> bool: ...  # noqa: D102

    @property
    def micro_batch(self) -> int | None: ...  # noqa: D102

    def make_workload(self, role: Role, device: str, fold: Fold = FIRST) -> Workload:
        """The task's data for ``role`` on ``device``, kept for the next run of this process."""


def run_params(task: Looped, request: RunRequest) -> dict[str, Scalar]:
    """All parameters of a run: the request's; for a teacher the defaults with the teacher's own options."""
    if request.role == "student":
        return {**task.parameters, **request.params}
    return {**task.parameters, **task.teacher_numbers(), **dict.fromkeys(task.teacher_parameters, 0.0)}


def initial_network(workload: Networks, request: RunRequest, params: Mapping[str, Scalar]) -> nn.Module:
    """The network that a run begins with, on the CPU."""
    return build_seeded(varied("initialisation", request.seed, str(params[VARY])), workload.build)


def make_member(
    task: Looped,
    workload: Folded,
    request: RunRequest,
    context: RunContext,
    params: Mapping[str, Scalar],
    initial_state: Any = None,
) -> Member:
    """The run as the loop sees it: recipe, schedule, checkpoint, fold."""
    vary = str(params[VARY])
    recipe = Recipe(
        seed=varied("order", request.seed, vary),
        clips=workload.train,
        batch=task.batch,
        epochs=task.epochs_of(request.role),
        evaluate_every=task.evaluate_every,
        keep_weights=context.keep_weights or request.role == "teacher",
        choose=task.chooses(request.role),
        views=views_key(varied("augmentation", request.seed, vary)),
        restarts=task.restarts_of(request.role),
        keep_queries=context.keep_queries,
        average_after=task.average_after(request.role),
    )
    checkpoint = Checkpoint(context.workspace, run_key(task, request, params, context.code_hash))
    schedule = task.schedule(request.role, params)
    return Member(recipe, schedule, checkpoint, context.report, initial_state, workload.validation)


def run_key(task: Looped, request: RunRequest, params: Mapping[str, Scalar], code_hash: str) -> str:
    """What a checkpoint must agree in to be continued: task, data, request with its fold, and the trainer's code."""
    teacher = None if request.teacher is None else file_hash(request.teacher)
    fold = [request.fold.partition, request.fold.number]
    key = [task.identity(), task.fingerprint(), request.role, request.seed, fold, dict(params), teacher, code_hash]
    return sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
