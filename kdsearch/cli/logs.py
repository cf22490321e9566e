"""``kdsearch logs``: everything about one run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsearch.cli.common import Storage, connect
from kdsearch.cli.output import say
from kdsearch.study.set_text import write
from kdsearch.texts import LONGEST, literal, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdsearch.ledger.records import EventRecord, RunRecord, StudyRecord, StudyResults


def _run_id(text: str | int) -> int:
    """The id that a user typed; a study's name is a mistake that is easily made."""
    if not re.fullmatch(r"[1-9]\d{0,17}", str(text)):
        raise typer.BadParameter(
            f"expected a run's id, such as 17, got {text!r}. kdsearch status STUDY names the runs that train, "
            "kdsearch export runs STUDY all of them."
        )
    return int(text)


def logs(
    run: Annotated[int, typer.Argument(metavar="RUN", parser=_run_id, help="A run's id.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, with texts of any length whole.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what its program prints until the run has ended.")
    ] = False,
    storage: Storage = None,
) -> None:
    """Show one run, and what it printed.

    That is its configuration, state, attempts, curve, traceback, and the last lines that its program printed.

    Of a text that is very long the first and the last part are shown. A file has it whole. With --follow the exit code
    is 1 where the run ends without a result.
    """
    from kdsearch.cli import run_output

    ledger = connect(storage)
    if follow:
        has_result = run_output.follow(ledger, run)
    results, record = ledger.run(run)
    lines = run_lines(results, record, run_output.LAST_LINES if output is None else None)
    if not follow:
        lines += run_output.output_lines(results, record, run_output.LAST_LINES if output is None else None)
    if output is None:
        more = f"kdsearch logs {run} -o FILE writes it whole"
        for line in lines:
            say(shortened(line, most=5 * LONGEST, where=more))
    else:
        output.write_text(literal("\n".join(lines)) + "\n", encoding="utf-8", errors="backslashreplace")
        say(f"{output}: run {run}")
    if follow and not has_result:
        raise typer.Exit(1)


def run_lines(results: StudyResults, run: RunRecord, most: int | None = None) -> list[str]:
    """What is known of a run, of its curve the last ``most`` epochs.

    The lines of its tracebacks are indented, so that none looks like an event.
    """
    study, configuration = results.study, results.configurations[run.configuration_id]
    space = study.settings.space
    events = [event for event in results.events if event.run_id == run.id]
    drawn = describe_draw(run, study.settings.folds)
    lines = [
        f"run {run.id} of {study.name}: {study.description}",
        f"{configuration.kind} {configuration.name}, pool {run.pool}, seed {run.seed}",
        *([drawn] if drawn else []),
        ", ".join(f"{name}={write(value, space.get(name))}" for name, value in configuration.params.items()),
        f"{run.state}, attempt {run.attempt}, worker {run.worker or 'none yet'}",
        *_result(run),
        *_curve(study, run, most),
    ]
    found = [*map(one_line, lines), *event_lines(events)]
    return [*found, _indented(run.error)] if run.error and not events else found


def _indented(traceback: str) -> str:
    return textwrap.indent(literal(traceback).rstrip("\n"), "    ")


def describe_draw(run: RunRecord, folds: int) -> str:
    """The fold that validates a run, or that a teacher is trained without, and the run's teacher."""
    words = []
    if folds:
        place = f"fold {run.fold.number} of {folds}, partition {run.fold.partition}"
        words.append(f"trained without {place}" if run.pool == "teacher" else f"validated on {place}")
    if run.needs is not None:
        words.append(f"teacher: run {run.needs}")
    return ", ".join(words)


def _result(run: RunRecord) -> list[str]:
    from kdsearch.statistics.rounding import alone

    if run.objective is None:
        return []
    lines = [
        f"objective {alone(run.objective)} at epoch {run.epoch} of {run.epochs}",
        f"{run.seconds:.1f} s on {run.device}, peak memory {(run.peak_memory or 0) / 2**20:.0f} MiB, "
        f"code {run.code_hash}, data {run.data_hash}",
    ]
    return [*lines, f"weights {run.artifact}"] if run.artifact else lines


def _curve(study: StudyRecord, run: RunRecord, most: int | None) -> list[str]:
    from kdsearch.report.export import shown_before_choice

    shown = shown_before_choice(study) if study.winner_id is None else lambda name: name != "score"
    names = [name for name in run.curve if shown(name)]
    if not names:
        return []
    rows = zip(*(run.curve[name] for name in names), strict=True)
    values = ["  ".join(f"{value:12.5g}" for value in row) for row in rows]
    head = "  ".join(f"{name:>12}" for name in names)
    if most is None or len(values) <= most:
        return [head, *values]
    return [f"the last {most} of {len(values)} epochs; kdsearch logs {run.id} -o FILE has all:", head, *values[-most:]]


def event_lines(events: Sequence[EventRecord]) -> list[str]:
    """One line per event, with its traceback below it unless the same one is printed already."""
    lines: list[str] = []
    printed: set[str] = set()
    for event in events:
        traceback = event.data.get("traceback", "")
        alike = re.sub(r"0x[0-9a-f]+", "0x", traceback)  # addresses of objects differ from process to process
        line = f"{event.at:%Y-%m-%d %H:%M:%S} {event.kind}: {one_line(event.message)}"
        if alike in printed:
            lines.append(f"{line} (traceback as above)")
        elif traceback:
            printed.add(alike)
            lines += [line, _indented(traceback)]
        else:
            lines.append(line)
    return lines
