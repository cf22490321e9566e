"""Each program of the tests and benchmarks starts as its documentation says, without what pytest adds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "tests").rglob("*.py")
    if path != Path(__file__) and '__name__ == "__main__"' in path.read_text()
)

EXTRA = ("cosmic_ray", "parso")
"""Packages of the extra ``mutants``, which no other test needs."""


def test_there_are_programs() -> None:
    assert {"tests.mutants", "tests.docker.replay", "tests.faults.soak", "tests.benchmarks.load"} <= set(PROGRAMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_says_how_it_is_used(name: str) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-m", name, "--help"], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120
    )
    lacks = re.search(r"ModuleNotFoundError: No module named '(\w+)", done.stderr)
    if lacks and lacks[1] in EXTRA:
        pytest.skip(f"{name} needs {lacks[1]}, of the extra mutants")
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout, done.stdout
