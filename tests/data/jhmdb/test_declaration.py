from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kdsearch.data import available, jhmdb, verify
from kdsearch.errors import DataError


def test_importing_and_declaring_is_light() -> None:
    code = (
        "import sys; from kdsearch import data; data.jhmdb(); "
        "print([m for m in ('torch', 'scipy', 'PIL', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "split4"}, "split1, split2, split3, seed"),
        ({"modality": "depth"}, "poses, masks, silhouettes, frames"),
        ({"validation": 0.0}, "between 0 and 1"),
        ({"validation": 1.0}, "between 0 and 1"),
        ({"split_seed": -1}, "0 or more"),
    ],
)
def test_foreign_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        jhmdb(**options)  # type: ignore[arg-type]


def test_a_named_root_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"KDSEARCH_DATA=.*absent: expected a folder"):
        _ = jhmdb().label
    with pytest.raises(DataError, match="nowhere"):
        jhmdb(root=tmp_path / "nowhere").load(10)


def test_a_root_without_jhmdb_gives_synthetic_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path))
    assert jhmdb().is_synthetic
    assert verify() == []
    assert {row.fingerprint for row in available()} == {"synthetic"}
    assert [row.modality for row in available() if row.name == "jhmdb"] == ["poses", "masks", "silhouettes", "frames"]


def test_words_of_synthetic_data() -> None:
    data = jhmdb("split2", split_seed=0)
    assert data.label == "standin-poses-split2-5folds"
    assert data.description.startswith("synthetic data, not JHMDB")
    assert data.identity()["source"] == "stand-in"
    assert json.loads(json.dumps(data.identity())) == data.identity()
    assert jhmdb("seed", "silhouettes", split_seed=7).label == "standin-silhouettes-seed7-5folds"
    assert jhmdb("split1", split_seed=3).label == "standin-poses-split1-5folds-partition3"


def test_size_is_for_frames_alone() -> None:
    with pytest.raises(DataError, match="for frames only"):
        jhmdb().load(10, size=64)


def test_loading_twice_gives_the_same() -> None:
    a, b = jhmdb().load(5), jhmdb().load(5)
    assert np.array_equal(a.inputs, b.inputs)
    assert np.array_equal(a.validation, b.validation)
    a.inputs[:] = 0  # The caller's own copy, not the shared reading.
    assert np.array_equal(b.inputs, jhmdb().load(5).inputs)


def test_student_frames_are_a_subset_of_the_teachers() -> None:
    assert np.array_equal(jhmdb().load(20).inputs[:, ::2], jhmdb().load(10).inputs)
