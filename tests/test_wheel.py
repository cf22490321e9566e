"""A wheel in an environment of its own: kdsearch works from any folder, without the clone that it was built from.

What kdsearch depends on is taken from this environment, since installing torch anew takes minutes and gigabytes. Paths
of a ``.pth`` file are searched last and their own ``.pth`` files are not read: an editable kdsearch here is not seen.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed_study import STUDY
from support import wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PACKED = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "kdsearch", "studies", "dashboards")


class Installed:
    """The program of the wheel, called in an empty folder."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self.bin, self.folder = bin_folder, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KDSEARCH_", "PYTHON"))}
        self.environment = {**kept, "KDSEARCH_HOME": str(folder.parent / "home"), "COLUMNS": "100"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / arguments[0]), *arguments[1:]],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        return output


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel of a copy of the sources, installed; the copy is gone when the first test runs."""
    base = tmp_path_factory.mktemp("wheel")
    sources = base / "sources"
    for name in PACKED:
        target = _made(sources) / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    _pip("wheel", str(sources), "--no-deps", "--no-build-isolation", "--wheel-dir", str(base))
    shutil.rmtree(sources)
    (wheel,) = base.glob("kdsearch-*.whl")
    venv.create(base / "environment", with_pip=False)
    bin_folder = base / "environment" / "bin"
    _pip("--python", str(bin_folder / "python"), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = (base / "environment").glob("lib/python*/site-packages")
    dependencies = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    program = Installed(bin_folder, _made(base / "empty"))
    yield program
    program("kdsearch", "db", "stop")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_installed_package_is_the_wheels(installed: Installed) -> None:
    script = "import kdsearch, importlib.metadata as m; print(kdsearch.__file__, m.version('kdsearch'))"
    place, version = installed("python", "-c", script).split()
    assert Path(place).is_relative_to(installed.bin.parent)
    assert installed("kdsearch", "--version") == f"kdsearch {version}\n"


def test_every_module_and_example_is_in_the_wheel(installed: Installed) -> None:
    (package,) = installed.bin.parent.glob("lib/python*/site-packages/kdsearch")
    for source, packed in (("kdsearch", "."), ("studies", "examples"), ("dashboards", "dashboards")):
        files = [path.relative_to(ROOT / source) for path in (ROOT / source).rglob("*.py")]
        assert files
        assert [file for file in files if not (package / packed / file).is_file()] == []
    for file in ("page/style.css", "page/script.js"):
        assert (package / file).read_bytes() == (ROOT / "kdsearch" / file).read_bytes()
    assert (package / "py.typed").is_file()


def test_an_example_is_copied_and_can_be_read(installed: Installed) -> None:
    assert "jhmdb_weights\n" in installed("kdsearch", "studies", "examples")
    installed("kdsearch", "studies", "copy", "jhmdb_weights", "mine")
    copy = installed.folder / "mine" / "jhmdb_weights.py"
    assert copy.read_text() == (ROOT / "studies" / "jhmdb_weights.py").read_text()
    script = f"import kdsearch as kd; print(kd.load({str(copy)!r}, 'smoke').name)"
    assert installed("python", "-c", script) == "jhmdb_weights\n"


def test_a_study_of_ones_own_from_launch_to_dashboard(installed: Installed) -> None:
    (installed.folder / "own.py").write_text(STUDY)
    assert "Comparison on confirm seeds" in installed("kdsearch", "launch", "own.py", "--engine", "debug")
    assert "own@function" in installed("kdsearch", "list")
    for study in ("own", "own.py"):
        assert "Comparison on confirm seeds" in installed("kdsearch", "report", study)
    rows = list(csv.DictReader(io.StringIO(installed("kdsearch", "export", "runs", "own"))))
    assert sum(row["pool"] == "search" for row in rows) == 12
    shipped = sorted(path.stem for path in (ROOT / "dashboards").glob("*.py"))
    assert _figures(installed, len(shipped)) == [f"kdsearch-{name}" for name in shipped]


def _figures(installed: Installed, count: int) -> list[str]:
    """Names of the figures that the dashboard shows of the one study, once there are so many."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installed.environment["KDSEARCH_DASHBOARD_TOKEN"] = "token-of-the-test"
    cookie = f"kdsearch_{port}=token-of-the-test"
    server = installed.start("kdsearch", "dashboard", "--port", str(port))

    def asked(path: str) -> Any:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", headers={"Cookie": cookie})
            return json.load(urllib.request.urlopen(request, timeout=5))
        except OSError:
            assert server.poll() is None, server.communicate()[0]
            return None

    try:
        (study,) = wait_for(lambda: asked("studies"), what="the dashboard")["study_summaries"]
        page = f"studies/{study['study_id']}?after=0"
        wait_for(lambda: len(asked(page)["plotly_graph_objects"]) >= count, what="its figures")
        return sorted(figure["id"] for figure in asked(page)["plotly_graph_objects"])
    finally:
        server.terminate()
        server.communicate(timeout=20)
