"""A new method is a folder with a declaration, a workload and a loss: nothing of kdsearch is edited for it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from kdsearch.tasks.base import Job, Layout, RunContext, RunRequest, RunResult
from tests.tasks.images.data import TinyImages

LOSS = '''
def logits_mse_mean(student, teacher):
    """Mean squared distance of logits: ``[..., B, C]`` to ``[...]``."""
    return (student - teacher.detach()).square().mean((-2, -1))
'''
TASK = """
from dataclasses import KW_ONLY, dataclass
from typing import Any

from kdsearch.tasks.images.task import SHARED, ImageTask
from kdsearch.tasks.options import classifier_options


@dataclass(frozen=True)
class LogitMatching(ImageTask):
    _: KW_ONLY
    teacher: Any
    student: Any

    workload = "logit_matching.workload:LogitMatchingWorkload"
    kind = "logit_matching"
    has_teacher = True
    teacher_parameters = ("match_weight",)
    idle_without_teacher = ()
    defaults = {"match_weight": 0.0, **SHARED}

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "teacher", classifier_options("the teacher", self.teacher, own=True))

    def words(self, teacher):
        return [f"student {self.student}", f"teacher {self.teacher}"]
"""
WORKLOAD = """
import torch
from logit_matching.loss import logits_mse_mean

from kdsearch.distillation.soft_targets import cross_entropy_batchmean
from kdsearch.tasks.frozen import load_state, teacher_file
from kdsearch.tasks.images.workload import ImageWorkload
from kdsearch.tasks.terms import LossWeights, WeightedTerms, teacher_outputs
from kdsearch.training.files import file_hash


class LogitMatchingTerms(WeightedTerms):
    names = ("hard", "match")

    def sum(self, outputs, samples, labels, own):
        total = own["hard"] * cross_entropy_batchmean(outputs.logits, labels)
        if own.weighs("match"):
            taught = teacher_outputs(own.teachers, samples, outputs.logits)
            total = total + own["match"] * logits_mse_mean(outputs.logits, taught)
        return total


class LogitMatchingWorkload(ImageWorkload):
    def build(self):
        return self.task.network(self.role).build(self.data.classes)

    def terms(self, members, dtype):
        return LogitMatchingTerms(self, members, dtype)

    def loss_weights(self, request, params):
        weight = float(params["match_weight"])
        return LossWeights({"hard": 1.0, "match": weight}, teacher=self.taught(request) if weight else None)

    def taught(self, request):
        path = teacher_file(request, "match_weight is not 0")
        build = lambda: load_state(self.task.build_teacher(), path)
        feed = self.feed(torch.float32)
        return self.teacher_logits(build, feed, self.data.classes, file_hash(path), str(self.task.teacher))
"""


class Jobs:
    """Two runs, both there from the beginning."""

    def __init__(self, jobs: list[Job]) -> None:
        self.waiting = jobs
        self.results: list[RunResult | None] = []

    def claim(self, free: int) -> list[Job]:
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, results: Any) -> None:
        self.results += [result for _, result in results]

    def failed(self, job: Job, error: Exception) -> None:
        raise error


def test_it_trains_a_teacher_a_student_and_a_population(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logit_matching"
    folder.mkdir()
    for name, text in {"__init__": "", "loss": LOSS, "task": TASK, "workload": WORKLOAD}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("logit_matching.task").LogitMatching
    small = {"network": "studentnet", "width": 4}
    task = make(TinyImages(), teacher={**small, "epochs": 1}, student=small, batch=20, epochs=2)
    assert task.identity()["task"] == "logit_matching"

    teacher = task.train(RunRequest("teacher", {}, 1), RunContext(tmp_path / "teacher")).weights
    requests = [RunRequest("student", {"match_weight": weight}, 3, teacher) for weight in (0.5, 0.0)]
    alone = [task.train(request, RunContext(tmp_path / f"alone{i}")) for i, request in enumerate(requests)]
    assert alone[0].curve["loss"] != alone[1].curve["loss"], "the loss is trained on"

    assert task.trains_together(requests[0])
    jobs = Jobs([Job(request, RunContext(tmp_path / f"member{i}")) for i, request in enumerate(requests)])
    task.population(Layout(2, "looped"), "cpu").train(jobs)
    for member, single in zip(jobs.results, alone, strict=True):
        assert member is not None
        assert member.curve["loss"] == pytest.approx(single.curve["loss"], rel=1e-3)
