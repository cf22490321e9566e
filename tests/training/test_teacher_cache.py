from __future__ import annotations

import pytest
import torch

from kdsearch.models.encoders.pose import PoseConv
from kdsearch.models.heads.hashing import HashingNetwork, HashingOutput
from kdsearch.training.teacher_cache import CacheKey, LRUCache, outputs_of_all


def key(weights: str) -> CacheKey:
    return CacheKey(weights, "pose_conv", "data", "4 frames, float32", "cpu")


def outputs(value: float) -> HashingOutput:
    return HashingOutput(torch.full((3, 4), value), torch.full((3, 2), value))


def refuse() -> HashingOutput:
    raise AssertionError("computed again")


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_cached_outputs_equal_live_batches(dtype: torch.dtype, tolerance: float) -> None:
    teacher = HashingNetwork(PoseConv(6), bits=5, classes=3).to(dtype)
    clips = torch.randn(50, 4, 60, dtype=dtype)
    teacher.train()
    teacher(clips)  # running statistics worth the name
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    kept = outputs_of_all(teacher, clips)
    assert teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    teacher.eval()
    for batch in torch.randperm(50).split(7):
        with torch.no_grad():
            live = teacher(clips[batch])
        assert torch.allclose(kept.codes[batch], live.codes, rtol=0, atol=tolerance)
        assert torch.allclose(kept.logits[batch], live.logits, rtol=0, atol=tolerance)


def test_a_key_is_computed_once_and_the_oldest_is_dropped() -> None:
    cache = LRUCache[CacheKey, HashingOutput](size=2)
    for name in ("a", "b"):
        cache.get(key(name), lambda: outputs(1.0))
    cache.get(key("a"), refuse)
    cache.get(key("c"), lambda: outputs(3.0))
    cache.get(key("a"), refuse)
    with pytest.raises(AssertionError, match="computed again"):
        cache.get(key("b"), refuse)
