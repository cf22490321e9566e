"""``import kdsearch as kd``: what a user finds behind ``kd.``."""

from __future__ import annotations

import subprocess
import sys

import kdsearch as kd


def test_dir_lists_the_public_names_before_they_are_imported() -> None:
    script = (
        "import kdsearch as kd; print([name for name in dir(kd) if not name.startswith('_')] == sorted(kd.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_each_public_name_is_there() -> None:
    assert [name for name in kd.__all__ if getattr(kd, name, None) is None] == []
    assert "__doc__" in dir(kd)
