"""README: its commands exist, its picture and figures are those of the recorded runs, a newcomer finishes it.

That its blocks run and its links lead somewhere is tested with the other pages in ``test_docs.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import picture

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
FLAT = " ".join(README.split())
PAGES = {page.name: page.read_text() for page in (ROOT / "docs").glob("*.md")}


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 190
    assert len(README.split()) <= 1500


def test_the_picture_is_that_of_the_recorded_runs() -> None:
    values = picture.scores()
    assert values.shape == (129, 16)
    assert picture.PICTURE.read_text() == picture.draw(values)
    assert picture.PICTURE.stat().st_size < 150_000
    ElementTree.fromstring(picture.PICTURE.read_text())


def test_figures_of_the_picture_are_measured() -> None:
    found = picture.spread(picture.scores())
    assert f"have sd {found.seeds:.3f} test mAP" in FLAT
    assert f"have sd {found.configurations:.3f}" in FLAT
    assert f"best seed of {found.above} of these" in FLAT


def test_spread_of_a_known_table() -> None:
    values = picture.np.array([[1.0, 3.0], [0.0, 2.0]])
    found = picture.spread(values)
    # Both rows have variance 2; the means 2 and 1 have variance 0.5, less than the 1 that seeds leave in them.
    assert found.seeds == pytest.approx(2**0.5)
    assert found.configurations == 0
    assert found.above == 1


@pytest.mark.parametrize("figure", ["0.812", "0.7515", "0.023", "25 %", "95 %", "0.031", "0.041", "+0.002"])
def test_figures_stand_in_the_benchmarks(figure: str) -> None:
    assert figure in README
    assert figure in PAGES["benchmarks.md"]


def test_options_named_in_the_pages_exist() -> None:
    text = README + PAGES["commands.md"] + PAGES["studies.md"]
    for command, option in (("export runs", "--table"), ("add", "--set"), ("extend", "--confirm-seeds")):
        assert option in text
        asked = [sys.executable, "-m", "kdsearch", *command.split(), "--help"]
        environment = {**os.environ, "COLUMNS": "200"}
        assert option in subprocess.run(asked, capture_output=True, text=True, check=True, env=environment).stdout
    assert "vary=nothing" in text
    assert '"Where the spread comes from"' in (ROOT / "kdsearch/report/sections/variance_components.py").read_text()


def test_every_command_in_the_pages_exists_and_every_command_is_in_the_pages() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "kdsearch", "--help"], capture_output=True, text=True, check=True
    ).stdout
    exist = set(re.findall(r"^  ([a-z]+)  ", help_text, re.MULTILINE))
    named = set(re.findall(r"kdsearch ([a-z]+)\b", "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))))
    assert {"launch", "report", "status"} <= named <= exist
    commands = set(re.findall(r"kdsearch ([a-z]+)\b", PAGES["commands.md"]))
    assert exist <= commands


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert "make test" in README
    assert "make test" in (ROOT / ".ci" / "run").read_text()
