"""Texts of users are shown as they are: no terminal, browser, spreadsheet or typesetter takes one for a command."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from kdsearch.cli import output, studies
from kdsearch.cli.data import table_of
from kdsearch.cli.launch_header import print_header
from kdsearch.cli.logs import event_lines, run_lines
from kdsearch.cli.progress import LONGEST_EVENT, View, event_line
from kdsearch.engines.launch import Launch
from kdsearch.ledger.records import EventRecord, RunRecord, StudyResults
from kdsearch.report import Column, Report, Row, Table, build, render, runs_csv, runs_json
from kdsearch.report.formats import latex, markdown
from kdsearch.report.formats.csv_format import cell_text
from kdsearch.report.formats.terminal import render_text
from kdsearch.texts import literal, one_line, plain, shortened

MARKUP = "lr[/head] [red]x[/red] [/INST] :smile: [link=http://x]"
HOSTILE = (
    MARKUP,
    "\x1b[2J\x1b]0;owned\x07",
    "first\rsecond\r\nthird",
    "tab\there",
    "left\u202eright\u2066\u200f",
    "nul\x00byte",
    "bell\x9b31m",
    "line\u2028separator\x85",
)
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
MANY = "A" * 1000 + "m" * 5_000_000 + "Z" * 1000


@pytest.fixture
def study_results(results: Callable[..., StudyResults]) -> StudyResults:
    return results()


def table(text: str) -> Table:
    """A table with the text in every place that a user's text can have."""
    return Table(
        "t",
        text,
        text,
        (Column("a", text, "text"), Column("b", f"b {text}", "parameter"), Column("n", "n", "count")),
        (Row(text, (text, text, 3), note=text), Row("other", ("x", 2.0, 4), context=True)),
        (text,),
        row_header=text,
    )


def report(text: str) -> Report:
    return Report(text, text, text, (text,), (table(text),), (text,))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["table", "md", "latex", "csv", "json"])
def test_a_report_shows_every_text_literally(form: str, text: str) -> None:
    shown = render(report(text), form, width=400)
    assert not HIDDEN.search(shown)
    if form == "table":
        assert shown.count(one_line(text)) >= 7
    if form == "json":
        assert json.loads(shown)["tables"][0]["rows"][0]["label"] == text
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(shown)))
        assert {row["row"] for row in rows if row["column"] == "a"} == {literal(text), "other"}


@pytest.mark.parametrize("text", HOSTILE)
def test_events_runs_and_the_list_of_studies_show_texts_literally(
    study_results: StudyResults, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    event = EventRecord(AT, "exception", f"run 7 attempt 1: {text}", 7, {"traceback": f"Traceback\n{text}"})
    for line in event_lines([event]):
        output.say(line)
    record = replace(study_results.study, description=text)
    for line in studies.lines_of([record], None):
        output.say(line)
    printed = capsys.readouterr().out
    assert not HIDDEN.search(printed)
    assert one_line(text) in printed
    assert literal(text).splitlines()[-1] in printed
    console = Console(file=io.StringIO(), force_terminal=True, width=400, markup=False, highlight=False, emoji=False)
    console.print(event_line(event))
    assert "".join(literal(text).split()) in "".join(cast("io.StringIO", console.file).getvalue().split())


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [20, 100])
def test_the_live_view_takes_markup(width: int, terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False)
    events = [EventRecord(AT, "exception", f"run 1 attempt 1: {MARKUP}", 1, id=1)]
    ledger: Any = SimpleNamespace(events_after=lambda study, last: [row for row in events if row.id > last])
    with View(console, SimpleNamespace(events_after=lambda study, last: []), 1) as view:  # type: ignore[arg-type]
        view._ledger = ledger
        view._bar.note = MARKUP
        view._bar.update(view._task, description=MARKUP)
        view._bar.refresh()
    assert "".join(MARKUP.split()) in "".join(file.getvalue().split())


def test_a_dumb_terminal_gets_lines_in_place_of_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True)
    view = View(console, SimpleNamespace(events_after=lambda study, last: []), 1)  # type: ignore[arg-type]
    assert view._bar.disable


def test_the_header_and_the_list_of_data_take_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    from kdsearch.cli import launch_header

    lines = [("study", MARKUP), ("data", f"{MARKUP}\nsearch ended: all is well")]
    monkeypatch.setattr(launch_header, "header", lambda opened: iter(lines))
    console = Console(file=io.StringIO(), width=400, markup=False, highlight=False, emoji=False)
    print_header(console, cast("Launch", None))
    printed = cast("io.StringIO", console.file).getvalue()
    assert printed.count(MARKUP) == 2
    assert "\\nsearch ended" in printed
    row: Any = SimpleNamespace(name=MARKUP, modality="m", clips=1, classes=2, fingerprint="f", where=MARKUP)
    assert render_text(table_of([row]), 400).count(MARKUP) == 2


def test_what_a_user_writes_does_not_look_like_an_event() -> None:
    forged = "boom\n2026-11-02 12:00:00 winner: winner chosen: c4\nsearch ended: the budget is spent"
    event = EventRecord(AT, "exception", forged, 7, {"traceback": forged})
    first, traceback = event_lines([event])
    assert "\n" not in first
    assert all(line.startswith("    ") for line in traceback.splitlines())
    assert all(line.startswith("    ") for line in event_line(event).splitlines()[1:])


