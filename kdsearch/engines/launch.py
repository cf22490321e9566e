"""A launch: a study file in the ledger, run by an engine to its end; what ``kdsearch launch`` and ``kd.launch`` do."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kdsearch.engines import artifacts
from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.devices import Slot, check_workers, slots, use_slot
from kdsearch.engines.execution import clear_ended_workspaces
from kdsearch.engines.local import LocalEngine
from kdsearch.engines.ray_cluster import RayOptions, connected
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.errors import KdsearchError, LedgerError
from kdsearch.interrupts import safe_interrupts
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.search.begin import best_of
from kdsearch.tasks.base import RunRequest, Scalar, TrainsTogether

EngineName = Literal["local", "debug", "ray"]
ENGINES: tuple[EngineName, ...] = ("local", "debug", "ray")


@dataclass(frozen=True)
class Ran:
    """What a launch did: how many runs had ended before and after it, its seconds, CPU seconds with its workers'."""

    results: StudyResults
    before: int
    ended: int
    seconds: float
    cpu_seconds: float

    @property
    def finished(self) -> bool:
        """Whether the study came to its end; it may have been asked to stop."""
        return self.results.study.phase == "finished"


@dataclass(frozen=True)
class Launch:
    """A study that is open in the ledger, and the engine that is to run it.

    ``loaded``: the study as it goes on; one that was stored before runs drew folds keeps its older recipe.
    ``changes``: what its file changed of the stored settings, in words.
    """

    loaded: LoadedStudy
    ledger: Ledger
    record: StudyRecord
    changes: list[str]
    engine: str
    places: list[Slot]
    population: int | None
    workers: int | None = None
    ray: RayOptions = field(default_factory=RayOptions)

    @classmethod
    def open(
        cls,
        study_file: Path,
        *,
        preset: str | None = None,
        engine: str = "local",
        workers: int | None = None,
        slots_per_gpu: int = 1,
        population: int | None = None,
        ray: RayOptions | None = None,
        overrides: Mapping[str, Any] | None = None,
        begin_with: str | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> Launch:
        """Read the file and write the study down, or find it in the ledger as it was written.

        ``overrides``: as of ``kdsearch.study.overrides``. ``begin_with``: name of another study. ``say`` is told of an
        older recipe before anything can refuse the study. Raises :class:`~kdsearch.errors.KdsearchError` for a file
        that cannot be used, another study under the name, or an unknown engine.
        """
        if engine not in ENGINES:
            raise KdsearchError(f"expected the engine {', '.join(ENGINES[:-1])} or {ENGINES[-1]}, got {engine!r}")
        if ray is not None and engine != "ray":
            raise KdsearchError(f"a Ray address and shares of nodes are for the engine ray; this one is {engine}")
        places = slots(1 if engine == "debug" else workers, slots_per_gpu)
        if engine == "local":
            check_workers(len(places))
        declared = load(study_file, preset, overrides)
        ledger = Ledger.connect()
        if begin_with is not None:
            first = _first_of(ledger, begin_with, declared)
            declared = load(study_file, preset, {**(overrides or {}), "begin_with": first})
        loaded = declared.as_stored(ledger)
        if loaded is not declared:
            say(
                f"{loaded.study.stored_name} began with one validation split and one teacher, and continues with them. "
                f"To use {declared.study.folds} folds and several teachers, give the study another name in its file."
            )
        record, changes = ledger.open_study(loaded.declaration())
        return cls(loaded, ledger, record, changes, engine, places, population, workers, ray or RayOptions())

    def retry_where_none_worked(self) -> int:
        """Queue failed runs again where no run has ended well: whatever was wrong may be mended; returns how many."""
        return 0 if self.ledger.ended_runs(self.record.id, failed=False) else self.ledger.retry_failed(self.record.id)

    def retry_failed(self) -> tuple[int, list[int]]:
        """Queue failed runs again, and teachers whose weights are gone: how many of the former, ids of the latter."""
        queued = self.ledger.retry_failed(self.record.id)
        lost = []
        for run in self.ledger.runs_in_pool(self.record.id, "teacher"):
            if run.state == "done" and run.artifact is not None:
                try:
                    artifacts.fetch(run.artifact)
                except artifacts.MissingArtifact:
                    lost.append(run.id)
        if lost:
            self.ledger.requeue_teachers(lost)
            self.ledger.log_event(
                self.record.id, "teacher lost", f"weights of teacher runs {lost} are gone; they train again"
            )
        return queued, lost

    def run(
        self,
        observe: Callable[[Progress], None] = lambda progress: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> Ran:
        """Run the study until it is finished or asked to stop; ``observe`` is told of its state now and then.

        ``say`` is told of the cluster and of nodes that cannot train. ``KeyboardInterrupt`` passes through after the
        workers have handed back their runs.
        """
        clear_ended_workspaces(self.record, self.ledger)
        before = self.ledger.ended_runs(self.record.id)
        begin, processor = time.monotonic(), _cpu_seconds()
        with safe_interrupts():
            self._run(observe, say)
        results = self.ledger.results(self.record.id)
        clear_ended_workspaces(self.record, self.ledger)
        took = time.monotonic() - begin, _cpu_seconds() - processor
        return Ran(results, before, self.ledger.ended_runs(self.record.id), *took)

    def _run(self, observe: Callable[[Progress], None], say: Callable[[str], None]) -> None:
        if self.engine == "debug":
            use_slot(self.places[0].device)
            coordinator = self._coordinator(1)
            DebugEngine(coordinator, self.loaded, self.places[0].device, self.population or 1).run(observe)
        elif self.engine == "local":
            coordinator = self._coordinator(len(self.places))
            LocalEngine(coordinator, self.places, self.loaded.path, self.population).run(observe)
        else:
            from kdsearch.engines.ray_engine import RayEngine

            with connected(self.loaded, self.ray, self.workers, self.ledger.database) as cluster:
                say(cluster.described())
                coordinator = self._coordinator(cluster.workers)
                RayEngine(coordinator, cluster, self.loaded.path, self.population, say).run(observe)

    def _coordinator(self, workers: int) -> Coordinator:
        task = self.loaded.study.task
        together = isinstance(task, TrainsTogether) and task.trains_together(RunRequest("student", {}, 0))
        width = self.population if self.population and together else 1
        capacity = max(2, workers * width)
        return Coordinator(self.ledger, self.loaded.study, self.record, capacity, ahead=self.engine != "debug")


def launch(
    study_file: str | Path,
    *,
    preset: str | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    slots_per_gpu: int = 1,
    population: int | None = None,
    retry_failed: bool = False,
    ray: RayOptions | None = None,
    overrides: Mapping[str, Any] | None = None,
    begin_with: str | None = None,
) -> StudyResults:
    """Run a study file to its end, as ``kdsearch launch`` does, and return all of its runs.

    A study that somebody asked to stop returns too, its ``study.phase`` other than ``finished``. Called again after any
    interruption it goes on; called twice at once, the second joins. The arguments are the command's options;
    ``overrides`` are those of ``--set``, such as ``{"budget.runs": 60, "task.epochs": 40}``. ``begin_with``: name of
    a study in the ledger, whose best configurations are tried first, with seeds of their own here.
    ``kdsearch.report.build`` makes the report of what it returns. Raises :class:`~kdsearch.errors.KdsearchError` for a
    file that cannot be used, and where nothing can be trained.
    """
    opened = Launch.open(
        Path(study_file),
        preset=preset,
        engine=engine,
        workers=workers,
        slots_per_gpu=slots_per_gpu,
        population=population,
        ray=ray,
        overrides=overrides,
        begin_with=begin_with,
    )
    opened.retry_where_none_worked()
    if retry_failed:
        opened.retry_failed()
    return opened.run().results


def _first_of(ledger: Ledger, name: str, declared: LoadedStudy) -> list[dict[str, Scalar]]:
    """The best configurations of the study ``name``; of a study that is there already those that it began with.

    Raises ``KdsearchError`` where the other study has none that fits, or is another one than at the first launch.
    """
    stored = {row.name: row for row in ledger.studies()}.get(declared.study.stored_name)
    if stored is not None and "begin_with" in stored.settings.overrides:
        first = [dict(params) for params in stored.settings.overrides["begin_with"]]
        try:
            source = ledger.study(name)
        except LedgerError:  # it has been deleted or renamed since
            return first
        _check_source(first, ledger.results(source.id), stored.name)
        return first
    other, own = ledger.study(name), declared.study
    if (other.metric, other.minimizes) != (own.task.metric, own.direction == "minimize"):
        raise KdsearchError(
            f"the study {other.name} {'minimizes' if other.minimizes else 'maximizes'} {other.metric}, and this one "
            f"{own.direction}s {own.task.metric}: what is best there need not be good here"
        )
    found = best_of(ledger.results(other.id), declared.study.space)
    if not found:
        raise KdsearchError(
            f"the study {other.name} has no configuration of two runs or more whose numbers lie in this space "
            f"({', '.join(declared.study.space)}): there is nothing to begin with"
        )
    return found


def _check_source(first: Sequence[Mapping[str, Scalar]], other: StudyResults, stored: str) -> None:
    """Raise ``KdsearchError`` unless the study ``other`` has all configurations that the study began with."""
    rows = [row.params for row in other.configurations.values()]
    if not all(any(params.items() <= row.items() for row in rows) for params in first):
        raise KdsearchError(
            f"the study {stored} began with configurations that {other.study.name} has not: give --begin-with as at "
            "its first launch, or another --name"
        )


def _cpu_seconds() -> float:
    """Of this process and of the workers that it started and that have ended."""
    own, workers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
