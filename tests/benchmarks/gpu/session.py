"""One run of the benchmark: item after item while there is time, each written down before the next begins."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kdsearch.tasks.base import Layout
from tests.benchmarks.gpu import report
from tests.benchmarks.gpu.cells import FORMS, GRAPH, Cell, Effort, measure, release
from tests.benchmarks.gpu.checks import first_line, run_check
from tests.benchmarks.gpu.plan import CheckItem, Clock, Item, LimitItem, Row, TableItem, resolve
from tests.benchmarks.gpu.table import measure_table, seeds_that_fit
from tests.benchmarks.population.__main__ import fastest_product
from tests.benchmarks.population.memory import TooLarge, fits
from tests.benchmarks.population.students import Student

NO_TIME = "no time left"
NARROW = 16
"""Width from which on a table that does not fit is given up."""


class Session:
    """What is found, as ``gpu.json`` holds it, and how each item is made.

    ``size``: settings and seeds of the table. ``found``: begins with what is known of machine and command.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        makers: Mapping[str, Callable[[], Student]],
        clock: Clock,
        effort: Effort,
        size: tuple[int, int],
        found: dict[str, Any],
    ) -> None:
        self.folder, self.device, self.clock, self.effort, self.size = folder, device, clock, effort, size
        self.students = _Made(makers)
        self.begin = time.monotonic()
        self.cells: list[Row] = []
        self.checks: list[Row] = []
        self.left_out: list[Row] = []
        self.found = {**found, "limit": None, "checks": self.checks, "cells": self.cells, "table": None}
        self.found["left_out"] = self.left_out
        self.too_large: dict[tuple[str, str, str], int] = {}
        self.work: dict[str, float] = {}

    def run(self, items: list[Item]) -> None:
        """Make all items that fit into the time; one that does not is left out, and cheaper ones after it are made."""
        for place, item in enumerate(items):
            self.write(items[place:])
            if isinstance(item, Cell):
                item = resolve(item, self.cells)
                if any(_is_of(row, item) for row in self.cells):
                    continue
            if not self.clock.fits(item):
                self.leave_out(item, NO_TIME)
                continue
            begin = time.monotonic()
            said = self.make(item)
            took = time.monotonic() - begin
            self.clock.took.append((item, took))
            print(f"{item}: {said} ({took:.1f} s, {max(0.0, self.clock.left):.0f} s left)", flush=True)
        self.write()

    def make(self, item: Item) -> str:
        """Make one; what it says of itself."""
        if isinstance(item, LimitItem):
            return self.limit()
        if isinstance(item, CheckItem):
            self.checks.append(run_check(item.name, self.students.all(), self.device))
            release(self.device)
            return f"{self.checks[-1]['state']}, {self.checks[-1]['seen']}"
        if isinstance(item, Cell):
            return self.cell(item)
        return self.table()

    def limit(self) -> str:
        """What a large product reaches."""
        try:
            limit = fastest_product(self.device)
        except Exception as error:
            return self.leave_out(LimitItem(), first_line(error))
        finally:
            release(self.device)
        self.found["limit"] = limit
        return f"{limit / 1e12:.3g} TFLOP/s"

    def cell(self, cell: Cell) -> str:
        """Measure a cell; every exception becomes its row."""
        key, row = (cell.student, cell.form, cell.precision), vars(cell).copy()
        known = self.too_large.get(key, cell.width + 1)
        if cell.form == GRAPH and torch.device(self.device).type != "cuda":
            row |= {"state": "left out", "reason": "needs CUDA"}
        elif cell.width >= known:
            row |= {"state": "out of memory", "reason": f"M={known} was too large"}
        else:
            try:
                student = self.students[cell.student]
                if cell.student not in self.work:
                    self.work[cell.student] = student.flops(self.device)
                row |= measure(student, cell, self.device, self.effort, self.work[cell.student])
            except TooLarge:
                self.too_large[key] = cell.width
                row |= {"state": "out of memory", "reason": "does not fit; wider ones are left out"}
            except Exception as error:
                row |= {"state": "failed", "reason": first_line(error)}
            release(self.device)
        self.cells.append(row)
        if row["state"] != "done":
            return f"{row['state']}, {row['reason']}"
        return f"{row['runs_a_second']:.4g} runs a second, {1e3 * row['seconds_a_step']:.4g} ms a step"

    def table(self) -> str:
        """The pose table in the layout that was the fastest, with as many seeds as there is time for."""
        known = [
            row
            for row in self.cells
            if (row["student"], row["state"], row["precision"]) == ("pose", "done", "float32") and row["form"] in FORMS
        ]
        if not known:
            return self.leave_out(TableItem(), "no population of pose students was measured")
        best = max(known, key=lambda row: float(row["runs_a_second"]))
        seeds = seeds_that_fit(float(best["runs_a_second"]), self.clock.left, self.size)
        if not seeds:
            return self.leave_out(TableItem(), NO_TIME)
        width, form, reason = min(best["width"], self.size[0] * seeds), best["form"], ""
        while width:
            try:
                with fits(form, width):  # evaluations take memory that the cell of this width did not
                    row = measure_table(self.device, Layout(width, form), self.size, seeds, self.clock.left)
                self.found["table"] = row
                return f"{row['runs']} runs in {row['seconds']:.1f} s"
            except TooLarge:
                reason = f"does not fit at M={width}"
                width = width // 2 if width > NARROW else 0
            except Exception as error:
                width, reason = 0, first_line(error)
            release(self.device)
            print(f"pose table: {reason}", file=sys.stderr, flush=True)
        return self.leave_out(TableItem(), reason)

    def leave_out(self, item: Item, reason: str) -> str:
        """Say so, and write it down."""
        self.left_out.append({"item": str(item), "reason": reason})
        print(f"left out: {item}, {reason}", file=sys.stderr, flush=True)
        return f"left out, {reason}"

    def write(self, waiting: Sequence[Item] = ()) -> None:
        """Both files; ``waiting``: the items that a kill would leave out now."""
        seconds = time.monotonic() - self.begin
        report.write(self.folder, {**self.found, "seconds": seconds, "not_reached": list(map(str, waiting))})


class _Made(dict[str, Student]):
    """Students by name, each made when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Student]]) -> None:
        super().__init__()
        self.makers = makers

    def __missing__(self, name: str) -> Student:
        student = self[name] = self.makers[name]()
        return student

    def all(self) -> dict[str, Student]:
        """Every student."""
        return {name: self[name] for name in self.makers}


def _is_of(row: Row, cell: Cell) -> bool:
    return all(row[name] == value for name, value in vars(cell).items())
