"""The HTML report: one file, complete, offline, readable without a mouse, and nobody's text is markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from figures.known import HIDDEN, known

from kdsearch.page import page
from kdsearch.page.paper import latex
from kdsearch.report import build
from kdsearch.report.formats.cells import flat

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
VOID = {"meta", "link", "br", "input", "img"}


class Outline(HTMLParser):
    """What a page consists of; raises where elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((tag, ""))
        for name in ("href", "src"):
            if name in given:
                self.links.append(given[name])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.words.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def made() -> str:
    return page(known(), FOLDER)


def test_it_has_all_parts_in_order(made: str) -> None:
    outline = Outline(made)
    assert [tag for tag, _ in outline.headings].count("h1") == 1
    assert all(tag in ("h1", "h2") for tag, _ in outline.headings)
    titles = [title for _, title in outline.headings]
    expected = ["Comparison on confirm seeds", "Figures", "Protocol", "Seeds", "Further tables", "Cost", "Provenance"]
    assert [title for title in titles if title in expected] == expected
    assert titles[-1] == "How to report this in a paper"
    assert len(outline.ids) == len(set(outline.ids))
    assert [link for link in outline.links if link.startswith("#")]
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)


def test_answer_table_and_provenance_are_those_of_the_report(made: str) -> None:
    found, outline = known(), Outline(made)
    report = build(found)
    assert report.answer is not None
    text = outline.text
    for line in (report.answer.sentence, report.answer.numbers, report.answer.average):
        assert line in text
    for table in report.tables:
        assert table.title in text
        assert " ".join(table.caption.split()) in text
        for row in flat(table)[1]:
            for cell in row:
                assert " ".join(cell.split()) in text
    for value in ("aaaa (78 runs)", "data", "cpu (78 runs)", "torch ", "Python 3", "6 seeds"):
        assert value in text
    assert " ".join(latex(report).split()) in text
    assert latex(report).startswith(r"\begin{table}")


def test_it_needs_no_network(made: str) -> None:
    outline = Outline(made)
    assert [link for link in outline.links if not link.startswith(("#", "data:"))] == []
    assert "@import" not in made.split("</style>")[0]
    assert "url(" not in made.split("</style>")[0]
    assert made.count("plotly.js v") == 1


def test_it_is_small(made: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    plotly = max(map(len, scripts))
    assert len(made.encode()) < 6_500_000
    assert len(made.encode()) - plotly < 1_500_000


def test_a_screen_reader_and_a_keyboard_find_everything(made: str) -> None:
    tags = Outline(made).tags
    assert ("html", {"lang": "en"}) in tags
    assert [name for name, _ in tags if name in ("header", "nav", "main")] == ["nav", "main", "header"]
    assert next(given for name, given in tags if name == "a")["class"] == "skip"
    for name, given in tags:
        if given.get("class") in ("wide", "plot"):
            assert given["tabindex"] == "0"
            assert given["aria-label"]
        if name == "th":
            assert given["scope"] in ("row", "col")
    count = sum(name == "table" for name, _ in tags)
    assert count == sum(name == "caption" for name, _ in tags) > 3
    assert sum(name == "figure" for name, _ in tags) == sum(name == "figcaption" for name, _ in tags) == 12


def test_texts_of_users_are_shown_as_they_are() -> None:
    hostile = "</script><script>alert(1)</script><b>x</b> & \x1b[31m"
    found = known()
    rows = {id_: replace(row, name=f"{hostile}{id_}") for id_, row in found.configurations.items()}
    study = replace(
        found.study, name=hostile, description=hostile, metric=hostile, source_file=hostile, data_hash=hostile
    )
    text = page(replace(found, study=study, configurations=rows), FOLDER)
    outline = Outline(text)
    assert "alert(1)" not in "".join(re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[-1])
    assert sum(name == "script" for name, _ in outline.tags) == 14  # twelve figures, plotly.js and our own
    assert "b" not in {name for name, _ in outline.tags}
    assert "\x1b" not in text
    assert "alert(1)" in outline.text


@pytest.mark.parametrize("phase", ["teacher", "search", "confirm"])
def test_a_study_that_is_not_finished_has_no_result(phase: str) -> None:
    found = known(phase)
    found = replace(found, runs=()) if phase == "teacher" else found
    text = page(found, FOLDER)
    outline = Outline(text)
    assert "still runs" in outline.text or "still going" in outline.text
    assert "How to report this in a paper" not in outline.text
    assert str(HIDDEN) not in text


def test_without_figures_there_is_no_script_of_plotly() -> None:
    text = page(known())
    assert len(text) < 100_000
    assert "plotly" not in text.lower().split("<script>")[0]


def test_of_a_very_long_table_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = known()
    whole = Outline(page(found)).text
    assert "further rows" not in whole
    monkeypatch.setattr("kdsearch.page.markup.MOST_ROWS", 3)
    outline = Outline(page(found))
    longest = max(len(table.rows) for table in build(found).tables)
    assert f"{longest - 3} further rows are not shown here: kdsearch report -o report.csv has them." in outline.text


def test_figures_and_tables_count_the_same_runs_where_code_is_mixed() -> None:
    found = known()
    half = tuple(
        replace(run, code_hash="bbbb") if run.pool == "confirm" and run.seed % 2 else run for run in found.runs
    )
    mixed = replace(found, runs=half)
    assert "over 6 fresh seeds that took part in no choice" in Outline(page(mixed, FOLDER, mix_code=True)).text
    assert "(n = 18)" in page(mixed, FOLDER, mix_code=True)  # validation against test
    assert "over 3 fresh seeds that took part in no choice" in Outline(page(mixed, FOLDER)).text
    assert "(n = 9)" in page(mixed, FOLDER)


def test_a_figure_that_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def figure(results):\n    return 1 / 0\n")
    assert (
        "the figure wrong cannot be drawn: ZeroDivisionError: division by zero" in Outline(page(known(), tmp_path)).text
    )


def test_the_command_that_repeats_a_study_has_its_values_exactly() -> None:
    found = known()
    settings = replace(
        found.study.settings, overrides={"task.lr": 0.0012345678, "run_timeout": 123456.0}, preset="full"
    )
    study = replace(found.study, settings=settings, source_file="known.py")
    text = Outline(page(replace(found, study=study))).text
    assert (
        "KDSEARCH_STORAGE= KDSEARCH_HOME=$(mktemp -d) kdsearch launch known.py --preset full "
        "--set task.lr=0.0012345678 --set run_timeout=123456.0" in text
    )


def test_the_paragraph_for_a_paper_tells_the_whole_effort_and_what_chose_epochs() -> None:
    found = known()
    failed = tuple(replace(run, state="failed", objective=None) if run.id == 1 else run for run in found.runs)
    assert "over 40 configurations with 60 runs" in Outline(page(replace(found, runs=failed))).text
    study = replace(found.study, description=f"{found.study.description}; best epoch on test")
    assert (
        "no choice of a configuration, but their epochs were chosen on test"
        in Outline(page(replace(found, study=study))).text
    )
