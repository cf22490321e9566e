"""What ``launch`` does, behind its options."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from rich.console import Console

from kdsearch import environment
from kdsearch.cli.progress import View
from kdsearch.engines import artifacts
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.devices import slots, use_slot
from kdsearch.engines.local import LocalEngine
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ENDED, StudyRecord
from kdsearch.report import build, render
from kdsearch.report.units import FEWEST_TEACHERS
from kdsearch.search.budget import describe
from kdsearch.search.searches import shares_of
from kdsearch.study.declaration import Study
from kdsearch.study.without import without_words
from kdsearch.tasks.base import VARY, RunRequest, TrainsTogether


def launch(
    study_file: Path,
    *,
    preset: str | None,
    engine: str,
    workers: int | None,
    slots_per_gpu: int,
    population: int | None,
    retry_failed: bool,
) -> None:
    """Open the study, run it with an engine, print the report."""
    if engine not in ("local", "debug"):
        raise KdsearchError(f"expected --engine local or debug, got {engine!r}")
    console = Console(highlight=False, soft_wrap=True)
    loaded = load(study_file, preset)
    ledger = Ledger.connect()
    declared, loaded = loaded, loaded.as_stored(ledger)
    if declared is not loaded:
        console.print(
            f"{loaded.study.stored_name} was begun with one validation split and one teacher chosen on it, and goes on "
            f"so. For {declared.study.folds} folds and several teachers give the study another name in its file."
        )
    record, changes = ledger.open_study(loaded.declaration())
    places = slots(1 if engine == "debug" else workers, slots_per_gpu)
    _announce(console, loaded, record, changes, engine, len(places))
    if retry_failed:
        _retry(console, ledger, record)
    trained = loaded.study.trained
    together = isinstance(trained, TrainsTogether) and trained.together(RunRequest("student", {}, 0))
    width = population if population and together else 1
    capacity = max(2, len(places) * width)
    coordinator = Coordinator(ledger, loaded.study, record, capacity, ahead=engine == "local")
    before = ledger.ended_runs(record.id)
    begin, processor = time.monotonic(), _cpu_seconds()
    with View(console, ledger, record.id) as view:
        try:
            if engine == "debug":
                use_slot(places[0].device)
                DebugEngine(coordinator, loaded, places[0].device, population or 1).run(view.show)
            else:
                LocalEngine(coordinator, places, loaded.path, population).run(view.show)
        except KeyboardInterrupt:
            view.close()
            console.print("stopped; nothing is lost. The same command goes on from here.")
            raise SystemExit(130) from None
    results = ledger.results(record.id)
    if results.study.phase != "finished":
        console.print("the study was asked to stop; the same command goes on from here.")
        return
    took = time.monotonic() - begin, _cpu_seconds() - processor
    _say_finished(console, ledger.ended_runs(record.id), before, *took)
    if ledger.database.embedded:
        console.print("The embedded database goes on running for report and dashboard; kdsearch db stop ends it.\n")
    # Last of all, so that a terminal ends on the answer.
    print(render(build(results), "table", width=console.width if console.is_terminal else 100))
    winner = [run for run in results.runs if run.pool == "confirm" and run.configuration_id == results.study.winner_id]
    if not any(run.state in ENDED for run in winner):
        raise SystemExit(1)  # the report says why


def _cpu_seconds() -> float:
    """Of this process and of the workers that it started and that have ended."""
    own, workers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime


def _say_finished(console: Console, ended: int, before: int, seconds: float, processor: float) -> None:
    if ended > before:
        new = f"in which {ended - before} runs ended; {processor:,.0f} CPU seconds of launcher and workers"
        console.print(f"finished after {seconds / 60:.1f} minutes of this launch, {new}\n")
    else:
        console.print(f"nothing was left to do: all {ended} runs had ended before this launch\n")


def _retry(console: Console, ledger: Ledger, record: StudyRecord) -> None:
    """Queue failed runs again, and teachers whose weights are gone."""
    if count := ledger.retry_failed(record.id):
        console.print(f"{count} failed runs are queued again")
    lost = []
    for run in ledger.results(record.id).runs:
        if run.pool == "teacher" and run.state == "done" and run.artifact is not None:
            try:
                artifacts.fetch(run.artifact)
            except artifacts.MissingArtifact:
                lost.append(run.id)
    if lost:
        ledger.requeue_teachers(lost)
        ledger.log_event(record.id, "teacher lost", f"weights of teacher runs {lost} are gone; they train again")
        console.print(f"{len(lost)} teachers whose weights are gone train again")


def _draws(study: Study, record: StudyRecord) -> str:
    """What a run draws beside its initialisation and order, and what is held for all."""
    taught, vary = record.settings.get("teachers"), str(study.defaults.get(VARY, "split+teacher")).split("+")
    if not study.folds:
        if taught == "none":
            return "one split for all runs" if VARY in study.defaults else "what the task does with a run's seed"
        listens = {"one": "one teacher", "given": "one teacher, from a file"}.get(
            str(taught), "a teacher for each seed"
        )
        return f"one split for all runs, {listens}"
    if "split" in vary:
        split = f"{study.folds} folds validate in turn, cut anew" if study.folds > 1 else "one part validates, cut anew"
        split += " for fresh seeds"
    else:
        split = "one fold validates all runs"
    if taught in ("none", "given", "one") or "teacher" not in vary:
        held = {"none": "", "given": "; one teacher, from a file", "one": "; one teacher, trained without it"}
        return split + held.get(str(taught), "; one teacher a fold, trained without it")
    shared = f", {taught} for the fresh seeds" if isinstance(taught, int) else " and fresh seed"
    return f"{split}; a teacher for each fold{shared}, trained without it"


def _announce(
    console: Console, loaded: LoadedStudy, record: StudyRecord, changes: list[str], engine: str, workers: int
) -> None:
    study = loaded.study
    console.print(f"study     {record.name}" + (f" (preset {study.preset})" if study.preset else ""))
    console.print(f"data      {study.description}")
    if "stand-in" in study.description and (root := environment.data_root()) is not None:
        console.print(
            f"note      {environment.DATA}={root} holds none of these data: expected them there, a stand-in is used"
        )
    confirm = record.settings["confirm"]
    without = shares_of(record.settings).get("without")
    share = f", of which {describe(without)} without distillation" if without else ""
    first = 1 + bool(study.off) + bool(without)
    others = len(study.baselines) + confirm["finalists"]
    seeds, fewer = confirm["seeds"], confirm.get("others") or confirm["seeds"]
    compared = f"{seeds} fresh seeds for each of up to {first + others} configurations"
    if fewer < seeds and others:
        compared = f"{seeds} fresh seeds for the {first} compared first, {fewer} for the up to {others} beside them"
    budget = f"{describe(record.settings['budget'])} over {', '.join(study.space)}{share}"
    console.print(f"budget    {budget}; then {compared}")
    console.print(f"draws     {_draws(study, record)}")
    if words := without_words(study):
        console.print(f"without   {words}")
    where = "in this process" if engine == "debug" else f"{workers} worker process{'' if workers == 1 else 'es'}"
    console.print(f"engine    {engine}, {where}")
    if isinstance(study.taught, int) and study.taught < FEWEST_TEACHERS:
        console.print(
            f"note      below {FEWEST_TEACHERS} teachers no verdict: the fresh seeds share {study.taught}, and each "
            "counts once"
        )
    for change in changes:
        console.print(f"changed   {change}")
