"""This machine's devices, and names of workers that tell a dead one from a living one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kdsearch.engines import devices


def test_a_worker_is_dead_only_when_its_very_process_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = devices.worker_name(process.pid)
    assert not devices.is_dead(name)
    assert not devices.is_dead(devices.worker_name())
    process.kill()
    process.wait()
    assert devices.is_dead(name)
    host, machine, pid, started = name.split(":")
    reused = f"{host}:{machine}:{os.getpid()}:{started}"  # the id lives on in another process
    assert devices.is_dead(reused)
    for elsewhere in (f"another:{machine}:{pid}:{started}", f"{host}:00000000:{pid}:{started}"):
        assert not devices.is_dead(elsewhere), "what cannot be known is left to the lease"


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
