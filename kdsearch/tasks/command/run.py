"""One run of a command task: its place, its values, its result."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.command.fields import CommandFields
from kdsearch.tasks.command.process import as_on_screen
from kdsearch.tasks.command.program import Program
from kdsearch.tasks.command.template import fill_text, names_in
from kdsearch.tasks.command.working_copy import make_copy

OUTPUT = "command-output.txt"
"""The file in a run's workspace that takes what its command prints, where the context names no other."""

_COPY = "copy"
"""The folder in a run's workspace that holds its copy of the user's folder."""


def train(command: CommandFields, request: RunRequest, context: RunContext) -> RunResult:
    """Run the command of a student, or of a teacher, once."""
    begin = time.perf_counter()
    workspace = context.workspace.resolve()
    folder = _folder(command, request, workspace)
    values = _values(request, workspace, context.device)
    output = _output_file(context)
    variables = _variables(command, values, context.device)
    try:
        measured = _program(command, request).run(
            folder, output, values, variables, context.report, context.interrupted
        )
    finally:
        as_on_screen(output)
    finite = math.isfinite(measured.objective) and (measured.score is None or math.isfinite(measured.score))
    return RunResult(
        state="done" if finite else "diverged",
        objective=measured.objective if finite else command.chance,
        score=measured.score if finite or measured.score is None else command.chance,
        epoch=measured.epoch,
        epochs=int(measured.curve["epoch"][-1]),
        curve=measured.curve,
        metrics=measured.metrics,
        seconds=time.perf_counter() - begin,
        device=context.device,
        weights=_output(command, folder, values) if request.role == "teacher" and finite else None,
    )


def _output_file(context: RunContext) -> Path:
    """Where what the command prints goes: a new file that no other user of the machine reads."""
    output = context.output or context.workspace / OUTPUT
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    output.touch(mode=0o600)
    return output.resolve()


def _program(command: CommandFields, request: RunRequest) -> Program:
    templates = command.templates
    taught = request.teacher is not None or "without_teacher" not in templates
    student = Program(
        templates["command" if taught else "without_teacher"],
        command.objective_reading,
        command.score_reading,
        choose=command.choose,
        minimize=command.direction == "minimize",
        metrics=command.metric_readings,
        timeout=command.timeout,
        terminal=command.terminal,
    )
    if request.role == "student":
        return student
    if command.teacher is None:
        raise KdsearchError("this command task trains no teacher: give teacher=kd.tasks.TeacherCommand(...)")
    own = templates["teacher"]
    return replace(
        student,
        template=own,
        objective=command.teacher_reading,
        score=None,
        metrics={},
        timeout=command.teacher.timeout,
    )


def _folder(command: CommandFields, request: RunRequest, workspace: Path) -> Path:
    """Where the command runs; what an earlier attempt left is removed first, unless the command goes on with it."""
    if not command.resumes:
        for path in workspace.iterdir():
            _remove(path)
    if not command.copy:
        return command.place
    folder = workspace / _COPY
    if not folder.exists():
        made = make_copy(command.place, workspace / f"{_COPY}.part", command.linked)
        made.rename(folder)  # whole or absent
    if request.teacher is not None and command.teacher_at is not None:
        target = folder / command.teacher_at
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(request.teacher, target)  # a copy: the command may write over it
    return folder


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _values(request: RunRequest, workspace: Path, device: str) -> dict[str, Any]:
    own = {"seed": request.seed, "workspace": workspace, "device": device, "python": sys.executable}
    teacher = {} if request.teacher is None else {"teacher": request.teacher.resolve()}
    # All students share a teacher: parameters have no value for it.
    params = {} if request.role == "teacher" else request.params
    return {**params, **own, **teacher}


def _variables(command: CommandFields, values: Mapping[str, Any], device: str) -> dict[str, str]:
    """The environment of this process, with output that is written at once, and no GPU for a run on the CPU."""
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""
    for name, text in command.environment.items():
        if all(part in values for part in names_in(text)):  # a run without a teacher has no {teacher}
            variables[name] = fill_text(text, values)
    return variables


def _output(command: CommandFields, folder: Path, values: Mapping[str, Any]) -> Path:
    """The file that the teacher's command wrote."""
    assert command.teacher is not None
    path = folder / fill_text(str(command.teacher.output), values)
    if not path.is_file() or path.stat().st_size == 0:
        raise KdsearchError(
            f"the teacher's command ended well and left no file at {command.teacher.output}, which output= names"
        )
    return path
