"""Reports of a study: tables for the terminal, Markdown, LaTeX, CSV and JSON, from the ledger's records alone."""

from __future__ import annotations

from kdsearch.report.across_studies.table import build_across_studies
from kdsearch.report.build import answer_of, build
from kdsearch.report.export import runs_csv, runs_json
from kdsearch.report.render import FORMATS, render, render_answer, render_table
from kdsearch.report.status import status
from kdsearch.report.tables import Answer, Column, Estimate, Report, Row, Table

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
    "build_across_studies",
    "render",
    "render_answer",
    "render_table",
    "runs_csv",
    "runs_json",
    "status",
]
