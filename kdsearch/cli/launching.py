"""What ``kdsearch launch`` prints: what is launched, how far it is, the answer."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from kdsearch import environment
from kdsearch.cli.progress import View
from kdsearch.engines.launch import Launch, Ran
from kdsearch.ledger.records import ENDED, RunRecord, StudyRecord, StudyResults
from kdsearch.report import build, render
from kdsearch.report.units import FEWEST_TEACHERS
from kdsearch.search.budget import describe
from kdsearch.search.searches import shares_of
from kdsearch.study.declaration import Study
from kdsearch.study.without import without_words
from kdsearch.tasks.base import VARY


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
    console = Console(highlight=False, soft_wrap=True)
    opened = Launch.open(
        study_file,
        preset=preset,
        engine=engine,
        workers=workers,
        slots_per_gpu=slots_per_gpu,
        population=population,
    )
    _announce(console, opened)
    if retry_failed:
        _say_retried(console, *opened.retry_failed())
    with View(console, opened.ledger, opened.record.id) as view:
        try:
            ran = opened.run(view.show)
        except KeyboardInterrupt:
            view.close()
            console.print("stopped; nothing is lost. The same command goes on from here.")
            raise SystemExit(130) from None
    if not ran.finished:
        console.print("the study was asked to stop; the same command goes on from here.")
        return
    _say_finished(console, ran)
    if opened.ledger.database.embedded:
        console.print("The embedded database goes on running for report and dashboard; kdsearch db stop ends it.\n")
    # Last of all, so that a terminal ends on the answer.
    print(render(build(ran.results), "table", width=console.width if console.is_terminal else 100))
    if not any(run.state in ENDED for run in _winners(ran.results)):
        raise SystemExit(1)  # the report says why


def _winners(results: StudyResults) -> list[RunRecord]:
    winner = results.study.winner_id
    return [run for run in results.runs if run.pool == "confirm" and run.configuration_id == winner]


def _say_finished(console: Console, ran: Ran) -> None:
    if ran.ended > ran.before:
        new = f"{ran.ended - ran.before} runs ended; {ran.cpu_seconds:,.0f} CPU seconds of launcher and workers"
        console.print(f"finished after {ran.seconds / 60:.1f} minutes of this launch, in which {new}\n")
    else:
        console.print(f"nothing was left to do: all {ran.ended} runs had ended before this launch\n")


def _say_retried(console: Console, queued: int, lost: list[int]) -> None:
    if queued:
        console.print(f"{queued} failed runs are queued again")
    if lost:
        console.print(f"{len(lost)} teachers whose weights are gone train again")


def _draws(study: Study, record: StudyRecord) -> str:
    """What a run draws beside its initialisation and order, and what is held for all."""
    taught, vary = record.settings.teachers, str(study.defaults.get(VARY, "split+teacher")).split("+")
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


def _announce(console: Console, opened: Launch) -> None:
    study, record, workers = opened.loaded.study, opened.record, len(opened.places)
    if opened.declared is not opened.loaded:
        console.print(
            f"{study.stored_name} was begun with one validation split and one teacher chosen on it, and goes on so. "
            f"For {opened.declared.study.folds} folds and several teachers give the study another name in its file."
        )
    console.print(f"study     {record.name}" + (f" (preset {study.preset})" if study.preset else ""))
    console.print(f"data      {study.description}")
    if "stand-in" in study.description and (root := environment.data_root()) is not None:
        console.print(
            f"note      {environment.DATA}={root} holds none of these data: expected them there, a stand-in is used"
        )
    confirm = record.settings.confirm
    without = shares_of(record.settings).get("without")
    share = f", of which {describe(without)} without distillation" if without else ""
    first = 1 + bool(study.off) + bool(without)
    others = len(study.baselines) + confirm.finalists
    seeds, fewer = confirm.seeds, confirm.others or confirm.seeds
    compared = f"{seeds} fresh seeds for each of up to {first + others} configurations"
    if fewer < seeds and others:
        compared = f"{seeds} fresh seeds for the {first} compared first, {fewer} for the up to {others} beside them"
    budget = f"{describe(record.settings.budget)} over {', '.join(study.space)}{share}"
    console.print(f"budget    {budget}; then {compared}")
    console.print(f"draws     {_draws(study, record)}")
    if words := without_words(study):
        console.print(f"without   {words}")
    where = "in this process" if opened.engine == "debug" else f"{workers} worker process{'' if workers == 1 else 'es'}"
    console.print(f"engine    {opened.engine}, {where}")
    if isinstance(study.taught, int) and study.taught < FEWEST_TEACHERS:
        console.print(
            f"note      below {FEWEST_TEACHERS} teachers no verdict: the fresh seeds share {study.taught}, and each "
            "counts once"
        )
    for change in opened.changes:
        console.print(f"changed   {change}")
