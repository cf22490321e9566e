"""One command of a task at work: run in its place, its metric followed, its end judged."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kdsearch.errors import KdsearchError, RunInterrupted
from kdsearch.tasks.command.followers import Follower
from kdsearch.tasks.command.numbers import Points
from kdsearch.tasks.command.process import CommandProcess, said_of
from kdsearch.tasks.command.readings import Reading, is_counted
from kdsearch.tasks.command.template import Template, fill_text
from kdsearch.values import measured

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_READING_SHARE = 20.0  # a twentieth of the time at most is spent on reading what is there so far
_LARGEST_EPOCH = 2**31 - 1


@dataclass(frozen=True)
class Measured:
    """What a command's readings gave: the chosen epoch, its values, and the curves; both lists have one length."""

    epoch: int
    objective: float
    score: float | None
    curve: dict[str, list[float]]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Program:
    """A command with where its metrics are read from and which of their values counts; ``timeout`` in seconds.

    ``minimize``: the best value is the lowest. ``metrics``: where further ones are read from.
    """

    template: Template
    objective: Reading
    score: Reading | None = None
    choose: Literal["last", "best"] = "last"
    minimize: bool = False
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    timeout: float | None = None
    terminal: bool = False

    def run(
        self,
        folder: Path,
        output: Path,
        values: Mapping[str, Any],
        variables: Mapping[str, str],
        report: Callable[[int, float], None],
        interrupted: Callable[[], bool],
    ) -> Measured:
        """Run it in ``folder`` to its end; ``report`` gets each epoch's objective as soon as a later one is there.

        ``output``: an empty file. Raises ``RunInterrupted`` where ``interrupted`` says so, and ``KdsearchError`` with
        the command's last lines where it fails, takes too long, or gives no number.
        """
        arguments = self.template.fill(values)
        curves = _Curves(self, self._follow(self.objective, folder, output, values), report)
        if self.score is not None:
            curves.scores = self._follow(self.score, folder, output, values)
        for name, reading in self.metrics.items():
            curves.metrics[name] = self._follow(reading, folder, output, values)
        with CommandProcess(arguments, folder, variables, output, terminal=self.terminal) as process:
            try:
                self._watch(process, curves, interrupted)
                if process.code != 0:
                    raise KdsearchError(f"the command ended by {said_of(process.code or 0)}")
                return curves.result()
            except KdsearchError as error:
                raise KdsearchError(f"{error}. {_last(process)}") from None

    def _watch(self, process: CommandProcess, curves: _Curves, interrupted: Callable[[], bool]) -> None:
        """Until the command has ended; a curve that is slow to read is read seldom."""
        begin = time.monotonic()
        pause, due = _SHORTEST_PAUSE, begin
        while not process.ended(pause):
            if interrupted():
                raise RunInterrupted
            now = time.monotonic()
            if self.timeout is not None and now - begin > self.timeout:
                raise KdsearchError(f"the command took longer than timeout={self.timeout:g} s")
            if now >= due:
                due = now + _READING_SHARE * curves.read()
            pause = min(_LONGEST_PAUSE, 2 * pause)

    def _follow(self, reading: Reading, folder: Path, output: Path, values: Mapping[str, Any]) -> Follower:
        return reading.follow(folder / fill_text(reading.file, values) if reading.file else output)


@dataclass
class _Curves:
    """What is read of one run so far."""

    program: Program
    objectives: Follower
    report: Callable[[int, float], None]
    scores: Follower | None = None
    metrics: dict[str, Follower] = field(default_factory=dict)
    reported: int | None = None

    def read(self) -> float:
        """Report what is new; returns the seconds that reading took."""
        begin = time.monotonic()
        points = self.objectives.so_far()
        self._report(sorted(points)[:-1], points)  # the value of an epoch that goes on may be replaced
        return time.monotonic() - begin

    def _report(self, epochs: list[int], points: Points) -> None:
        for epoch in epochs:
            if self.reported is None or epoch > self.reported:
                self.reported = epoch
                self.report(epoch, points[epoch])

    def result(self) -> Measured:
        """What the whole run gave."""
        points = {epoch: measured(value) for epoch, value in sorted(self.objectives.whole().items())}
        if not points:
            raise KdsearchError(f"the command ended well and gave no objective: expected {self.program.objective}")
        if any(abs(epoch) > _LARGEST_EPOCH for epoch in points):
            raise KdsearchError(f"expected epochs or steps up to {_LARGEST_EPOCH}, came {max(points, key=abs)}")
        with contextlib.suppress(RunInterrupted):  # it has ended: nothing is left to interrupt
            self._report(list(points), points)
        chosen = self._chosen(points)
        score, curve = None, {"epoch": [float(epoch) for epoch in points], "objective": list(points.values())}
        if self.scores is not None:
            scores = {epoch: measured(value) for epoch, value in self.scores.whole().items()}
            self._check_count("score", self.program.score, scores, points)
            score = self._score(scores, chosen)
            if scores.keys() >= points.keys():
                curve["score"] = [scores[epoch] for epoch in points]
        return Measured(chosen, points[chosen], score, curve, self._further(chosen, curve, points))

    def _check_count(self, name: str, reading: Reading | None, values: Points, points: Points) -> None:
        """Numbers whose epochs are counted are of the same epochs where there are as many, or where there is one."""
        counted = is_counted(reading) and is_counted(self.program.objective)
        if counted and len(values) not in (0, 1, len(points)):
            raise KdsearchError(
                f"the output has the objective {len(points)} times and {name} {len(values)} times, so that it is not "
                "known which belong to one epoch; name the epoch, as in kd.tasks.Pattern(r'...', epoch=r'Epoch (\\d+)')"
            )

    def _further(self, chosen: int, curve: dict[str, list[float]], points: Points) -> dict[str, float]:
        """Further metrics at the chosen epoch, or the one value that there is; their curves are added to ``curve``."""
        found = {}
        for name, follower in self.metrics.items():
            values = {epoch: measured(value) for epoch, value in follower.whole().items()}
            self._check_count(name, self.program.metrics[name], values, points)
            if chosen in values or len(values) == 1:
                found[name] = values.get(chosen, next(iter(values.values())))
            if len(values) > 1:
                curve[name] = [values.get(int(epoch), math.nan) for epoch in curve["epoch"]]
        return found

    def _chosen(self, points: Points) -> int:
        """The epoch that counts: the last one, or the first of the best."""
        finite = [epoch for epoch, value in points.items() if math.isfinite(value)]
        if self.program.choose == "last" or not finite:
            return max(points)
        sign = -1 if self.program.minimize else 1
        return max(finite, key=lambda epoch: (sign * points[epoch], -epoch))

    def _score(self, scores: Points, chosen: int) -> float:
        """The score of the chosen epoch, or the one that there is."""
        if not scores:
            raise KdsearchError(f"the command ended well and gave no score: expected {self.program.score}")
        if chosen not in scores and len(scores) > 1:
            near = ", ".join(map(str, sorted(scores)[:5]))
            raise KdsearchError(f"expected a score of epoch {chosen}, whose objective counts; it gave those of {near}")
        return scores.get(chosen, next(iter(scores.values())))


def _last(process: CommandProcess) -> str:
    tail = process.tail()
    return f"Its last lines:\n{tail}" if tail else "It printed nothing."
