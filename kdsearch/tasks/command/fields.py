"""What the declaration of a command says, field by field, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kdsearch.tasks.base import Direction, Scalar
from kdsearch.tasks.command.readings import Pattern, Reading
from kdsearch.tasks.command.template import PLACES, Template, names_in
from kdsearch.values import Declared


@dataclass(frozen=True)
class TeacherCommand(Declared):
    """The command that trains a teacher, and the file that it writes.

    ``output``: the path of that file, in the folder where the command runs or in ``{workspace}``. ``objective``: as of
    :class:`Command`; without it the teacher's objective is read as its students' is. ``timeout``: seconds.
    """

    command: str | Sequence[str]
    output: str | Path
    objective: Reading | str | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class CommandFields(Declared):
    """The fields of :class:`~kdsearch.tasks.command.task.Command`, which documents them."""

    command: str | Sequence[str]
    objective: Reading | str
    score: Reading | str | None = None
    chance: float = field(default=math.nan, kw_only=True)
    direction: Direction = field(default="maximize", kw_only=True)
    choose: Literal["last", "best"] = field(default="last", kw_only=True)
    metrics: Mapping[str, Reading | str] = field(default_factory=dict, kw_only=True)
    parameters: Mapping[str, Scalar] = field(default_factory=dict, kw_only=True)
    cwd: str | Path = field(default=".", kw_only=True)
    copy: bool = field(default=False, kw_only=True)
    linked: Sequence[str] = field(default=(), kw_only=True)
    environment: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    shell: bool = field(default=False, kw_only=True)
    terminal: bool = field(default=False, kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)
    resumes: bool = field(default=False, kw_only=True)
    code: Sequence[str] = field(default=(), kw_only=True)
    teacher: TeacherCommand | None = field(default=None, kw_only=True)
    teacher_parameters: tuple[str, ...] = field(default=(), kw_only=True)
    without_teacher: str | Sequence[str] | None = field(default=None, kw_only=True)
    teacher_at: str | None = field(default=None, kw_only=True)
    metric: str = field(default="", kw_only=True)
    label: str = field(default="command", kw_only=True)
    description: str = field(default="", kw_only=True)
    data_version: str = field(default="none", kw_only=True)
    must_set: tuple[str, ...] = field(default=(), kw_only=True)
    folder: Path | None = field(default=None, kw_only=True, repr=False, compare=False)
    """Of the study file."""

    @property
    def templates(self) -> dict[str, Template]:
        """The student's command, that of a run without a teacher, and the teacher's, as far as they are given."""
        found = {"command": Template(self.command, self.shell)}
        if self.without_teacher is not None:
            found["without_teacher"] = Template(self.without_teacher, self.shell)
        if self.teacher is not None:
            found["teacher"] = Template(self.teacher.command, self.shell)
        return found

    @property
    def placeholders(self) -> list[str]:
        """What the student's commands, their variables and files name in braces."""
        found = [name for key, template in self.templates.items() if key != "teacher" for name in template.names]
        texts = [*self.environment.values(), *(part.file for part in self.readings)]
        return list(dict.fromkeys([*found, *(name for text in texts for name in names_in(text))]))

    @property
    def objective_reading(self) -> Reading:
        """Where the objective is read from."""
        return as_reading(self.objective)

    @property
    def score_reading(self) -> Reading | None:
        """Where the score is read from."""
        return None if self.score is None else as_reading(self.score)

    @property
    def teacher_reading(self) -> Reading:
        """Where the teacher's objective is read from."""
        given = None if self.teacher is None else self.teacher.objective
        return self.objective_reading if given is None else as_reading(given)

    @property
    def readings(self) -> list[Reading]:
        """All of them."""
        score = [] if self.score is None else [as_reading(self.score)]
        return [self.objective_reading, *score, self.teacher_reading, *self.metric_readings.values()]

    @property
    def metric_readings(self) -> dict[str, Reading]:
        """Where further metrics are read from."""
        return {name: as_reading(given) for name, given in self.metrics.items()}

    @property
    def named(self) -> list[str]:
        """The parameters that its commands read."""
        return [name for name in self.placeholders if name not in PLACES]

    @property
    def has_teacher(self) -> bool:
        """Whether runs read a teacher's file."""
        return self.teacher is not None or self.needs_teacher

    @property
    def needs_teacher(self) -> bool:
        """Whether the student's command reads the teacher's file."""
        return self.teacher_at is not None or "teacher" in self.templates["command"].names

    @property
    def place(self) -> Path:
        """The folder where it runs, or of which a run gets a copy."""
        return ((self.folder or Path()) / Path(self.cwd).expanduser()).resolve()


def as_reading(given: Reading | str) -> Reading:
    """A text is a pattern."""
    return Pattern(given) if isinstance(given, str) else given
