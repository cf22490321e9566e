"""How a video hashing run is trained: composes data, networks, terms and metric under the common loop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING
from typing import Any

from kdsearch.errors import RunInterrupted
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.video_hashing import DEFAULTS
from kdsearch.tasks.video_hashing_data import Dataset
from kdsearch.tasks.video_hashing_data import dataset
from kdsearch.tasks.video_hashing_members import Numbers
from kdsearch.tasks.video_hashing_members import one_run
from kdsearch.tasks.video_hashing_result import make_evaluate
from kdsearch.tasks.video_hashing_result import make_result
from kdsearch.tasks.video_hashing_teacher import build_network
from kdsearch.tasks.video_hashing_teacher import encoder_blocks
from kdsearch.tasks.video_hashing_teacher import find_teacher
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.files import file_hash
from kdsearch.training.loop import serve
from kdsearch.training.members import Alone
from kdsearch.training.members import Member
from kdsearch.training.members import Recipe
from kdsearch.training.memory import reset_peak_memory
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.randomness import build_seeded
from kdsearch.training.randomness import varied
from kdsearch.training.recompute import recompute
from kdsearch.training.schedules import Plateau
from kdsearch.training.steppers import PlainStepper

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing import VideoHashing


def train(task: VideoHashing, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``; see :meth:`VideoHashing.train`."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    data = dataset(task, request.role, context.device)
    teacher = find_teacher(task, request, params, context.device)
    initial = varied("initialisation", request.seed, str(params["vary"]))
    model = build_seeded(initial, lambda: build_network(task, request.role, data.classes)).to(context.device)
    if task.recompute:
        recompute(encoder_blocks(model))
    stepper = PlainStepper(
        model,
        make_optimizer(task.optimizer, model.parameters(), float(params["weight_decay"])),
        data.inputs,
        one_run(task, data.labels, Numbers.of(params, teacher)),
        skip_zero_loss="skip_zero_loss" in task.quirks,
        precision=task.precision,
        micro_batch=task.micro_batch,
    )
    member = make_member(task, request, context, params, data)
    serve(stepper, make_evaluate(task, data), Alone(member))
    if member.interrupted:
        raise RunInterrupted
    return make_result(task, request, context, member.recipe, member.progress)


def make_member(
    task: VideoHashing,
    request: RunRequest,
    context: RunContext,
    params: Mapping[str, Scalar],
    data: Dataset,
    entrant: Any = None,
) -> Member:
    """The run as the loop sees it: recipe, schedule, checkpoint."""
    quirks = task.quirks
    plateau = Plateau(
        float(params["learning_rate"]),
        int(params["patience"]),
        reductions=task.reductions,
        plateau_input="best_before" if "plateau_on_running_best" in quirks else "current",
    )
    recipe = Recipe(
        seed=varied("order", request.seed, str(params["vary"])),
        clips=data.train,
        batch=task.batch,
        epochs=(request.role == "teacher" and task.network("teacher").epochs) or task.epochs,
        evaluate_every=task.evaluate_every,
        keep_weights=context.keep_weights or request.role == "teacher",
        choose="score" if "best_epoch_on_test" in quirks else "objective",
    )
    checkpoint = Checkpoint(context.workspace, run_key(task, request, params, context.code_hash))
    return Member(recipe, plateau, checkpoint, context.report, entrant)


def run_params(task: VideoHashing, request: RunRequest) -> dict[str, Scalar]:
    """All parameters of a run: the request's; for a teacher the defaults with the teacher's own options."""
    if request.role == "student":
        return DEFAULTS | dict(request.params)
    own = {name: value for name, value in task.network("teacher").given().items() if name in DEFAULTS}
    return DEFAULTS | own | dict.fromkeys(task.teacher_parameters, 0.0)


def run_key(task: VideoHashing, request: RunRequest, params: Mapping[str, Scalar], code_hash: str) -> str:
    """What a checkpoint must agree in to be continued: task, data, request, and the trainer's code."""
    teacher = None if request.teacher is None else file_hash(request.teacher)
    key = [task.identity(), task.fingerprint(), request.role, request.seed, dict(params), teacher, code_hash]
    return sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
