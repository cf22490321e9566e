from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from kdsearch.training import memory
from kdsearch.training.memory import peak_memory, reset_peak_memory

SIZE = 400 << 20


def allocate() -> None:
    """Hold ``SIZE`` bytes, resident, for a moment."""
    torch.ones(SIZE // 8, dtype=torch.float64)


def test_the_peak_outlives_what_made_it() -> None:
    reset_peak_memory("cpu")
    allocate()
    assert peak_memory("cpu") > SIZE


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's /proc/self/clear_refs")
def test_a_reset_forgets_what_was_freed() -> None:
    allocate()
    high = peak_memory("cpu")
    reset_peak_memory("cpu")
    assert 1 << 20 < peak_memory("cpu") < high - SIZE // 2


def test_without_proc_the_peak_is_that_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reset_peak_memory("cpu")
    allocate()
    monkeypatch.setattr(memory, "_PROCESS", tmp_path)
    reset_peak_memory("cpu")
    assert list(tmp_path.iterdir()) == []
    assert peak_memory("cpu") > SIZE
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert peak_memory("cpu") > SIZE


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's /proc/self/clear_refs")
def test_a_reset_leaves_no_file_open() -> None:
    """A worker resets before each run, and may train thousands."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        reset_peak_memory("cpu")
    assert len(os.listdir("/proc/self/fd")) < before + 10
