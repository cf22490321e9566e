"""This machine's devices."""

from __future__ import annotations

import pytest

from kdsearch.engines import devices


def test_slots_are_cores_or_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    devices.gpus.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = devices.slots()
    assert len(found) == devices.cores()
    assert all(slot.device == "cpu" and ("OMP_NUM_THREADS", "1") in slot.environment for slot in found)
    assert len(devices.slots(workers=5)) == 5
    devices.gpus.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert [dict(slot.environment)["CUDA_VISIBLE_DEVICES"] for slot in devices.slots(per_gpu=2)] == ["0", "0", "3", "3"]
    devices.gpus.cache_clear()
