"""Any program as a task: its command line, where its metric is read from, and its teacher as a command too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdsearch.data.files import combined
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import RunContext, RunRequest, RunResult, Scalar, Task
from kdsearch.tasks.command.checks import check, check_files
from kdsearch.tasks.command.fields import CommandFields
from kdsearch.tasks.command.run import train
from kdsearch.tasks.command.sources import source_files
from kdsearch.values import plain, plain_values


@dataclass(frozen=True)
class Command(CommandFields):
    """A program that trains once for each run, such as ``"python train.py --T={temperature} --seed={seed}"``.

    The text is split into arguments as a shell does it; no shell takes part, unless ``shell`` asks for one. ``{name}``
    stands for a parameter, and ``{seed}``, ``{workspace}`` (a folder of the run), ``{teacher}`` (the teacher's file),
    ``{device}`` and ``{python}`` for what kdsearch gives. An argument that is a placeholder alone is left out where its
    value is empty.

    ``objective``, ``score``: where the validation and the test metric are read from: a :class:`Pattern` or its text,
    :class:`LastLine`, :class:`JsonLines`, :class:`CsvFile`, :class:`TensorBoard`. Higher is better, or with
    ``direction="minimize"`` lower. Of several values the ``last`` one counts, or with ``choose="best"`` that of the
    best epoch; the score is that of the same epoch, or the one that there is. A value that is not finite makes the run
    ``diverged``, which counts as ``chance``: what a model that has learnt nothing reaches. An exit code other than 0 is
    a failure.

    ``metrics``: further metrics by their names, read in the same ways; they take part in no choice, and stand in tables
    and exports with their value at the epoch that counts. ``parameters``: defaults of parameters. ``cwd``: where it
    runs, relative to the study file; without it the study file's folder. ``copy``: each run in a copy of that folder,
    for programs that write beside their source; ``linked`` names what is linked there instead of copied, such as data.
    ``environment``: variables, with placeholders too. ``terminal``: it gets a terminal of its own. ``timeout``: seconds
    until it is ended and the run fails. ``resumes``: it goes on with what an earlier attempt left in ``{workspace}`` or
    in its copy; otherwise each attempt begins anew. ``code``: files and folders of the program beside those that its
    command names and that these import.

    ``teacher``: a :class:`TeacherCommand`; ``teacher_parameters``: the weights that are all 0 in a run without
    distillation. Such a run is trained without a teacher by ``without_teacher``, where ``command`` needs its file.
    ``teacher_at``: where in the copy a run finds that file, for programs that look for it there.
    """

    def __post_init__(self) -> None:
        for name in ("chance", "timeout", "metric", "label", "description", "data_version"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        for name in ("linked", "code", "teacher_parameters"):
            value = getattr(self, name)
            if isinstance(value, str | list | tuple):
                object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        check(self)
        object.__setattr__(self, "parameters", plain_values(self.parameters))
        object.__setattr__(self, "metric", self.metric or self.objective_reading.metric)
        object.__setattr__(self, "description", self.description or self._described())

    def _described(self) -> str:
        """The program by its name; a study's tables say it beside each number."""
        words = self.templates["command"].words
        name = next((word for word in words if word.endswith(".py")), "")
        if not name and "-m" in words[:-1]:
            name = words[words.index("-m") + 1]
        told = f"values of {name or words[0]}, as it gives them"
        return told if "seed" in self.placeholders else f"{told} (it takes no seed: no run of it can be repeated)"

    def identity(self) -> dict[str, Any]:
        """The commands, where their metrics are read from, and the defaults."""
        teacher = None
        if self.teacher is not None:
            teacher = {
                "command": _as_json(self.teacher.command),
                "output": str(self.teacher.output),
                "objective": self.teacher_reading.identity(),
            }
        return {
            "task": "command",
            "command": _as_json(self.command),
            "objective": self.objective_reading.identity(),
            "score": None if self.score_reading is None else self.score_reading.identity(),
            "choose": self.choose,
            **(
                {"metrics": {name: part.identity() for name, part in self.metric_readings.items()}}
                if self.metrics
                else {}
            ),
            **({"direction": self.direction} if self.direction != "maximize" else {}),
            "chance": self.chance,
            "metric": self.metric,
            "defaults": dict(self.parameters),
            "cwd": str(self.cwd),
            "environment": dict(self.environment),
            "shell": self.shell,
            "teacher": teacher,
            "teacher_parameters": list(self.teacher_parameters),
            "without_teacher": _as_json(self.without_teacher),
            "teacher_at": self.teacher_at,
            "copy": self.copy,
            "resumes": self.resumes,
        }

    def fingerprint(self) -> str:
        """Hash of what the user said the data's version is."""
        return hashlib.sha256(self.data_version.encode()).hexdigest()[:16]

    def evaluation_fingerprint(self) -> str | None:
        """Hash of what its values are measured on; ``None`` where the user does not say what the data's version is."""
        return None if self.data_version == "none" else combined([self.label, self.metric, self.data_version])

    def sources(self) -> Sequence[Path]:
        """The scripts that the commands name, the modules of their folder that they import, and ``code``."""
        found = [path for template in self.templates.values() for path in source_files(template.words, self.place)]
        return list(dict.fromkeys([*found, *(self.place / name for name in self.code)]))

    def beside(self, folder: Path | None) -> Command:
        """The same task in the folder of a study file; raises ``StudyFileError`` where its files are not there."""
        found = replace(self, folder=folder)
        check_files(found)
        return found

    def with_options(self, **options: Any) -> Task:
        """The same task with other fields."""
        if "command" in options or "objective" in options:
            options = {"description": "", **options}
        if "objective" in options and self.metric == self.objective_reading.metric:
            options = {"metric": "", **options}  # it was named after what it is read from
        try:
            return replace(self, **options)
        except TypeError as error:
            raise StudyFileError(f"a command has no such option: {error}") from error

    def with_defaults(self, defaults: Mapping[str, Scalar], must_set: Sequence[str] = ()) -> Command:
        """The same task with some defaults given; ``must_set``: those that only hold a place."""
        left = [name for name in self.must_set if name not in defaults]
        return replace(self, parameters={**self.parameters, **defaults}, must_set=tuple({*left, *must_set}))

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        """Run the command once."""
        return train(self, request, context)


def _as_json(command: str | Sequence[str] | None) -> str | list[str] | None:
    return command if command is None or isinstance(command, str) else list(command)
