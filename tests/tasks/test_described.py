"""Descriptions name where the teacher comes from: trained by the study under its recipe, or from a file."""

from __future__ import annotations

from typing import Any

import pytest

from kdsearch.data import cifar10, jhmdb
from kdsearch.tasks import ImageClassification, MutualLearning, SourceNetwork, Transfer, VideoHashing
from tests.tasks.images.data import TinyImages

TINY: Any = TinyImages()
TRAINED = SourceNetwork("shapes", {"network": "studentnet", "width": 8}, data=TINY)
READY = SourceNetwork("imagenet", {"network": "resnet18", "weights": "IMAGENET1K_V1"}, classes=1000)


@pytest.fixture(autouse=True)
def _synthetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)


@pytest.mark.parametrize(
    ("task", "own", "given"),
    [
        (VideoHashing(jhmdb()), "20 frames, last epoch; 48 bits", "20 frames, from w.pt; 48 bits"),
        (VideoHashing(jhmdb(validation=0.2)), "20 frames; 48 bits", "20 frames, from w.pt; 48 bits"),
        (ImageClassification(cifar10(train=600)), ", last epoch", ", from w.pt"),
        (
            Transfer(TINY, (TRAINED, READY)),
            "(trained here on tiny synthetic images)",
            "(3 classes, from w.pt)",
        ),
    ],
)
def test_a_given_teacher_is_not_said_to_be_trained(task: Any, own: str, given: str) -> None:
    assert task.described() == task.description
    assert own in task.description
    assert task.described("w.pt") == task.description.replace(own, given)


def test_weights_of_others_and_tasks_without_teacher_are_described_alike() -> None:
    assert READY.described("w.pt") == str(READY)
    peers = MutualLearning(TINY)
    assert peers.described("w.pt") == peers.description
