"""LaTeX tables as LaTeX reads them: they compile, and none is wider than a line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from figures.known import known

from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render
from kdsearch.report.formats.latex import _number

PACKAGES = ("adjustbox", "booktabs", "siunitx")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0.7200 ± 0.0200", r"\num{0.7200 +- 0.0200}"),
        ("[-0.0080, +0.0480]", r"[\num{-0.0080}, \num{+0.0480}]"),
        ("[0.61, 0.63] 99 %", r"[\num{0.61}, \num{0.63}] \num{99} \%"),
        ("1,234", r"\num{1234}"),
        ("1.234e-06", r"\num{1.234e-06}"),
        ("<0.001", r"$<$\num{0.001}"),
        ("-", "-"),
        ("n = 1: no interval", r"n = \num{1}: no interval"),
        ("c12", "c12"),
    ],
)
def test_numbers_are_written_by_siunitx(text: str, written: str) -> None:
    assert _number(text) == written


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex: texlive-latex-extra, texlive-science")
@pytest.mark.parametrize("study", ["small", "known", "search"])
def test_tables_compile_and_fit(results: Callable[..., StudyResults], study: str, tmp_path: Path) -> None:
    found = {"small": results, "known": known, "search": lambda: known("search")}[study]()
    (tmp_path / "report.tex").write_text(render(build(found), "latex"))
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{{','.join(PACKAGES)}}}"
        r"\begin{document}\input{report}\clearpage\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.findall(r"Overfull \\hbox.*", done.stdout) == []
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
