"""What a page or a terminal has room for: short captions in LaTeX, and narrow columns for long configurations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render
from kdsearch.report.formats.latex import escape

Make = Callable[..., StudyResults]


def test_a_set_of_streams_takes_a_line_each_and_no_column_from_the_baselines(results: Make) -> None:
    full = results()
    told = {
        id_: replace(row, params={**row.params, "vary": "initialisation+order"})
        for id_, row in full.configurations.items()
    }
    text = render(build(replace(full, configurations=told)), "table", width=100)
    assert "Left out" not in text
    assert re.search(r"^ vary( +initialisation){4}\n( +\+order){4}$", text, re.MULTILINE)


def test_latex_captions_are_short_and_everything_else_stands_below_the_table(results: Make) -> None:
    report = build(results())
    blocks = render(report, "latex").split("\n\n")[1:]
    for table, block in zip(report.tables, blocks, strict=True):
        (caption,) = re.findall(r"\\caption\{(.*)\}", block)
        assert len(caption) <= len(table.title) + 1 < 70
        below = block.split(r"\end{tabular}")[1]
        assert r"\begin{minipage}{\linewidth}\footnotesize" in below
        for sentence in (table.caption, *table.notes):
            assert escape(sentence) in below
        assert block.count(r"\begin{minipage}") == block.count(r"\end{minipage}") == 1
