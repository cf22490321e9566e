"""A section of the report is one file: it is found by itself and stands where it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.report import build, sections

from .. import drawing
from ..corners import distilling

SOURCE = '''
from kdsearch.report.tables import Column, Row, Table

ORDER, WHEN = {order}, "{when}"


def section(selection):
    """How many runs count."""
    return Table("counted", "Counted", "runs.", (Column("n", "n", "count"),), (Row("all", (len(selection.runs),)),))
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are sections of the report too."""
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    return tmp_path


@pytest.mark.parametrize(("order", "place"), [(5, 0), (15, 1), (1_000, -1)])
def test_a_new_file_is_a_section_at_its_place(folder: Path, order: int, place: int) -> None:
    name = f"counted_{order}"
    (folder / f"{name}.py").write_text(SOURCE.format(order=order, when="result"))
    found = distilling(0.02)
    report = build(found)
    assert report.tables[place].key == "counted"
    assert report.tables[place].column("n") == [len(found.runs)]
    searching = replace(found, study=drawing.study("search"))
    assert "counted" not in [table.key for table in build(searching).tables], "it is of a result"


def test_a_section_says_that_it_is_shown_while_the_search_runs(folder: Path) -> None:
    (folder / "counted_always.py").write_text(SOURCE.format(order=5, when="always"))
    found = distilling(0.02)
    for results in (found, replace(found, study=drawing.study("search"))):
        assert build(results).tables[0].key == "counted"


def test_a_file_that_does_not_say_its_place_is_named(folder: Path) -> None:
    (folder / "placeless.py").write_text("def section(selection):\n    return None\n")
    with pytest.raises(KdsearchError, match=r"placeless\.py is a section of the report and must define ORDER, WHEN"):
        build(distilling(0.02))
