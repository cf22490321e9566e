"""What importing costs: declaring and planning a study loads no torch, ray or optuna."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "optuna", "torchvision", "plotly", "statsmodels", "PIL", "av")


@pytest.mark.parametrize(
    "statement",
    [
        "import kdsearch",
        "import kdsearch.tasks, kdsearch.data",
        "import kdsearch.search.planner, kdsearch.statistics, kdsearch.ledger.ledger",
        "import kdsearch.cli",
        "import kdsearch.report",
    ],
)
def test_importing_is_light(statement: str) -> None:
    script = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_says_what_there_is() -> None:
    import kdsearch

    with pytest.raises(AttributeError, match="it has: Adaptive, Budget, Confirm"):
        kdsearch.studdy  # noqa: B018
