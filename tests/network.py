"""Another machine, as far as network and host name go: namespaces with one cable to here, which can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

HERE, THERE = "10.77.0.1", "10.77.0.2"
_NAME = f"kd{os.getpid()}"
_NEAR, _FAR = f"{_NAME}n", f"{_NAME}f"


@dataclass(frozen=True)
class Machine:
    """Its address is ``THERE``, that of this machine as it sees it ``HERE``."""

    name: str

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a program on it, under a host name of its own: workers of one host know of each other who lives."""
        named = ["unshare", "--uts", "sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"', self.name]
        own = ["ip", "netns", "exec", self.name, *named, *command]
        return subprocess.Popen(own, env={**os.environ, **environment})

    @contextmanager
    def cut_off(self, port: int | None = None) -> Iterator[None]:
        """Lose all packets to it, or those from a ``port`` of this machine alone; nobody is told."""
        which = ["to", THERE, *([] if port is None else ["ipproto", "tcp", "sport", str(port)])]
        _ip("rule", "add", "pref", "1", *which, "blackhole")
        try:
            yield
        finally:
            _ip("rule", "del", "pref", "1", *which, "blackhole")


@contextmanager
def machine() -> Iterator[Machine]:
    """Skips where this machine makes no network namespaces, which takes root."""
    if shutil.which("ip") is None:
        pytest.skip("a network namespace is made by ip, of Debian's iproute2")
    made = subprocess.run(["ip", "netns", "add", _NAME], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"this machine makes no network namespace: {made.stderr.strip()}")
    try:
        made = subprocess.run(
            ["ip", "link", "add", _NEAR, "type", "veth", "peer", "name", _FAR, "netns", _NAME],
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            pytest.skip(f"this machine joins no network namespace: {made.stderr.strip()}")
        _ip("addr", "add", f"{HERE}/24", "dev", _NEAR)
        _ip("link", "set", _NEAR, "up")
        _ip("-n", _NAME, "addr", "add", f"{THERE}/24", "dev", _FAR)
        for device in (_FAR, "lo"):
            _ip("-n", _NAME, "link", "set", device, "up")
        yield Machine(_NAME)
    finally:
        subprocess.run(["ip", "netns", "del", _NAME], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
