"""Optuna's dashboard in a real browser: a study's page shows the figures, a trial its seeds, nothing fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from browser import browser, complaints, needs_browser
from support import NOISY, run_program, wait_for

from kdsearch.ledger import embedded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), needs_browser]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard of a finished study, served from another folder than the project's."""
    folder = tmp_path_factory.mktemp("dashboard")
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=folder / "home")
    assert code == 0, output
    command = [sys.executable, "-m", "kdsearch", "dashboard", "--port", str(_free())]
    env = {name: value for name, value in os.environ.items() if name != "KDSEARCH_STORAGE"}
    env |= {"KDSEARCH_HOME": str(folder / "home")}
    with subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            line = next(line for line in served.stdout if "http://" in line)
            found = re.search(r"http://\S+", line)
            assert found is not None
            yield found[0]
        finally:
            served.kill()
            embedded.stop(folder / "home" / "postgres")


def _free() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_study_shows_its_figures_and_a_trial_its_seeds(address: str) -> None:
    base = address.split("/dashboard")[0]
    with browser(1400, 3000) as driver:
        driver.get(address)
        wait_for(lambda: "noisy_quadratic" in driver.page_source, seconds=30)
        driver.get(f"{base}/dashboard/studies/1")
        titles = "return [...document.querySelectorAll('.gtitle')].map(title => title.textContent).join('; ')"
        for title in ("Leaderboard: ", "Seeds by configuration", "Importance: ", "Inflation: ", "Luck: ", "Cost: "):
            wait_for(lambda title=title: title in driver.execute_script(titles), seconds=90)  # type: ignore[misc]
        driver.get(f"{base}/dashboard/studies/1/note")
        wait_for(lambda: "Winner c" in driver.page_source, seconds=30)
        driver.get(f"{base}/dashboard/studies/1/trials?numbers=0")
        wait_for(lambda: "Believed: " in driver.page_source, seconds=30)
        text = driver.execute_script("return document.body.innerText")
        assert "search" in text
        assert "Complete" in text
        assert complaints(driver) == []
