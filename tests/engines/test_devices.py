"""This machine's devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from kdsearch.engines import devices
from kdsearch.errors import KdsearchError


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


SMI = """#!/bin/sh
cat <<'END'
GPU 0: NVIDIA H200 (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA H200 (UUID: GPU-c6d4f1ef-42e4-7de3-91c7-45d71c87eb3f)
  MIG 3g.71gb     Device  0: (UUID: MIG-1c9b8eb3-3fd1-5ba5-9d7a-1f2b1a0e5d5f)
  MIG 3g.71gb     Device  1: (UUID: MIG-4f0a2d9e-4c38-5a31-a1a6-b6ab3ad9c1b2)
GPU 2: NVIDIA H200 (UUID: GPU-1b7ff3f6-7b1c-0a0a-5f0e-2d7c0f9a3b11)
END
"""


def test_slices_of_a_gpu_stand_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices.gpus.cache_clear()
    try:
        slices = ["MIG-1c9b8eb3-3fd1-5ba5-9d7a-1f2b1a0e5d5f", "MIG-4f0a2d9e-4c38-5a31-a1a6-b6ab3ad9c1b2"]
        assert devices.gpus() == ("0", *slices, "2")
        assert dict(devices.slots()[1].environment) == {"CUDA_VISIBLE_DEVICES": slices[0]}
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho no driver >&2\nexit 9\n")
        devices.gpus.cache_clear()
        assert devices.gpus() == ()
    finally:
        devices.gpus.cache_clear()


def test_the_slot_of_a_core_is_the_same_on_a_machine_with_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on Ray that takes no GPU has one thread wherever it is placed: sums depend on it."""
    assert devices.CPU_SLOT.device == "cpu"
    assert dict(devices.CPU_SLOT.environment)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    devices.gpus.cache_clear()
    assert devices.slots(2) == [devices.CPU_SLOT] * 2
    devices.gpus.cache_clear()


@pytest.mark.parametrize(("device", "threads"), [("cpu", "1"), ("cuda", None)])
def test_a_process_on_a_core_takes_one_thread_and_one_on_a_gpu_takes_what_there_are(
    monkeypatch: pytest.MonkeyPatch, device: str, threads: str | None
) -> None:
    monkeypatch.setattr(os, "environ", {})
    devices.use_slot(device)
    assert os.environ.get("OMP_NUM_THREADS") == threads


def test_a_number_of_threads_that_is_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "3"})
    devices.use_slot("cpu")
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_workers_of_one_gpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    devices.gpus.cache_clear()
    try:
        assert [slot.share for slot in devices.slots(per_gpu=4)] == [0.25] * 4
        assert [slot.share for slot in devices.slots()] == [1.0]
    finally:
        devices.gpus.cache_clear()
    limits: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)
    devices.limit_memory("cuda", 0.25)
    devices.limit_memory("cuda", 1.0)
    devices.limit_memory("cpu", 0.25)
    assert limits == [0.25]


def test_more_worker_processes_than_a_machine_can_start_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 2)
    devices.check_workers(64)
    with pytest.raises(KdsearchError, match=r"99,999 worker processes are more than .* 2 CPU cores .* at most 64 are"):
        devices.check_workers(99_999)
    monkeypatch.setattr(devices, "cores", lambda: 8)
    devices.check_workers(128)
