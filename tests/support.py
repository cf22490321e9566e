"""Helpers of the tests: studies without a file, a task with a teacher, and real processes of the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import kdsearch as kd
from kdsearch.data.folds import Fold
from kdsearch.errors import RunInterrupted
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun
from kdsearch.ledger.records import SearchRun, StudyRecord
from kdsearch.ledger.settings import StudySettings
from kdsearch.ledger.studies import Declaration, to_json
from kdsearch.search.remaining import remaining
from kdsearch.search.replay import Table
from kdsearch.space import Uniform
from kdsearch.tasks import RunContext, RunRequest, RunResult
from kdsearch.tasks.base import Job, Jobs, Layout

NOISY = Path(__file__).parent / "fixtures" / "noisy_quadratic.py"


def draw(*key: int) -> float:
    """A standard normal number that is a function of its key."""
    return float(np.random.default_rng(np.random.SeedSequence(key)).standard_normal())


@dataclass(frozen=True)
class ToyTask:
    """A task with a teacher and no training: scores are a formula plus seed noise. Trainable by every engine.

    ``folds``: of its train list. ``fold_effect`` and ``teacher_effect``: sd of what a run's fold does to its objective,
    and its teacher to objective and score. ``teacher_diverges``: training seeds at which a teacher does.
    """

    gain: float = 0.05
    noise: float = 0.02
    gap: float = 0.1
    has_teacher: bool = True
    diverges_above: float = 2.0
    teacher_fails: bool = False
    student_fails: bool = False
    folds: int = 0
    fold_effect: float = 0.0
    teacher_effect: float = 0.0
    teacher_diverges: tuple[int, ...] = ()
    label: str = "toy"
    description: str = "toy formula, no data"
    metric: str = "mAP"
    chance: float = 0.1
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"alpha": 0.5, "rate": 0.3})
    teacher_parameters: tuple[str, ...] = ("alpha",)

    def identity(self) -> dict[str, Any]:
        identity = {"task": "toy", "gain": self.gain, "noise": self.noise, "gap": self.gap}
        return {**identity, "folds": self.folds} if self.folds else identity

    def fingerprint(self) -> str:
        return "toydata"

    def sources(self) -> list[Path]:
        return [Path(__file__)]

    def with_options(self, **options: Any) -> ToyTask:
        return replace(self, **options)

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        if request.role == "teacher":
            return self._teacher(request, context)
        if self.student_fails:
            raise RuntimeError("the student cannot be trained")
        uses = request.params["alpha"] != 0
        assert (request.teacher is not None) == uses, "a run gets a teacher exactly when it uses one"
        if request.params["rate"] > self.diverges_above:
            return RunResult("diverged", self.chance, self.chance)
        alpha, rate = float(request.params["alpha"]), float(request.params["rate"])
        truth = 0.6 + self.gain * (1 - (alpha - 0.7) ** 2) * uses - (rate - 0.5) ** 2
        key = (request.seed, int(alpha * 1e6), int(rate * 1e6))
        truth += self._taught(request)
        score = truth + self.noise * draw(*key, 2)
        weights = None
        if context.keep_weights:
            weights = context.workspace / "weights.pt"
            weights.write_text(f"student {key}")
        return RunResult(
            "done",
            truth + self._fold(request) + self.noise * draw(*key, 1),
            score,
            epoch=3,
            epochs=5,
            scores={"last": score, "best_on_validation": score, "best_on_test": score + 0.01},
            curve={"epoch": [1, 2], "objective": [0.1, 0.2]},
            seconds=0.001,
            weights=weights,
            queries=[score, 1.0] if context.keep_queries else [],
        )

    def _teacher(self, request: RunRequest, context: RunContext) -> RunResult:
        if self.teacher_fails:
            raise RuntimeError("the teacher cannot be trained")
        if request.seed in self.teacher_diverges:
            return RunResult("diverged", self.chance, self.chance)
        weights = context.workspace / "weights.pt"
        weights.write_text(f"teacher {request.seed} {request.fold.partition} {request.fold.number}")
        value = 0.6 + self.gap + self._fold(request) + self.noise * draw(request.seed, 1)
        return RunResult("done", value, value, weights=weights)

    def _fold(self, request: RunRequest) -> float:
        return self.fold_effect * draw(request.fold.partition, request.fold.number, 3) if self.fold_effect else 0.0

    def _taught(self, request: RunRequest) -> float:
        """What the teacher does to a run; it must be one that was trained outside the run's fold."""
        if request.teacher is None:
            return 0.0
        _, *numbers = request.teacher.read_text().split()
        seed, *fold = map(int, numbers)
        assert not self.folds or Fold(*fold) == request.fold, "a teacher belongs to a fold"
        return self.teacher_effect * draw(seed, *fold, 4) if self.teacher_effect else 0.0


