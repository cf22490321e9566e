from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kdsearch.data import Jhmdb, jhmdb
from kdsearch.data.jhmdb.synthetic import SyntheticReader
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Task
from kdsearch.tasks.video_hashing.task import QUIRKS, VideoHashing
from tests.tasks.video_hashing.data import TinyData


def make(**options: Any) -> VideoHashing:
    return VideoHashing(TinyData(), **options)


def test_it_is_a_task() -> None:
    task: Task = make()
    assert all(hasattr(task, name) for name in dir(Task) if not name.startswith("_"))
    assert set(make().teacher_parameters) <= set(make().parameters)
    assert make().metric == "mAP"
    assert make().label == "tiny"


def test_declaring_imports_no_torch() -> None:
    code = (
        "import sys, kdsearch.tasks.video_hashing.task as v\n"
        "class D:\n"
        "    label = description = 'd'; modality = 'poses'\n"
        "    def identity(self): return {}\n"
        "    def fingerprint(self): return 'f'\n"
        "t = v.VideoHashing(D(), quirks=('stable_ties',)); t.description, t.identity(), t.parameters, t.sources()\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": {"frame": 20}}, r"unknown option of the teacher 'frame'\. Did you mean 'frames'\?"),
        (
            {"student": {"learning_rate": 0.1}},
            r"unknown option of the student 'learning_rate'.* Allowed: frames, width",
        ),
        ({"quirks": ("stable_tie",)}, r"unknown quirk 'stable_tie'\. Did you mean 'stable_ties'\?"),
        ({"optimizer": "adamm"}, r"Did you mean 'adam'\?"),
        ({"encoder": "pose"}, r"unknown encoder 'pose'.*pose_conv"),
        ({"student": {"frames": 7}}, r"every k-th of the teacher's, got 20 teacher frames; choose a multiple of 7"),
        ({"student": {"frames": 0}}, r"student: frames must be a whole number of at least 1, got 0"),
        ({"bits": 4.5}, r"bits must be a whole number of at least 1, got 4\.5"),
        ({"batch": 1}, r"batch must be a whole number of at least 2, got 1"),
        ({"precision": "float16"}, r"unknown precision 'float16'.* Allowed: float32, bfloat16"),
        ({"micro_batch": 1}, r"micro_batch must be a whole number of at least 2, got 1"),
    ],
)
def test_errors_name_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        make(**options)


def test_an_encoder_for_other_data_is_refused() -> None:
    with pytest.raises(StudyFileError, match="'hara_resnet18' reads frames, the data are poses"):
        make(encoder="hara_resnet18").identity()


def test_unknown_options_of_a_preset() -> None:
    with pytest.raises(StudyFileError, match=r"unknown option of VideoHashing 'epoch'\. Did you mean 'epochs'\?"):
        make().with_options(epoch=3)


def test_presets_merge_into_the_networks() -> None:
    task = make(teacher={"frames": 8, "width": 6}, student={"frames": 4}).with_options(teacher={"width": 3}, epochs=2)
    assert task.network("teacher").given() == {"frames": 8, "width": 3}
    assert task.network("student").given() == {"frames": 4}
    assert task.epochs == 2


def test_frozen_hashable_and_equal_by_value() -> None:
    one, two = make(teacher={"frames": 20, "width": 8}), make(teacher={"width": 8})
    assert one == two
    assert hash(one) == hash(two)
    assert one != make()
    with pytest.raises(AttributeError):
        one.bits = 3  # type: ignore[misc]


def test_identity_is_json_and_tells_options_apart() -> None:
    tasks = [make(), make(bits=32), make(student={"width": 8}), make(quirks=("stable_ties",)), make(margin=12.0)]
    tasks.append(VideoHashing(TinyData(noise=2.0)))
    assert len({json.dumps(task.identity(), sort_keys=True) for task in tasks}) == len(tasks)


def test_options_for_large_networks_change_the_identity_only_where_they_are_used() -> None:
    usual = make().identity()
    assert not {"precision", "recompute", "micro_batch"} & set(usual), "studies stored before them stay the same"
    for options in ({"precision": "bfloat16"}, {"micro_batch": 30}):
        assert make(**options).identity() == usual | options
    assert make(activation_checkpointing=True).identity() == usual | {"recompute": True}, "as older studies store it"


def test_an_option_that_was_renamed_is_refused_with_its_new_name() -> None:
    with pytest.raises(StudyFileError, match="recompute is named activation_checkpointing: write activation_check"):
        make(recompute=True)
    with pytest.raises(StudyFileError, match="activation_checkpointing=False in its place"):
        make().with_options(recompute=False)


def test_quirks_label_themselves() -> None:
    assert "as the original" not in make().description
    description = make(quirks=tuple(QUIRKS)).description
    assert all(text in description for text in QUIRKS.values())
    assert "score at the best epoch on test (optimistic)" in make(quirks="best_epoch_on_test").description


def test_sources_exist() -> None:
    assert {path.name for path in make().sources()} >= {"tasks", "training", "distillation", "models", "metrics"}
    assert all(path.exists() for path in make().sources())


def test_chance_is_that_of_constant_codes() -> None:
    # 12 queries of 3 classes, 30 clips, 10 of each: c = 9/29 and H[30] = 3.99499.
    slope = 9 / 29
    harmonic = sum(1 / k for k in range(1, 31))
    assert make().chance == pytest.approx(slope + (1 - slope) * harmonic / 30, abs=1e-12)


@pytest.mark.parametrize("modality", ["poses", "masks", "silhouettes", "frames"])
def test_declaring_and_chance_read_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("frames were read")

    monkeypatch.setattr(Jhmdb, "load", refuse)
    monkeypatch.setattr(SyntheticReader, "clip", refuse)
    task = VideoHashing(jhmdb(modality=modality, root=tmp_path))
    assert task.label == f"standin-{modality}-split1-5folds"
    assert task.description.startswith("synthetic data, not JHMDB")
    assert json.dumps(task.identity())
    assert task.fingerprint()
    assert 0.07 < task.chance < 0.1
    assert 0.07 < task.chances[1] < 0.1


def test_sources_hold_no_path_of_a_machine() -> None:
    for path in make().sources():
        for file in Path(path).rglob("*.py"):
            assert "/work/" not in file.read_text(), file
