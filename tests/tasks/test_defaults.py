"""The parameters of each task and their defaults: what a configuration has that names few of them, stored ones too."""

from __future__ import annotations

from typing import Any

import pytest

from kdsearch.tasks import ImageClassification, MetaAuxiliary, MutualLearning, SourceNetwork, Transfer, VideoHashing
from kdsearch.training.schedules import Plateau
from tests.tasks.images.data import TinyImages
from tests.tasks.video_hashing.data import TinyData

TINY: Any = TinyImages()
POSES: Any = TinyData()
SOURCE = SourceNetwork("shapes", {"network": "studentnet", "width": 8}, data=TINY)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            VideoHashing(POSES),
            "triplet_weight=0.1 classification_weight=1.0 representation_weight=0.0 alpha=0.0 temperature=4.0 "
            "learning_rate=0.01 weight_decay=0.0005 patience=4",
        ),
        (
            ImageClassification(TINY),
            "alpha=0.0 temperature=4.0 mode=cse learning_rate=0.001 weight_decay=0.0 patience=5",
        ),
        (MutualLearning(TINY), "mutual_weight=1.0 temperature=1.0 learning_rate=0.001 weight_decay=0.0 patience=5"),
        (
            MetaAuxiliary(TINY),
            "auxiliary_weight=1.0 entropy_weight=0.2 generator_learning_rate=0.001 generator_weight_decay=0.0005 "
            "learning_rate=0.01 weight_decay=0.0 patience=5",
        ),
        (
            Transfer(TINY, (SOURCE,)),
            "alpha=0.1 temperature=3.0 auxiliary=ce learning_rate=0.001 weight_decay=0.0 patience=5",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_defaults_are_those_of_stored_studies(task: Any, expected: str) -> None:
    found = {name: value for name, value in task.parameters.items() if name != "vary"}
    assert " ".join(f"{name}={value}" for name, value in found.items()) == expected


def test_a_transfer_module_is_as_wide_as_the_originals() -> None:
    assert Transfer(TINY, (SOURCE,)).hidden == 1000


def test_a_plateau_looks_at_the_new_objective_but_where_the_original_is_asked_for() -> None:
    for quirks, seen in (((), "current"), (("plateau_on_running_best",), "best_before")):
        task = VideoHashing(POSES, quirks=quirks)
        schedule = task.schedule("student", dict(task.parameters))
        assert isinstance(schedule, Plateau)
        assert schedule.plateau_input == seen