@dataclass(frozen=True)
class PopulationTask(ToyTask):
    """A toy task whose students train together, each for two to five epochs by its seed.

    ``common_fault``: a step of more than so many runs raises. ``own_fault``: a student of that seed cannot begin.
    ``times``: measured seconds of a step and run by width. ``seen``: how many were in a slot at each boundary,
    ``ages``: which epochs they were in.
    """

    common_fault: int = 1_000
    own_fault: int = -1
    epoch_seconds: float = 0.0
    times: Mapping[int, float] = field(default_factory=lambda: {1: 0.1, 4: 0.05, 8: 0.04})
    seen: list[int] = field(default_factory=list, compare=False)
    ages: list[set[int]] = field(default_factory=list, compare=False)
    measured: list[int] = field(default_factory=list, compare=False)

    def trains_together(self, request: RunRequest) -> bool:
        return request.role == "student"

    def layouts(self, device: str) -> list[Layout]:
        return [Layout(width, "plain" if width == 1 else "crowd") for width in self.times]

    def seconds_a_step(self, layout: Layout, device: str) -> float:
        self.measured.append(layout.width)
        if layout.width not in self.times:
            raise MemoryError
        return self.times[layout.width]

    def population_key(self, device: str) -> str:
        return f"crowd on {device}"

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        if request.seed == self.own_fault:  # alone too: a run that has failed is tried again by itself
            raise RuntimeError("this run cannot begin")
        return super().train(request, context)

    def population(self, layout: Layout, device: str) -> CrowdPopulation:
        return CrowdPopulation(self, layout.width)


class CrowdPopulation:
    """See ``PopulationTask``."""

    def __init__(self, task: PopulationTask, width: int) -> None:
        self.task, self.width = task, width

    def train(self, jobs: Jobs) -> None:
        slots: list[tuple[Job, int]] = []
        while True:
            while len(slots) < self.width and (claimed := jobs.claim(self.width - len(slots))):
                for job in claimed:
                    if job.request.seed == self.task.own_fault:
                        jobs.failed(job, RuntimeError("this run cannot begin"))
                    else:
                        slots.append((job, 0))
            if not slots:
                return
            self.task.seen.append(len(slots))
            self.task.ages.append({epoch for _, epoch in slots})
            if len(slots) > self.task.common_fault:
                raise RuntimeError("the device has no memory")
            time.sleep(self.task.epoch_seconds)
            stepped = [(job, epoch + 1, self._interrupted(job, epoch + 1)) for job, epoch in slots]
            over = [(job, cut) for job, epoch, cut in stepped if cut or epoch == self.length(job)]
            slots = [(job, epoch) for job, epoch, cut in stepped if not cut and epoch < self.length(job)]
            if over:
                jobs.ended([(job, None if cut else self.task.train(job.request, job.context)) for job, cut in over])

    @staticmethod
    def length(job: Job) -> int:
        return 2 + job.request.seed % 4

    @staticmethod
    def _interrupted(job: Job, epoch: int) -> bool:
        try:
            job.context.report(epoch, 0.5)
        except RunInterrupted:
            return True
        return False


