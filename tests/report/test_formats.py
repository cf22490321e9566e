from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import ConfigurationRecord, StudyResults
from kdsearch.report import Column, Estimate, Row, Table, build, render, render_table, runs_csv, runs_json, status
from kdsearch.report.formats.latex import escape as latex_escape
from kdsearch.report.formats.markdown import escape as markdown_escape
from kdsearch.report.wording import fixed, p_value

Make = Callable[..., StudyResults]

TERMINAL = """\
Comparison on confirm seeds
synthetic data, not JHMDB: poses; test mAP at the epoch chosen on validation, fresh confirm seeds;
sd over student seeds with one teacher for all; n = runs, one a seed.
                                                                       P(winner >
 configuration      n          test mAP        winner - row  Holm p          row)  flip p  verdict
 ───────────────────────────────────────────────────────────────────────────────────────────────────
 winner (#10)       3   0.7200 ± 0.0200                   -       -             -       -  -
                       [0.6703, 0.7697]
 winner without     3   0.7000 ± 0.0100             +0.0200       -          1.00       -  undecided
 distillation          [0.6752, 0.7248]  [-0.0080, +0.0480]          [0.27, 1.00]
 student alone      3   0.6233 ± 0.0153             +0.0967   0.003          1.00       -  better
                       [0.5854, 0.6613]  [+0.0805, +0.1128]          [0.27, 1.00]
 seed_1             3   0.4567 ± 0.3523             +0.2633   0.406          1.00       -  undecided
 1/3 diverged          [0.0000, 1.0000]  [-0.7230, +1.0000]          [0.27, 1.00]
"""

