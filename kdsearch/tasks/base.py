"""The protocol between what is trained (a task) and what runs it (a worker, an Optuna script, a Ray trial)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from kdsearch.data.folds import FIRST, Fold

Scalar = float | int | str | bool
VARY = "vary"
"""The parameter, of tasks that have it, that names the random streams which follow a run's seed, joined by ``+``."""

Role = Literal["student", "teacher"]
Direction = Literal["maximize", "minimize"]
"""Which values of a metric are better: the higher ones, or the lower ones as of a loss."""

CURVES = ("epoch", "objective", "score", "scores", "learning_rate")
"""Names in a run's curve that are no further metrics."""

DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class RunRequest:
    """What to train: one configuration with one seed.

    ``params`` holds every parameter of the task (defaults filled in). ``teacher`` is the weights file of the
    teacher, ``None`` where the run needs none. ``role="teacher"`` trains the teacher itself. ``fold``: the clips that
    validate the run; a teacher's are those that validate its students.
    """

    role: Role
    params: Mapping[str, Scalar]
    seed: int
    teacher: Path | None = None
    fold: Fold = FIRST


@dataclass(frozen=True)
class RunContext:
    """Where a run works and what it reports to.

    ``workspace``: folder of this run alone; a checkpoint found there is continued, unless trainer code of another
    ``code_hash`` left it. ``device``: a torch device string. ``keep_weights``: write the final weights and name them
    in the result. ``keep_queries``: give what each test query reached, where the metric is a mean over queries.
    ``report(epoch, objective)`` is called after each evaluation and raises ``RunInterrupted`` to end the
    run early. ``interrupted`` tells a task that waits for something whether it shall raise that itself. ``output``: the
    file that takes what a program of the run prints, and outlives the run; ``None`` where nobody reads it.
    """

    workspace: Path
    device: str = "cpu"
    keep_weights: bool = False
    code_hash: str = ""
    report: Callable[[int, float], None] = lambda epoch, objective: None
    keep_queries: bool = False
    interrupted: Callable[[], bool] = lambda: False
    output: Path | None = None


@dataclass
class RunResult:
    """What one run gives back.

    ``objective`` is the validation metric at its best epoch, ``score`` the test metric at that same epoch, unless the
    task says that it chooses it on test (``None`` where there is no test part). ``scores`` holds the test metric under
    other choices of epoch, for reporting alone: ``last``, ``best_on_validation``, ``best_on_test`` (optimistic).
    ``curve`` holds lists of equal length: ``epoch``, ``objective``, ``score``, ``loss``, ``learning_rate``, as far as
    the task has them, and further metrics by their names. ``metrics``: these at the chosen epoch; they take part in no
    choice. ``queries``: the test metric of each query at the chosen epoch, where asked for and where the metric is a
    mean over queries. Times are in seconds, memory in bytes.
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
    queries: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of several that train in one process: what to train, and where.

    It exists beside a worker's lease because a task knows no ledger, and beside ``training.members.Member`` because who
    hands runs out knows no torch: a population makes a member, with its weights and its data, of each job it claims.
    """

    request: RunRequest
    context: RunContext


class Jobs(Protocol):
    """Where the runs of a population come from, and where they go: the one contract between it and who hands runs out.

    A worker's leases are such; so is a list.
    """

    def claim(self, free: int) -> Sequence[Job]:
        """At most so many runs for free slots; none where there is nothing to train at the moment."""

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        """All runs that ended at one epoch boundary; ``None`` for one that was interrupted and left its checkpoint."""

    def failed(self, job: Job, error: Exception) -> None:
        """A run could not begin or its result could not be made; the others train on."""


class Population(Protocol):
    """Trains several runs at once."""

    def train(self, jobs: Jobs) -> None:
        """Train what ``jobs`` gives until it gives nothing and all have ended."""


@dataclass(frozen=True)
class Layout:
    """How runs train together: ``width`` at once, ``form`` as the task names its ways; width 1 is one by one."""

    width: int
    form: str = "plain"

    def __str__(self) -> str:
        return "one run at a time" if self.width == 1 else f"{self.width} runs at once ({self.form})"


@runtime_checkable
class TrainsTogether(Protocol):
    """What a task may offer beside ``Task``: several of its runs train in one process as one population."""

    def trains_together(self, request: RunRequest) -> bool:
        """Whether this run may be one of a population; all such runs fit each other, of whatever folds."""

    def layouts(self, device: str) -> Sequence[Layout]:
        """Layouts that may be the fastest on this device, narrow ones first; each is tried by ``seconds_a_step``."""

    def seconds_a_step(self, layout: Layout, device: str) -> float:
        """Time of one step of one run in this layout, measured now. Raises ``MemoryError`` where it does not fit.

        Raises ``ValueError`` where the network does not train in this form.
        """

    def population_key(self, device: str) -> str:
        """What the fastest layout depends on: network, batch, data shapes, precision and device, in one line."""

    def population(self, layout: Layout, device: str) -> Population:
        """Room for so many runs."""


class Task(Protocol):
    """What a study trains. Declaring a task imports neither torch nor data; ``train`` does."""

    @property
    def label(self) -> str:
        """Short name of data and protocol, part of the stored study name, such as ``poses-split1``."""

    @property
    def description(self) -> str:
        """One line for every table: which data, how much of it, which protocol; names synthetic data as such."""

    @property
    def metric(self) -> str:
        """Name of the metric, such as ``mAP``. Higher is better, unless the task has ``direction`` minimize."""

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
