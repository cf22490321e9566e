"""``kd.results``: a stored study in a script, as tables, figures and the report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import NOISY, run_program

import kdsearch as kd
from kdsearch.ledger import embedded
from kdsearch.statistics import summarize
from kdsearch.study_results import Results

pandas = pytest.importorskip("pandas", reason="tables of a study need pandas")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a finished study."""
    folder = tmp_path_factory.mktemp("results") / "home"
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=folder)
    assert code == 0, output
    yield folder
    embedded.stop(folder / "postgres")


@pytest.fixture
def found(home: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setenv("KDSEARCH_HOME", str(home))
    return kd.results("noisy_quadratic")


def test_runs_and_configurations_are_those_of_the_ledger(found: Results) -> None:
    runs, configurations = found.runs(), found.configurations()
    assert len(runs) == len(found.read.runs) == 24 + 4 * 4
    assert (runs["state"] == "done").all()
    assert configurations["winner"].sum() == 1
    winner = configurations[configurations["winner"]].iloc[0]
    assert winner["name"] == found.winner
    assert {f"param.{name}": value for name, value in found.params.items()} == {
        f"param.{name}": winner[f"param.{name}"] for name in found.params
    }
    own = runs[(runs["configuration"] == found.winner) & (runs["pool"] == "confirm")]
    summary = summarize(list(own["score"] if "score" in own and own["score"].notna().all() else own["objective"]))
    assert (winner["fresh_n"], winner["fresh_mean"]) == (4, pytest.approx(summary.mean))
    assert (winner["fresh_low"], winner["fresh_high"]) == pytest.approx((summary.low, summary.high))
    searched = configurations[configurations["kind"] == "searched"]
    proven = searched[searched["n"] > 1]
    assert list(proven["estimate"]) == sorted(proven["estimate"], reverse=True)


def test_a_study_is_found_by_name_file_and_declaration(found: Results, home: Path) -> None:
    assert kd.results(NOISY).name == kd.results(str(NOISY)).name == kd.results(kd.load(NOISY)).name == found.name
    assert found.refresh().read == found.read
    assert repr(found) == f"kd.results({found.name!r}): finished, 40 runs"
    with pytest.raises(kd.KdsearchError, match="no study 'other'"):
        kd.results("other")


def test_report_and_figures(found: Results) -> None:
    assert "Comparison on confirm seeds" in str(found.report())
    assert repr(found.report()) == str(found.report())
    html = found._repr_html_()

    class Closed(HTMLParser):
        open: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Closed()
    parser.feed(html)
    assert parser.open == []
    assert "<table>" in html
    assert "<script" not in html
    assert "seeds" in found.figures
    assert found.figure("seeds").layout.title.text.startswith("<b>Seeds")
    with pytest.raises(kd.KdsearchError, match="there is no figure 'x'"):
        found.figure("x")


def test_without_pandas_it_is_said(home: Path) -> None:
    script = (
        "import sys; sys.modules['pandas'] = None; import kdsearch as kd; found = kd.results('noisy_quadratic')\n"
        "try: found.runs()\nexcept kd.KdsearchError as error: print(error)"
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "KDSEARCH_HOME": str(home)}
    )
    assert done.stdout == "tables of a study need pandas: pip install pandas\n", done.stderr
