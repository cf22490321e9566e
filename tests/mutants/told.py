"""A plugin of pytest that writes the names of failing tests, one a line, to the file ``KDSEARCH_MUTANT_FAILURES``."""

from __future__ import annotations

import os

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test, its set-up or what comes after it has failed; with xdist, the first process is told too."""
    if report.failed:
        _tell(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file of tests could not be read."""
    if report.failed:
        _tell(report.nodeid)


def _tell(name: str) -> None:
    with open(os.environ["KDSEARCH_MUTANT_FAILURES"], "a", encoding="utf-8") as file:
        file.write(name.replace("\n", " ") + "\n")
