"""Live progress of a launch: a bar in a terminal, a line every 15 seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from typing_extensions import override

from kdsearch.engines import coordinator
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import EventRecord
from kdsearch.report.status import duration
from kdsearch.search.remaining import Remaining, remaining
from kdsearch.statistics.rounding import alone, spread_out
from kdsearch.texts import literal, one_line, shortened

_LINE_SECONDS = 15.0
_EVENT_SECONDS = 1.0
LONGEST_EVENT = 1_000
"""Characters of an event that are shown."""

_SHOWN_EVENTS = (
    "preflight",
    "search ended",
    "search without teacher ended",
    "winner",
    "teacher replaced",
    "pair lost",
    "exception",
    "lease lost",
    "worker died",
    "discarded",
    "mirror",
    "code changed",
)


class _Bar(Progress):
    """A bar with a note below it, where a narrow terminal has room for it."""

    note = ""

    @override
    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.note)


class View:
    """Shows how far a study is, and each event worth a line, as long as the block lasts."""

    def __init__(self, console: Console, ledger: Ledger, study_id: int) -> None:
        self._console = console
        self._ledger = ledger
        self._study_id = study_id
        self._last_event = max((event.id for event in ledger.events_after(study_id, 0)), default=0)
        self._events_read = self._line_printed = time.monotonic()
        runs = TextColumn("{task.completed:.0f}/{task.total:.0f} runs", markup=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), runs, TimeElapsedColumn())
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._bar = _Bar(*columns, console=console, disable=not self._live)
        self._task = self._bar.add_task("teacher", total=1)

    def __enter__(self) -> View:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Show the last events and leave the bar as it stands."""
        self._events()
        self._bar.stop()

    def show(self, progress: coordinator.Progress) -> None:
        """Show the state of now."""
        now = time.monotonic()
        if now - self._events_read > _EVENT_SECONDS:
            self._events()
            self._events_read = now
        state = progress.state
        left = remaining(state.study, state.configurations, state.runs)
        note, total = _note(progress, left), progress.ended + left.runs
        self._bar.note = note = one_line(note)
        self._bar.update(self._task, description=progress.phase, completed=progress.ended, total=total)
        if not self._live and now - self._line_printed > _LINE_SECONDS:
            self._line_printed = now
            line = f"{progress.phase}: {progress.ended}/{total} runs"
            self._console.print(f"{line}, {note}" if note else line)

    def _events(self) -> None:
        for event in self._ledger.events_after(self._study_id, self._last_event):
            self._last_event = event.id
            if event.kind in _SHOWN_EVENTS:
                self._console.print(event_line(event))


def event_line(event: EventRecord) -> str:
    """The message of an event; what follows its first line is indented, so that it is not taken for another event."""
    more = "" if event.run_id is None else f"see kdsearch logs {event.run_id}"
    return literal(shortened(event.message, LONGEST_EVENT, more)).replace("\n", "\n    ")


def _note(progress: coordinator.Progress, left: Remaining) -> str:
    parts = []
    if progress.leader is not None:
        leader = progress.leader
        role = "winner" if progress.phase in ("confirm", "finished") else "leader"
        value = spread_out(leader.mean, leader.raw_sd) if leader.n > 1 else alone(leader.mean)
        parts.append(f"{role} {leader.name}: {value} (n={leader.n}, objective)")
    if left.seconds is not None and progress.phase != "finished":
        parts.append(f"about {duration(left.seconds)} left")
    failed = progress.counts.get("failed", 0)
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)
