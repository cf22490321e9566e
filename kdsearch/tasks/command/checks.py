"""What is wrong with the declaration of a command: said when the study file is read."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kdsearch.errors import StudyFileError, suggestion
from kdsearch.tasks.base import CURVES, DIRECTIONS
from kdsearch.tasks.command.fields import CommandFields, TeacherCommand, as_reading
from kdsearch.tasks.command.readings import Pattern, Reading
from kdsearch.tasks.command.sources import missing_script
from kdsearch.tasks.command.template import PLACES, names_in
from kdsearch.tasks.command.working_copy import check_copy
from kdsearch.values import LARGEST, is_number, plain, shown, wrong_json, wrong_name, wrong_text


def check(command: CommandFields) -> None:
    """Raise ``StudyFileError`` that lists everything that is wrong."""
    teacher: Any = command.teacher
    if teacher is not None and not isinstance(teacher, TeacherCommand):
        raise StudyFileError(
            f"command task: teacher={shown(teacher)}: expected kd.tasks.TeacherCommand(COMMAND, output=PATH)"
        )
    try:
        _ = command.templates
    except StudyFileError as error:
        raise StudyFileError(f"command task: {error}") from error
    problems = [*_fields(command)]
    if not problems:
        problems = [*_parameters(command), *_files(command), *_teacher(command)]
    if problems:
        lines = problems[0] if len(problems) == 1 else "\n  - ".join(["", *problems])
        raise StudyFileError(f"command task: {lines}")


def _fields(command: CommandFields) -> Iterator[str]:
    given: Any = command
    yield from _kinds(command)
    readings: dict[str, Any] = {"objective": given.objective, "score": given.score}
    if not isinstance(given.metrics, Mapping):
        yield f"metrics={shown(given.metrics)}: expected names with where they are read from"
        return
    for name, value in given.metrics.items():
        if wrong := "it is a name of kdsearch's own" if name in CURVES else wrong_name(name):
            yield f"metrics: {shown(name)}: {wrong}"
        readings[f"metrics, {name}"] = value if value is not None else "nothing"
    if command.teacher is not None:
        readings["the teacher's objective"] = command.teacher.objective
    for name, value in readings.items():
        if value is None and name != "objective":
            continue
        if not isinstance(value, str | Reading):
            yield (
                f"{name}={shown(value)}: expected a regular expression with one group, or Pattern, LastLine, "
                "JsonLines, CsvFile or TensorBoard of kd.tasks"
            )
        elif isinstance(value, str):
            with_group = _problem_of(lambda value=value: as_reading(value))
            if with_group:
                yield f"{name}: {with_group}"
    if not (is_number(given.chance) and -LARGEST <= given.chance <= LARGEST):
        none = isinstance(given.chance, float) and math.isnan(given.chance)
        minimizes = given.direction == "minimize"
        such = "chance=10.0 for a loss" if minimizes else "chance=0.1 for an accuracy in ten classes"
        yield (
            f"expected chance=NUMBER, the value that a run which diverges counts as, got "
            f"{'none' if none else shown(given.chance)}; give what a model that has learnt nothing reaches, such as "
            f"{such}"
        )
    if given.direction not in DIRECTIONS:
        yield f"direction is 'maximize' or 'minimize', got {shown(given.direction)}"
    if given.choose not in ("last", "best"):
        yield f"choose is 'last' or 'best', the epoch that counts, got {shown(given.choose)}"
    for name in ("metric", "label", "description", "data_version"):
        value = getattr(given, name)
        if wrong := wrong_text(value) if isinstance(value, str) else "expected a text":
            yield f"{name}={shown(value)}: {wrong}"
    limits = {"timeout": given.timeout, "the teacher's timeout": command.teacher and command.teacher.timeout}
    for name, value in limits.items():
        if value is not None and not (is_number(plain(value)) and 0 < value < math.inf):
            yield f"{name}={shown(value)}: expected seconds, a number above 0"
    for name in ("parameters", "environment"):
        if not isinstance(getattr(given, name), Mapping):
            yield f"{name}={shown(getattr(given, name))}: expected a dict"
    for name, text in given.environment.items() if isinstance(given.environment, Mapping) else ():
        texts = isinstance(name, str) and isinstance(text, str)
        if not texts or not name or "=" in name or wrong_text(name + text):
            yield f"environment: {shown(name)}={shown(text)}: expected texts"
    for name in ("linked", "code", "teacher_parameters"):
        value = getattr(given, name)
        if not isinstance(value, str | list | tuple) or not all(isinstance(part, str) for part in value):
            yield f"{name}={shown(value)}: expected a list of names"


def _kinds(command: CommandFields) -> Iterator[str]:
    """Paths and switches that are none."""
    given: Any = command
    paths = {"cwd": given.cwd, "teacher_at": given.teacher_at}
    if given.teacher is not None:
        paths["output"] = given.teacher.output
    for name, value in paths.items():
        if not isinstance(value, str | Path) and not (name == "teacher_at" and value is None):
            yield f"{name}={shown(value)}: expected a path"
    for name in ("copy", "shell", "terminal", "resumes"):
        if not isinstance(getattr(given, name), bool):
            yield f"{name}={shown(getattr(given, name))}: expected True or False"


def _parameters(command: CommandFields) -> Iterator[str]:
    named = command.named
    for name in named:
        if wrong := wrong_name(name):
            yield f"placeholder {shown(name)}: {wrong}"
    for name, value in command.parameters.items():
        if wrong := wrong_name(name) or wrong_json(value):
            yield f"parameter {shown(name)}={shown(value)}: {wrong}"
        elif name in PLACES:
            yield f"{{{name}}} is {PLACES[name]}, and no parameter: leave {name} out of parameters"
        elif name not in named:
            yield f"parameter {name!r} does nothing: no command has {{{name}}}; {suggestion(name, named)}"
    for name in command.teacher_parameters:
        if name not in named:
            yield f"teacher_parameters: no command has the placeholder {{{name}}}; {suggestion(name, named)}"


def _files(command: CommandFields) -> Iterator[str]:
    """Paths that runs beside each other would share."""
    written = {part.file: "is read" for part in command.readings if part.file}
    if command.teacher is not None:
        written[str(command.teacher.output)] = "is the teacher's output"
    for path, what in written.items():
        if "workspace" in names_in(path):
            continue
        if Path(path).is_absolute() or not command.copy:
            yield (
                f"{path!r} {what}, and runs beside each other would all write it: have the command write it below "
                "{workspace}, a folder of each run, or give each run a copy of the folder by copy=True"
            )
    if command.linked and not command.copy:
        yield "linked is of copy=True, which is not given"
    for name in command.linked:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield f"linked names {name!r}: expected a path below the folder where the command runs; put a link there"
    if command.resumes and any(isinstance(part, Pattern) for part in command.readings):
        yield (
            "resumes=True with a metric from the output: what earlier attempts printed is not read again; read it from "
            "a file that the command goes on with, such as JsonLines('{workspace}/log.jsonl', 'accuracy')"
        )
    if command.teacher_at is not None:
        if not command.copy:
            yield "teacher_at is a place in the copy of a run: give copy=True"
        if Path(command.teacher_at).is_absolute() or ".." in Path(command.teacher_at).parts:
            yield f"teacher_at={command.teacher_at!r}: expected a path below the folder where the command runs"


def _teacher(command: CommandFields) -> Iterator[str]:
    templates = command.templates
    if "teacher" in templates:
        wrong = [name for name in templates["teacher"].names if name not in PLACES or name == "teacher"]
        if wrong:
            known = ", ".join(f"{{{name}}}" for name in PLACES if name != "teacher")
            yield f"the teacher's command has {{{wrong[0]}}}; all runs share teachers, which know {known} alone"
        own = names_in(str(command.teacher.output)) if command.teacher is not None else []
        if strange := [name for name in [*own, *names_in(command.teacher_reading.file)] if name not in PLACES]:
            yield f"the teacher's output or its metric's file names {{{strange[0]}}}, a parameter that no teacher has"
        if not command.needs_teacher:
            yield "there is a teacher, and the command reads no {teacher}: write it, or say teacher_at=PATH"
    if "teacher" in [*(templates["without_teacher"].names if "without_teacher" in templates else [])]:
        yield "without_teacher reads {teacher}: it is the command of runs that have none"
    if any("teacher" in names_in(part.file) for part in command.readings):
        yield "a metric's file names {teacher}, which runs without distillation do not have"
    if command.needs_teacher and not command.teacher_parameters:
        yield (
            "the command reads a teacher: name its weights, which are all 0 in a run without distillation, by "
            "teacher_parameters, such as teacher_parameters=('alpha',)"
        )
    if command.needs_teacher and command.without_teacher is None:
        yield (
            "the command reads a teacher, and a run whose teacher weights are 0 has none: say by without_teacher how "
            "such a run is trained, which is what distillation is compared with"
        )
    if command.teacher_parameters and not command.needs_teacher:
        yield (
            "teacher_parameters are of a command that reads {teacher}; of other commands the study says what is "
            f"without distillation: kd.Study(..., without={{{command.teacher_parameters[0]!r}: 0}})"
        )


def check_files(command: CommandFields) -> None:
    """Raise ``StudyFileError`` where the folder, a program, or a script is not there."""
    place = command.place
    if not place.is_dir():
        raise StudyFileError(f"command task: expected a folder at cwd={str(command.cwd)!r}, {place}, found none")
    for name in command.code:
        if not (place / name).exists():
            raise StudyFileError(f"command task: code names {name!r}, and there is no such file in {place}")
    for key, template in command.templates.items():
        words = template.words
        script = missing_script(words, place)
        if script:
            raise StudyFileError(f"command task, {key}: there is no file {script} in {place}; say where by cwd=")
        if not template.shell and "{" not in words[0] and not _program(words[0], place):
            raise StudyFileError(
                f"command task, {key}: found no program {words[0]!r} in {place} or on PATH. {{python}} is the Python "
                "that runs kdsearch"
            )
    if command.copy:
        check_copy(place, command.linked)


def _program(name: str, place: Path) -> bool:
    return shutil.which(str(place / name) if "/" in name else name) is not None


def _problem_of(read: Any) -> str:
    try:
        read()
    except StudyFileError as error:
        return str(error)
    return ""
