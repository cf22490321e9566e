"""Students that listen to several teachers of one draw: the mean of their softened answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdsearch.models.heads.hashing import HashingOutput


def listening(task: Any, files: list[Path | None]) -> Any:
    """The task with workloads whose runs ask the teachers in all these files."""

    class Listening(type(task)):  # type: ignore[misc]
        def make_workload(self, role: str, device: str, *fold: Any) -> Any:
            return _Workload(super().make_workload(role, device, *fold), files)

    return as_kind(Listening, task)


def as_kind(kind: type, task: Any) -> Any:
    """The task as one of another class with the same fields."""
    return kind(**{field.name: getattr(task, field.name) for field in fields(task) if field.init})


class _Workload:
    """A workload whose runs ask several teachers."""

    def __init__(self, workload: Any, files: list[Path | None]) -> None:
        self._workload = workload
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workload, name)

    def loss_weights(self, request: Any, params: Any) -> Any:
        each = [self._workload.loss_weights(replace(request, teacher=file), params) for file in self._files]
        said = together([weights.teacher for weights in each], float(params["temperature"]))
        return replace(each[0], teacher=said)


def together(teachers: list[Callable[[Tensor], Any]], temperature: float) -> Callable[[Tensor], Any]:
    """One teacher whose softened answer is the mean of theirs: logits ``T log mean softmax(z / T)``.

    Codes are the first teacher's: no bit of one network means what that bit of another does.
    """

    def mean(logits: list[Tensor]) -> Tensor:
        softened = torch.stack([torch.softmax(z / temperature, -1) for z in logits]).mean(0)
        return temperature * softened.clamp_min(1e-30).log()

    def ask(samples: Tensor) -> Any:
        answers = [teacher(samples) for teacher in teachers]
        if isinstance(answers[0], HashingOutput):
            return HashingOutput(answers[0].codes, mean([answer.logits for answer in answers]))
        return mean(answers)

    return ask
