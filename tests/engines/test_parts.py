"""The small parts of the engines: devices, artifacts, code hash, settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdsearch import environment
from kdsearch.engines import artifacts, devices
from kdsearch.engines.code_hash import code_hash
from kdsearch.engines.study_file import load
from kdsearch.errors import KdsearchError, StudyFileError


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


def test_artifacts_are_named_by_content_and_checked(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "weights.pt"
    source.write_bytes(b"numbers")
    name = artifacts.store(source)
    assert artifacts.store(source) == name
    assert artifacts.fetch(name).read_bytes() == b"numbers"
    artifacts.fetch(name).write_bytes(b"other")
    with pytest.raises(KdsearchError, match="damaged"):
        artifacts.fetch(name)
    with pytest.raises(KdsearchError, match="stored by another machine"):
        artifacts.fetch("0" * 32 + ".pt")


def test_the_code_hash_sees_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    before = code_hash([tmp_path])
    assert code_hash([tmp_path]) == before
    (tmp_path / "b.py").write_text("")
    added = code_hash([tmp_path])
    (tmp_path / "a.py").write_text("x = 2")
    assert len({before, added, code_hash([tmp_path])}) == 3


def test_a_larger_budget_is_no_other_trainer(tmp_path: Path) -> None:
    file = tmp_path / "study.py"
    text = "import kdsearch as kd\ndef train(params, seed, report):\n    return 1.0\nstudy = kd.Study(budget=1)\n"
    file.write_text(text)
    before = code_hash([file], study_file=file)
    file.write_text(text.replace("budget=1", "budget=2"))
    assert code_hash([file], study_file=file) == before
    assert code_hash([file]) != before
    file.write_text(text.replace("return 1.0", "return 2.0"))
    assert code_hash([file], study_file=file) != before


def test_settings_that_cannot_work_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDSEARCH_LEASE_SECONDS", "soon")
    with pytest.raises(KdsearchError, match="a number of seconds above 0, got 'soon'"):
        environment.lease_seconds()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(KdsearchError, match="expected a folder that can be written"):
        environment.home()


def test_a_copy_of_a_study_file_under_another_name_is_the_same_trainer(tmp_path: Path) -> None:
    text = "import kdsearch as kd\ndef train(params, seed, report):\n    return 1.0\nstudy = kd.Study('s', train, {})\n"
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(text)
    other.write_text(text.replace("{})", "{}, budget=kd.Budget(runs=9))"))
    assert code_hash([one], one) == code_hash([other], other)
    other.write_text(text.replace("1.0", "2.0"))
    assert code_hash([one], one) != code_hash([other], other)


def test_an_error_in_a_study_file_names_its_line_however_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.py").write_text("import kdsearch as kd\n\nspace = kd.log(0, 1)\n")
    monkeypatch.chdir(tmp_path)
    for path in (Path("wrong.py"), tmp_path / "wrong.py"):
        with pytest.raises(StudyFileError, match=r"line 3: space = kd\.log\(0, 1\)"):
            load(path)
