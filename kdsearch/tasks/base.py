"""The protocol between what is trained (a task) and what runs it (a worker, an Optuna script, a Ray trial)."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Literal
from typing import Protocol

Scalar = float | int | str | bool
VARY = "vary"
"""The parameter, of tasks that have it, that names the random streams which follow a run's seed, joined by ``+``."""

Role = Literal["student", "teacher"]


@dataclass(frozen=True)
class RunRequest:
    """What to train: one configuration with one seed.

    ``params`` holds every parameter of the task (defaults filled in). ``teacher`` is the weights file of the
    teacher, ``None`` where the run needs none. ``role="teacher"`` trains the teacher itself.
    """

    role: Role
    params: Mapping[str, Scalar]
    seed: int
    teacher: Path | None = None


@dataclass(frozen=True)
class RunContext:
    """Where a run works and whom it tells.

    ``workspace``: folder of this run alone; a checkpoint found there is continued, unless trainer code of another
    ``code_hash`` left it. ``device``: a torch device string. ``keep_weights``: write the final weights and name them
    in the result. ``report(epoch, objective)`` is called after each evaluation and raises ``RunInterrupted`` to end the
    run early.
    """

    workspace: Path
    device: str = "cpu"
    keep_weights: bool = False
    code_hash: str = ""
    report: Callable[[int, float], None] = lambda epoch, objective: None


@dataclass
class RunResult:
    """What one run gives back.

    ``objective`` is the validation metric at its best epoch, ``score`` the test metric at that same epoch, unless the
    task says that it chooses it on test (``None`` where there is no test part). ``scores`` holds the test metric under
    other choices of epoch, for reporting alone: ``last``, ``best_on_validation``, ``best_on_test`` (optimistic).
    ``curve`` holds lists of equal length: ``epoch``, ``objective``, ``score``, ``loss``, ``learning_rate``, as far as
    the task has them. Times are in seconds, memory in bytes.
    """

    state: Literal["done", "diverged"]
    objective: float
    score: float | None = None
    epoch: int = 0
    epochs: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    curve: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"
    peak_memory: int = 0
    weights: Path | None = None


class Task(Protocol):
    """What a study trains. Declaring a task imports neither torch nor data; ``train`` does."""

    @property
    def label(self) -> str:
        """Short name of data and protocol, part of the stored study name, such as ``poses-split1``."""

    @property
    def description(self) -> str:
        """One line for every table: which data, how much of it, which protocol; names a stand-in as such."""

    @property
    def metric(self) -> str:
        """Name of the metric, such as ``mAP``. Higher is better."""

    @property
    def chance(self) -> float:
        """The metric of a model that has learnt nothing: the objective of a diverged run."""

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """Every parameter that a space or baseline may set, with its default."""

    @property
    def teacher_parameters(self) -> tuple[str, ...]:
        """The weights of teacher terms: with all of them 0 the run is one without distillation."""

    @property
    def has_teacher(self) -> bool:
        """Whether the study must train a teacher before runs whose teacher weights are not all 0."""

    def identity(self) -> dict[str, Any]:
        """All that makes this task what it is, as JSON values; two tasks with equal identity train the same."""

    def fingerprint(self) -> str:
        """Hash of the data that runs read."""

    def sources(self) -> Sequence[Path]:
        """Source files and folders of the trainer, hashed into each run's code hash."""

    def with_options(self, **options: Any) -> Task:
        """The same task with some options changed, as presets do."""

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        """Train one run, continuing a checkpoint found in the workspace."""
