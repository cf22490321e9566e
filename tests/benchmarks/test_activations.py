"""What a forward keeps is counted: in bytes that can be worked out by hand, and less where it is computed again."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks import activations


def test_the_seeds_batch_keeps_what_the_notes_say() -> None:
    whole = activations.kept("r3d_18", 120, 16, 112, again=False, dtype=torch.float32)
    assert whole / activations.GIB == pytest.approx(19, abs=0.5), "research/population: 19 GiB at 16 frames in fp32"


def test_half_precision_and_smaller_batches_keep_in_proportion() -> None:
    whole = activations.kept("r3d_18", 8, 4, 32, again=False, dtype=torch.float32)
    assert activations.kept("r3d_18", 4, 4, 32, again=False, dtype=torch.float32) == pytest.approx(whole / 2, rel=0.01)
    assert activations.kept("r3d_18", 8, 4, 32, again=False, dtype=torch.bfloat16) == pytest.approx(whole / 2, rel=0.02)
    assert activations.kept("r3d_18", 8, 4, 32, again=True, dtype=torch.float32) < whole / 3
