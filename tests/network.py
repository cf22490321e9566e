"""Another machine, as far as network and host name go: namespaces with one cable to here, which can be cut."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

HERE, THERE = "10.77.0.1", "10.77.0.2"
_NUMBERS = itertools.count()
_NOT_HERE = ("not permitted", "not supported", "No such file", "Permission denied", "Unknown device type")


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
    name = f"kd{os.getpid()}x{next(_NUMBERS)}"
    near, far = f"{name}n", f"{name}f"
    _made("netns", "add", name)
    try:
        _made("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        try:
            _ip("addr", "add", f"{HERE}/24", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", name, "addr", "add", f"{THERE}/24", "dev", far)
            for device in (far, "lo"):
                _ip("-n", name, "link", "set", device, "up")
            yield Machine(name)
        finally:
            _ip("link", "del", near)  # it would stay as long as any process of the namespace
    finally:
        _ip("netns", "del", name)


def _made(*words: str) -> None:
    """Make it, or skip where this machine or account cannot; any other failure is one of the test."""
    made = subprocess.run(["ip", *words], capture_output=True, text=True)
    if made.returncode != 0 and any(word in made.stderr for word in _NOT_HERE):
        pytest.skip(f"this machine makes no network namespace: {made.stderr.strip()}")
    assert made.returncode == 0, made.stderr


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