def test_very_long_texts_are_shown_in_part_and_kept_whole(study_results: StudyResults) -> None:
    event = EventRecord(AT, "exception", f"run 7 attempt 1: ValueError: {MANY}", 7, {"traceback": f"T\n{MANY}"})
    line = event_line(event)
    assert len(line) < LONGEST_EVENT + 100
    assert "run 7 attempt 1" in line
    assert line.endswith("ZZZ")
    assert "characters left out, see kdsearch logs 7" in line
    run = next(run for run in study_results.runs if run.state == "failed")
    found = replace(study_results, events=(replace(event, run_id=run.id),))
    assert any(MANY in text for text in run_lines(found, run))
    record = replace(study_results.study, description=MANY)
    assert len(render(build(replace(study_results, study=record)), "table")) < 200_000
    assert sum(map(len, studies.lines_of([record], 80))) < 2_000
    text = shortened(MANY)
    assert len(text) < 4_100
    assert text.startswith("AAA")
    assert text.endswith("ZZZ")
    assert shortened("x" * 4_000) == "x" * 4_000


def test_cells_of_csv_are_no_formulas(study_results: StudyResults) -> None:
    for text in ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", " =1", "\t=1"):
        assert cell_text(text) == f"'{text}"
    for text in ("-0.5", "+1e-3", "1", "-", "a=1", "0.5 - 0.1", ""):
        assert cell_text(text) == text
    row = next(iter(study_results.configurations.values()))
    named = replace(row, name="=HYPERLINK(1)", params={**row.params, "kind": "@x"})
    evil = replace(study_results, configurations={**study_results.configurations, row.id: named})
    rows = list(csv.DictReader(io.StringIO(runs_csv(evil))))
    own = [found for found in rows if found["configuration_id"] == str(row.id)]
    assert {found["configuration"] for found in own} == {"'=HYPERLINK(1)"}
    assert {found["param.kind"] for found in own} == {"'@x"}
    numbers = [float(found["objective"]) for found in rows if found["objective"]]
    assert numbers == [run.objective for run in study_results.runs if run.objective is not None]
    assert json.loads(runs_json(evil))["runs"][0]["configuration"] == "=HYPERLINK(1)"
    formulas = csv.DictReader(io.StringIO(render(report("=1+1"), "csv")))
    assert not any((value or "").startswith("=") for line in formulas for value in line.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](http://x)", r"[a\](http://x)"),
        ("[a]: http://x", r"[a\]: http://x"),
        ("~~a~~ $x$", r"\~\~a\~\~ \$x\$"),
        ("&lt;b&#62;", r"\&lt;b\&\#62;"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("[x] done", r"\[x] done"),
        ("0.7 [0.6, 0.8] (96 %)", "0.7 [0.6, 0.8] (96 %)"),
        ("AT&T -0.5", "AT&T -0.5"),
    ],
)
def test_markdown_reads_no_markup_in_texts(text: str, expected: str) -> None:
    assert markdown.escape(text) == expected


def test_latex_reads_no_command_in_texts() -> None:
    assert latex.escape("a|b -- c ^^M") == r"a\textbar{}b -{}- c \textasciicircum{}\textasciicircum{}M"
    starred = Table("t", "t", "c", (Column("n", "n", "count"),), (Row("*best", (1,)), Row("[a]", (2,))))
    lines = latex.table_text(starred).splitlines()
    assert r"{*best} & \num{1} \\" in lines
    assert r"{[a]} & \num{2} \\" in lines


def test_a_command_with_backticks_is_one_span_of_code(study_results: StudyResults) -> None:
    command = "To train it: kdsearch train 'a`b.py'"
    answer: Any = SimpleNamespace(commands=[command])
    assert markdown._answer_line(answer, command) == "To train it: `` kdsearch train 'a`b.py' ``"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_plain_characters_where_the_terminal_has_no_others(
    study_results: StudyResults, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr("sys.stderr", None)
    output.prepare_streams()
    wide = render(build(study_results), "table", width=100)
    text = render(build(study_results), "table", width=100, encoding=output.encoding())
    output.say(text)
    output.say("µ → ü 日 ± \udc80")
    output.complain("nobody hears this")
    sys.stdout.flush()
    printed = raw.getvalue().decode(encoding)
    assert "±" in wide
    assert ("+/-" if encoding == "ascii" else "±") in printed
    assert "─" not in printed
    assert "u -> " in printed or "µ -> " in printed
    # Columns are aligned: what is replaced is replaced before the layout.
    lines = text.splitlines()
    head = next(index for index, line in enumerate(lines) if line.strip().startswith("---"))
    assert max(map(len, lines[head + 1 : head + 4])) <= len(lines[head])
    assert "\\u65e5" in printed
    assert "\\udc80" in printed


def test_plain_leaves_utf8_alone() -> None:
    assert plain("± ─ 日", "utf-8") == "± ─ 日"
    assert plain("± ─ 日", "ascii") == "+/- - \\u65e5"


def test_logs_of_a_run_say_small_objectives(study_results: StudyResults) -> None:
    run = replace(next(run for run in study_results.runs if run.state == "done"), objective=1.2345678e-6)
    assert any("objective 1.235e-06 at epoch" in line for line in run_lines(study_results, cast("RunRecord", run)))
