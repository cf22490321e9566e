"""Reports of a study: tables for the terminal, Markdown, LaTeX, CSV and JSON, from the ledger's records alone."""

from __future__ import annotations

from kdsearch.report.answered import Answer
from kdsearch.report.build import answer_of
from kdsearch.report.build import build
from kdsearch.report.export import runs_csv
from kdsearch.report.export import runs_json
from kdsearch.report.progress import status
from kdsearch.report.render import FORMATS
from kdsearch.report.render import render
from kdsearch.report.render import render_answer
from kdsearch.report.render import render_table
from kdsearch.report.sections.beside import build_beside
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Report
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table

__all__ = [
    "FORMATS",
    "Answer",
    "Column",
    "Estimate",
    "Report",
    "Row",
    "Table",
    "answer_of",
    "build",
    "build_beside",
    "render",
    "render_answer",
    "render_table",
    "runs_csv",
    "runs_json",
    "status",
]
