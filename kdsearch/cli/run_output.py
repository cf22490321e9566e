"""What the program of a run printed: its last lines, or line after line while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.cli.output import say
from kdsearch.texts import literal, one_line

if TYPE_CHECKING:
    from kdsearch.ledger.ledger import Ledger
    from kdsearch.ledger.records import RunRecord, StudyResults

LAST_LINES = 30
"""How many lines of its output ``kdsearch logs RUN`` shows."""

_PAUSE_SECONDS = 0.5
_WAITING = ("queued", "leased")


def runs_programs(results: StudyResults) -> bool:
    """Whether the study's runs are programs, whose output is kept for each of them."""
    task = results.study.identity.get("task")
    return isinstance(task, dict) and task.get("task") == "command"


def output_lines(results: StudyResults, run: RunRecord, most: int | None = LAST_LINES) -> list[str]:
    """The last lines that a run's program printed, indented, or all; a sentence where they are elsewhere."""
    from kdsearch.engines import outputs

    if not runs_programs(results) or run.state == "queued":
        return []
    file = outputs.find(results.study, run.id, run.attempt)
    if file is None:
        return [_elsewhere(run)]
    lines = literal(file.read_text("utf-8", "replace")).splitlines()
    said = f"its program printed {len(lines)} lines, {file}"
    shown = lines if most is None or len(lines) <= most else lines[-most:]
    return [f"{said}{'' if shown is lines else f'; the last {most}'}:", *(f"    {line}" for line in shown)]


def follow(ledger: Ledger, run_id: int) -> bool:
    """Print what a run's program prints until the run has ended; returns whether it has a result."""
    from kdsearch.engines import outputs

    lines, attempt = None, 0
    results, run = ledger.run(run_id)
    if not runs_programs(results):
        say("what a function prints goes to the log of its worker, in logs/ in KDSEARCH_HOME")
    waits = False
    while True:
        if run.state == "queued" and not waits:
            say(f"run {run.id} waits until a worker trains it; kdsearch status says whether any is at work")
        waits = run.state == "queued"
        if run.state != "queued" and run.attempt != attempt:
            attempt, lines = run.attempt, None
            say(f"run {run.id}, attempt {attempt}, worker {one_line(run.worker or 'none')}")
        file = None if waits or lines is not None else outputs.find(results.study, run.id, run.attempt)
        if file is not None:
            lines = _NewLines(file)
        ended = run.state not in _WAITING
        for line in lines.read(ended=ended) if lines is not None else ():
            say(f"    {literal(line)}")
        if ended:
            break
        time.sleep(_PAUSE_SECONDS)
        results, run = ledger.run(run_id)
    if lines is None and runs_programs(results):
        say(_elsewhere(run))
    return run.objective is not None


def _elsewhere(run: RunRecord) -> str:
    return (
        f"what its program printed is not on this machine; its worker was {one_line(run.worker or 'none')}. Machines "
        "that name one store by KDSEARCH_ARTIFACTS share it"
    )


@dataclass
class _NewLines:
    """The lines of a file that are new; of a line that is written over, as progress bars are, its last state."""

    path: Path
    lines: int = 0
    _at: int = 0

    def read(self, *, ended: bool) -> Iterator[str]:
        """Whole lines; at the end also one that has no line end, of a file that may have been tidied since."""
        skip = self.lines if ended else 0
        try:
            with self.path.open("rb") as file:
                file.seek(0 if ended else self._at)
                content = file.read()
        except OSError:
            return
        whole = len(content) if ended else content.rfind(b"\n") + 1
        found = content[:whole].decode("utf-8", "replace").split("\n")
        if not found[-1]:
            found.pop()
        for line in found[skip:]:
            yield line.rstrip("\r").rpartition("\r")[2]
        self._at += 0 if ended else whole
        self.lines += len(found[skip:])
