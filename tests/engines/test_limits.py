"""CPUs and memory of containers, by the files that the kernel writes for control groups of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdsearch.engines.limits import memory_limit, usable_cpus

ALL = len(os.sched_getaffinity(0))


def test_cpus_are_those_that_this_process_may_run_on() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def machine(root: Path, own: str, files: dict[str, str]) -> Path:
    """A root with ``/proc/self/cgroup`` and files below ``/sys/fs/cgroup``."""
    for name, text in {
        "proc/self/cgroup": own,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("own", "files", "cpus", "memory"),
    [
        ("", {}, ALL, None),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, ALL, None),
        ("0::/\n", {"cpu.max": "100000 100000\n", "memory.max": "2147483648\n"}, 1, 2**31),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1, None),
        ("0::/\n", {"cpu.max": "1 1000000000\n"}, 1, None),
        # The narrowest of the groups above counts too.
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1, None),
        ("0::/a/b\n", {"a/memory.max": "3000\n", "a/b/memory.max": "4000\n"}, ALL, 3000),
        # A container sees its own group as the root, though /proc may name the path outside.
        ("0::/system.slice/docker-1.scope\n", {"memory.max": "5000\n"}, ALL, 5000),
        (
            "4:memory:/k\n3:cpu,cpuacct:/k\n",
            {
                "cpu,cpuacct/k/cpu.cfs_quota_us": "150000\n",
                "cpu,cpuacct/k/cpu.cfs_period_us": "100000\n",
                "memory/k/memory.limit_in_bytes": "7000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            min(2, ALL),
            7000,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALL, None),
        ("1:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "", "unified/cpu.max": "100000 100000"}, 1, None),
    ],
)
def test_quotas_and_limits(tmp_path: Path, own: str, files: dict[str, str], cpus: int, memory: int | None) -> None:
    root = machine(tmp_path, own, files)
    assert usable_cpus(root) == cpus
    assert memory_limit(root) == memory


def test_more_quota_than_cpus_are_no_more_cpus(tmp_path: Path) -> None:
    assert usable_cpus(machine(tmp_path, "0::/\n", {"cpu.max": "99900000 100000"})) == ALL


def test_this_machine_has_at_least_one_cpu_and_some_memory() -> None:
    assert 1 <= usable_cpus() <= ALL
    limit = memory_limit()
    assert limit is None or limit > 2**26
