from __future__ import annotations

import time

import numpy as np
import pytest

from kdsearch.data import Clips, jhmdb
from kdsearch.data.clips import TEST
from kdsearch.data.jhmdb.synthetic import open_synthetic


def ridge_accuracy(clips: Clips, strength: float = 100.0) -> float:
    """Share of queries whose class a linear ridge on flattened frames tells, learnt on the database."""
    x = clips.inputs.reshape(len(clips), -1).astype(np.float64)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    train, targets = x[clips.database], np.eye(len(clips.classes))[clips.labels[clips.database]]
    weights = train.T @ np.linalg.solve(train @ train.T + strength * np.eye(len(train)), targets)
    return float(((x[clips.query] @ weights).argmax(axis=1) == clips.labels[clips.query]).mean())


def test_shape_of_the_real_poses() -> None:
    source = open_synthetic("poses")
    table, lengths = source.table, [len(clip) for clip in source.poses]
    assert len(table) == 609
    assert len(table.classes) == 14
    assert min(lengths) == 15
    assert max(lengths) == 40
    assert 0.45 < np.mean(np.array(lengths) == 40) < 0.6
    sizes = np.bincount(table.groups)
    assert 250 < len(sizes) < 380
    assert sizes.max() >= 5
    assert ((table.splits == TEST).mean(axis=0) > 0.25).all()
    assert ((table.splits == TEST).mean(axis=0) < 0.33).all()
    assert len({tuple(column) for column in table.splits.T}) == 3


def test_recipe_is_pinned() -> None:
    # Whoever changes what is drawn must raise RECIPE and put new numbers here: runs are stored by it.
    source = open_synthetic("poses")
    assert source.fingerprint() == "eb456b63354b9c87"
    total = sum(float(np.abs(clip.astype(np.float64)).sum()) for clip in source.poses)
    assert total == pytest.approx(154488.658, rel=1e-6)


def test_motion_is_learnable_and_hard() -> None:
    clips = jhmdb().load(10)
    assert 0.45 < ridge_accuracy(clips) < 0.7
    still = jhmdb().load(1)
    assert ridge_accuracy(still) < ridge_accuracy(clips)


@pytest.mark.parametrize(
    ("modality", "size", "shape", "highest"),
    [("masks", None, (120, 160), 1), ("silhouettes", None, (32, 32), 15), ("frames", 48, (48, 48, 3), 225)],
)
def test_rendered_modalities(modality: str, size: int | None, shape: tuple[int, ...], highest: int) -> None:
    start = time.perf_counter()
    clips = jhmdb("split1", modality).load(10, size)
    assert time.perf_counter() - start < 10
    assert clips.inputs.shape == (609, 10, *shape)
    assert clips.inputs.dtype == np.uint8
    assert clips.inputs.max() == highest
    assert (clips.inputs != clips.inputs[:, :1]).reshape(609, -1).any(axis=1).all()  # all of them move
    assert np.array_equal(clips.labels, jhmdb().load(1).labels)