def toy_study(**changes: Any) -> kd.Study:
    """A small study of the toy task."""
    fields: dict[str, Any] = {
        "name": "toy",
        "task": ToyTask(),
        "space": {"alpha": kd.uniform(0, 1), "rate": kd.uniform(0, 1)},
        "baselines": {"student alone": {"alpha": 0}, "usual": {"alpha": 0.5}},
        "budget": kd.Budget(runs=40),
        "confirm": kd.Confirm(seeds=4, finalists=2),
    }
    return kd.Study(**{**fields, **changes})


def settings_of(study: kd.Study) -> StudySettings:
    """The settings of a study as the ledger has them."""
    return StudySettings.from_json(to_json(study.settings()))


def declaration(study: kd.Study, code_hash: str = "code0") -> Declaration:
    """The study in the ledger's words, without a file."""
    task = study.task
    return Declaration(
        name=study.stored_name,
        identity=study.identity(),
        settings=settings_of(study),
        description=task.description,
        metric=task.metric,
        chance=task.chance,
        data_hash=task.fingerprint(),
        code_hash=code_hash,
        baselines={name: study.complete(values) for name, values in study.baselines.items()},
        begin_with=study.first_configurations,
    )


def end_a_run(ledger: Ledger, record: StudyRecord) -> None:
    """End a run of a study: from now on the study is what it is, under its name."""
    configuration = NewConfiguration("searched", "ended", {"ended": 1}, "sampler")
    ledger.decide(record.id, lambda state: [configuration, NewRun(("searched", "ended"), "search", 0)])
    leases = ledger.claim(record.id, "worker", 100)
    ledger.finish([Outcome(lease, "done", {"objective": 0.5}) for lease in leases])


@dataclass(frozen=True)
class Loaded:
    """Stands where engines take a ``LoadedStudy``, for studies that no file declares."""

    study: kd.Study
    path: Path = Path("none.py")
    code_hash: str = "code0"
    unseen: tuple[str, ...] = ()


def program(*arguments: str, home: Path, **environment: str) -> subprocess.Popen[str]:
    """Start ``kdsearch`` as a real process with its own ``KDSEARCH_HOME``."""
    if arguments[:1] == ("launch",) and "--html" not in arguments and "--help" not in arguments:
        arguments = (*arguments, "--no-html")  # of hundreds of launches few are about the page
    env = {**os.environ, "KDSEARCH_HOME": str(home), "COLUMNS": "100", **environment}
    env.pop("KDSEARCH_STORAGE", None)
    env.update({name: value for name, value in environment.items() if name == "KDSEARCH_STORAGE"})
    return subprocess.Popen(
        [sys.executable, "-m", "kdsearch", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever runs the tests may ignore Ctrl-C (nohup, a background job), and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run_program(*arguments: str, home: Path, timeout: float = 120, **environment: str) -> tuple[int, str]:
    """Run ``kdsearch`` to its end; returns exit code and everything it printed."""
    process = program(*arguments, home=home, **environment)
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended; one that has may stand in the table until its parent asks for it."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 60, what: str = "condition") -> Any:
    """Poll until the condition holds; returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds} s")


def random_table(count: int = 60, seeds: int = 16, rho: float = 0.3) -> Table:
    """A linear truth with sd 1 over x, noise with sd 0.5 of which ``rho`` is shared by seed."""
    rng = np.random.default_rng(1)
    x = (np.arange(count) + 0.5) / count
    truth = np.sqrt(12) * (x - 0.5)
    noise = np.sqrt(rho) * rng.standard_normal(seeds) + np.sqrt(1 - rho) * rng.standard_normal((count, seeds))
    params = tuple({"x": float(value), "y": float(other)} for value, other in zip(x, rng.random(count), strict=True))
    space = {"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}
    return Table("random", space, params, truth[:, None] + 0.5 * noise, np.ones((count, seeds)))


def runs_expected(study: StudyRecord, configurations: Any, runs: Sequence[SearchRun]) -> int:
    """All runs of the study when it is finished: those that have ended, and those that are left."""
    ended = sum(run.state in ("done", "diverged", "failed") for run in runs)
    return ended + remaining(study, configurations, runs).runs
