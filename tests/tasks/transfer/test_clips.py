"""Transfer on clips: a 3-D student, and a source that sees the centre frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsearch.data import clips, jhmdb
from kdsearch.errors import DataError
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.transfer.task import SourceNetwork, Transfer
from kdsearch.tasks.transfer.workload import source_feed
from tests.tasks.images.data import TinyImages
from tests.tasks.images.helpers import run, train_teacher
from tests.tasks.video_hashing.data import TinyData


def task(quirks: tuple[str, ...] = ()) -> Transfer:
    source = SourceNetwork("stills", {"network": "studentnet", "width": 4, "epochs": 1}, data=TinyImages(), enlarge=32)
    return Transfer(
        clips(TinyData("frames"), frames=4),
        (source,),
        student={"network": "hara_resnet18", "width": 4},
        hidden=8,
        augment="flip",
        batch=16,
        epochs=1,
        quirks=quirks,
    )


def test_clips_are_images_of_one_more_axis() -> None:
    videos = TinyData("frames")
    data = clips(videos, frames=4)
    held, loaded = videos.load(4), data.load()
    assert loaded.inputs.shape == (60, 3, 4, 28, 32)
    assert np.array_equal(loaded.inputs[7, 2, 3], held.inputs[7, 3, :, :, 2])
    assert np.array_equal(loaded.parts.test, held.query)
    assert data.num_classes == 3
    assert data.label == "tiny-4frames"
    assert "4 frames a clip" in data.description
    assert not set(loaded.parts.validation) & set(loaded.parts.train)
    with pytest.raises(DataError, match="got data of modality 'poses'"):
        clips(jhmdb(), frames=4)
    with pytest.raises(DataError, match="frames=0"):
        clips(videos, frames=0)


def test_a_source_sees_the_centre_frame_mirrored_as_the_clip_is() -> None:
    given = task()
    workload = given.make_workload("student", "cpu")
    images = workload.data  # type: ignore[attr-defined]
    student, source = workload.feed(torch.float32), source_feed(given, given.transfer_from[0], images.images, 0)
    assert student.views == source.views == 2
    device = torch.device("cpu")
    for sample in (6, 7):
        clip, still = student.take(torch.tensor([sample]), device)[0], source.take(torch.tensor([sample]), device)[0]
        assert clip.shape == (3, 4, 28, 32)
        assert still.shape == (3, 32, 32)
    centre = images.images[3, :, 2].float() / 255
    shown = source.take(torch.tensor([6]), device)[0].mean((1, 2)) * 0.25 + 0.5
    torch.testing.assert_close(shown, centre.mean((1, 2)), rtol=1e-2, atol=1e-2)
    first, second = (source.take(torch.tensor([s]), device)[0] for s in (6, 7))
    torch.testing.assert_close(first.flip(-1), second)


def test_each_network_has_the_chance_of_its_own_data() -> None:
    given, seven = task(), TinyImages(classes=7)
    other = replace(given, transfer_from=(replace(given.transfer_from[0], data=seven),))
    assert other.chances_of("teacher") == ImageClassification(seven).chances
    assert other.chances_of("teacher") != other.chances_of("student") == given.chances_of("student")


def test_it_trains(tmp_path: Path) -> None:
    given = task()
    teacher = train_teacher(given, tmp_path / "teacher")
    result = run(given, tmp_path / "run", teacher, params={"alpha": 0.5})
    assert result.state == "done"
    assert result.weights is not None
    state = torch.load(result.weights, weights_only=True)["state"]
    assert any(value.dim() == 5 for value in state.values())
    assert state["heads.stills.classify.weight"].shape == (3, 8)