MARKDOWN = [
    "| configuration | n | test mAP (mean ± sd) | 95 % interval | winner - row | 96 % interval | Holm p "
    "| P(winner \\> row) | 96 % interval | flip p | verdict |",
    "|:---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    "| winner (\\#10) | 3 | 0.7200 ± 0.0200 | [0.6703, 0.7697] | - |  | - | - |  | - | - |",
    "| winner without distillation | 3 | 0.7000 ± 0.0100 | [0.6752, 0.7248] | +0.0200 | [-0.0080, +0.0480] | - | 1.00 "
    "| [0.27, 1.00] | - | undecided |",
]

LATEX = [
    r"winner (\#10) & \num{3} & \num{0.7200 +- 0.0200} & - & - & - & - & - \\",
    r" &  & {[\num{0.6703}, \num{0.7697}]} &  &  &  &  &  \\",
    r"winner without distillation & \num{3} & \num{0.7000 +- 0.0100} & \num{+0.0200} & - & \num{1.00} & - "
    r"& undecided \\",
    r" &  & {[\num{0.6752}, \num{0.7248}]} & {[\num{-0.0080}, \num{+0.0480}]} &  & {[\num{0.27}, \num{1.00}]} &  &  \\",
    r"KD \& more & \num{0.5310} & - & one run \\",
]


def test_terminal_golden(results: Make) -> None:
    assert TERMINAL in render(build(results()), "table", width=100)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("phase", ["search", "confirm", "finished"])
def test_terminal_is_not_mangled(results: Make, width: int, phase: str) -> None:
    text = render(build(results(phase)), "table", width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for value in re.findall(r"  \[[^]\n]*$", text, re.MULTILINE):
        assert "," not in value, f"interval cut: {value}"
    if phase == "finished":
        assert "0.7200 ± 0.0200" in text
        assert "verdict" in text


def test_narrow_terminal_says_what_it_leaves_out(results: Make) -> None:
    assert "Left out" not in render(build(results()), "table", width=100)
    assert "Left out, this terminal being narrow: P(winner > row), flip p" in render(
        build(results()), "table", width=80
    )
    assert "Left out, this terminal being narrow: flip p" in render(build(results()), "table", width=92)


def test_words_are_not_cut(results: Make) -> None:
    report = build(results())
    for width in range(80, 121, 4):
        text = render(report, "table", width=width)
        assert len(re.findall(r"  (undecided|better|context)$", text, re.MULTILINE)) == 4


def test_many_baselines_fit(results: Make) -> None:
    full = results()
    more = {
        id_: ConfigurationRecord(
            id_, "baseline", f"a baseline with a long name {id_}", {"alpha": 0.123456, "epochs": 40}
        )
        for id_ in range(30, 42)
    }
    text = render(build(replace(full, configurations={**full.configurations, **more})), "table", width=80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "0.1235" in text
    assert "Left out, this terminal being narrow: a baseline" in " ".join(text.split())


def test_markdown_golden(results: Make) -> None:
    lines = render(build(results()), "md").splitlines()
    start = lines.index(MARKDOWN[0])
    assert lines[start : start + 4] == MARKDOWN
    assert any(line.startswith("| *finalist \\#11* |") for line in lines)


def test_latex_golden(results: Make) -> None:
    text = render(build(results()), "latex")
    for line in LATEX:
        assert line in text.splitlines()
    assert text.count(r"\caption{Comparison on confirm seeds.}") == 1
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 7
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 7
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"(?<!\\)[#_%]", body.replace("tab:", ""))


def test_csv_golden(results: Make) -> None:
    rows = list(csv.DictReader(StringIO(render(build(results()), "csv"))))
    cell = next(
        row for row in rows if (row["table"], row["row"], row["column"]) == ("comparison", "winner (#10)", "score")
    )
    assert float(cell["value"]) == pytest.approx(0.72)
    assert len(cell["low"]) > 12  # full precision
    assert (cell["n"], cell["context"]) == ("3", "0")
    assert all(row["data"].startswith("synthetic data, not JHMDB") for row in rows)
    remark = {row["remark"] for row in rows if row["row"] == "seed_1" and row["table"] == "comparison"}
    assert remark == {"1/3 diverged"}


def test_json_golden(results: Make) -> None:
    document: dict[str, Any] = json.loads(render(build(results()), "json"))
    assert document["schema"] == "kdsearch.report/1"
    assert document["data"] == "synthetic data, not JHMDB: poses, split 1"
    table = document["tables"][0]
    assert table["key"] == "comparison"
    assert table["rows"][1]["cells"]["difference"]["value"] == pytest.approx(0.02)
    assert table["rows"][0]["cells"]["difference"] is None
    assert table["rows"][1]["cells"]["verdict"] == "undecided"
    assert table["rows"][1]["cells"]["probability"]["low"] == pytest.approx(0.02 ** (1 / 3))
    assert (table["rows"][1]["cells"]["wins"], table["rows"][1]["cells"]["ties"]) == (3, 0)
    assert [column["key"] for column in table["columns"]] == list(table["rows"][0]["cells"])


def test_unknown_format(results: Make) -> None:
    with pytest.raises(KdsearchError, match="use one of table, md, latex, csv, json"):
        render(build(results()), "html")


def test_numbers() -> None:
    assert fixed(-0.00001, 4) == "0.0000"
    assert fixed(-0.00001, 4, signed=True) == "+0.0000"
    assert fixed(float("nan"), 4) == "-"
    assert (p_value(0.0004), p_value(0.0416), p_value(float("nan"))) == ("<0.001", "0.042", "-")


def test_decimals() -> None:
    def table(estimate: Estimate) -> Table:
        return Table("t", "t", "c", (Column("a", "a", "estimate"),), (Row("r", (estimate,)),))

    assert table(Estimate(0.72, sd=0.02)).decimals == 4
    assert table(Estimate(72.0, sd=2.1)).decimals == 2
    assert table(Estimate(0.72, sd=0.00012)).decimals == 5
    assert table(Estimate(0.72)).decimals == 4
    with pytest.raises(ValueError, match="has 0 cells, not 1"):
        Table("t", "t", "c", (Column("a", "a"),), (Row("r", ()),))


def test_escaping() -> None:
    assert latex_escape("a_b & 5 % -0.1 50-60") == r"a\_b \& 5 \% $-$0.1 50-60"
    assert markdown_escape("a|b_c\nd") == "a\\|b\\_c d"


def test_status(results: Make) -> None:
    full = results("search")
    at = datetime(2026, 11, 2, tzinfo=UTC)  # two workers: of 9 runs of 36 s two end at once
    ended = [
        replace(run, finished_at=at + timedelta(seconds=36 * (index // 2))) for index, run in enumerate(full.runs[3:])
    ]
    table = status(replace(full, runs=(*full.runs[:3], *ended)))
    assert [row.label for row in table.rows] == ["teacher", "preflight", "search"]
    assert table.column("done") == [3, 3, 6]
    assert table.column("failed") == [0, 0, 1]
    assert table.notes[0] == "Phase: search."
    assert "Leading: #10" in table.notes[1]
    assert "raw 0.8000 ± 0.0200, n = 3. Out: 0 of 2 configurations with two runs or more." in table.notes[1]
    assert "Seconds per run: 36" in table.notes[2]
    # 20 - 7 search runs (a failed one is spent), and 3 seeds for winner, ablation, 2 baselines, 2 finalists
    # and 9 runs took 5 * 36 s
    assert table.notes[3] == "Left: about 31 runs, 10 min at the pace of the runs that ended last."
    text = render_table(table)
    assert "synthetic data, not JHMDB" in text
    assert "0.33" not in text


def test_status_at_the_end_and_at_the_start(results: Make) -> None:
    assert not any("Left" in note for note in status(results("finished")).notes)
    full = results("search")
    start = status(StudyResults(full.study, {}, ()))
    assert start.rows == ()
    assert "No configuration has two search runs" in start.notes[1]
    assert "time is not known" in start.notes[2]


def test_cancelled_has_a_column_only_where_there_is_one(results: Make) -> None:
    full = results("search")
    assert "cancelled" not in [column.key for column in status(full).columns]
    runs = (*full.runs[:-1], replace(full.runs[-1], state="cancelled"))
    assert status(replace(full, runs=runs)).column("cancelled") == [0, 0, 1]


def test_export(results: Make) -> None:
    rows = list(csv.DictReader(StringIO(runs_csv(results()))))
    assert len(rows) == len(results().runs)
    first = next(row for row in rows if row["pool"] == "confirm")
    assert (first["configuration"], first["kind"], first["param.alpha"]) == ("#10", "searched", "0.25")
    assert (first["score"], first["scores.best_on_test"], first["code_hash"]) == ("0.7", "0.71", "aaaa")
    assert json.loads(first["curve"]) == {"objective": [0.75], "score": [0.7]}
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed["error"] == "boom"
    document = json.loads(runs_json(results()))
    assert document["data"].startswith("synthetic data")
    assert document["runs"][0]["param.epochs"] == 40
    hidden = json.loads(runs_json(results("search")))["runs"][0]
    assert hidden["score"] is None
    assert "hidden" in hidden["note"]
