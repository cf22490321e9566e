"""``gpu.json`` and ``gpu.md``: what was measured, with ratios, and what was left out and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.gpu.cells import EAGER, GRAPH

Row = dict[str, Any]
COLUMNS = (
    "student",
    "M",
    "form",
    "precision",
    "ms a step of all M (range)",
    "runs/s",
    "one by one, runs/s (ms a step)",
    "times one by one",
    "CUDA graph, runs/s (ms a step)",
    "times CUDA graph",
    "TFLOP/s",
    "of the limit",
    "peak GiB",
)


def write(folder: Path, found: Mapping[str, Any]) -> None:
    """Both files, each whole: a kill leaves the last ones."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**found, "cells": with_ratios(found["cells"])}
    _replace(folder / "gpu.json", json.dumps(whole, indent=1, allow_nan=True) + "\n")
    _replace(folder / "gpu.md", markdown(whole))


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(path.name + ".part")
    aside.write_text(text)
    os.replace(aside, path)


def with_ratios(cells: Sequence[Row]) -> list[Row]:
    """Cells that are done with ``alone`` and ``graph``, runs a second one by one in float32, and the ratios to them.

    A ratio is ``None`` where the other one was not measured.
    """
    rates = {(row["student"], row["form"]): row["runs_a_second"] for row in cells if _is_base(row)}
    rows = []
    for row in cells:
        if row["state"] == "done":
            bases = {"alone": rates.get((row["student"], EAGER)), "graph": rates.get((row["student"], GRAPH))}
            ratios = {
                f"times_{name}": None if rate is None else row["runs_a_second"] / rate for name, rate in bases.items()
            }
            row = {**row, **bases, **ratios}
        rows.append(row)
    return rows


def _is_base(row: Row) -> bool:
    return row["state"] == "done" and row["form"] in (EAGER, GRAPH) and row["precision"] == "float32"


def markdown(found: Mapping[str, Any]) -> str:
    """The tables."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    machine = found["machine"]
    yield f"# Populations on {machine['name']}"
    yield ""
    yield f"{machine['date']}, torch {machine['torch']}, {machine['words']}; `{machine['command']}`,"
    yield f"{found['seconds']:.0f} s{', tiny: a rehearsal, whose figures mean nothing' if found['tiny'] else ''}."
    if found.get("limit"):
        yield f"The limit is {found['limit'] / 1e12:.3g} TFLOP/s: a large float32 matrix product (TF32 on a GPU)."
    yield ""
    yield from _table(("check", "state", "seen"), [[r["check"], r["state"], r["seen"]] for r in found["checks"]])
    yield ""
    done = [row for row in found["cells"] if row["state"] == "done"]
    yield from _table(COLUMNS, [_figures(row, found.get("limit")) for row in done])
    yield ""
    lengths = ", ".join(f"{count} ({name})" for name, count in {r["student"]: r["steps_a_run"] for r in done}.items())
    yield "Steps alone, after a warm-up: medians of passes over up to three batches."
    yield f"Steps of a run: {lengths or 'none'}."
    yield "Ratios are runs a second over those one by one in eager mode, and over launches of a captured step, both"
    yield "float32. The captured step of pose and mask students has its triplets as a cube. FLOP/s count a run's"
    yield "products as one by one. Memory: the peak with the datasets, of a CPU all of the process. Populations in"
    yield "bfloat16 are an experiment of this benchmark: a worker trains such runs one by one."
    yield ""
    yield from _whole_table(found.get("table"))
    yield "## Left out"
    yield ""
    out = [(_name(row), row["state"], row["reason"]) for row in found["cells"] if row["state"] != "done"]
    out += [(row["item"], "left out", row["reason"]) for row in found["left_out"]]
    out += [(item, "not reached", "the run was cut short") for item in found["not_reached"]]
    yield from _table(("what", "state", "why"), out) if out else ["Nothing."]


def _figures(row: Row, limit: float | None) -> list[str]:
    low, high = 1e3 * row["fastest"], 1e3 * row["slowest"]
    return [
        row["student"],
        str(row["width"]),
        row["form"],
        row["precision"],
        f"{1e3 * row['seconds_a_step']:.4g} ({low:.4g} to {high:.4g}, n = {row['repeats']})",
        _number(row["runs_a_second"]),
        _base(row["alone"], row["steps_a_run"]),
        _number(row["times_alone"]),
        _base(row["graph"], row["steps_a_run"]),
        _number(row["times_graph"]),
        _number(row["flops"] / 1e12),
        f"{100 * row['flops'] / limit:.2g} %" if limit else "",
        f"{row['peak_memory'] / 2**30:.2f}",
    ]


def _whole_table(row: Mapping[str, Any] | None) -> Iterator[str]:
    if row is None or row["state"] != "done":
        return
    whole = row["settings"] * row["seeds"]
    yield f"## {row['settings']} x {row['seeds']} pose runs"
    yield ""
    part = "" if row["runs"] == whole else f" ({row['runs']} runs in {row['seconds']:.1f} s, scaled)"
    yield (
        f"{row['seconds_of_whole']:.1f} s for {whole} runs{part}, {row['width']} at once ({row['form']}); the teacher "
        f"before it {row['teacher_seconds']:.1f} s. Median of {row['median_epochs']:.0f} epochs a run, objective "
        f"{row['median_objective']:.3f}, {row['diverged']} diverged, {row['failed']} failed"
        f"{': ' + row['first_error'] if row['first_error'] else ''}; peak {row['peak_memory'] / 2**30:.2f} GiB."
    )
    yield ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(heads)
    yield _row(["---"] * len(heads))
    yield from map(_row, rows)


def _row(values: Sequence[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _base(rate: float | None, steps: int) -> str:
    """Runs a second, one after the other, and the milliseconds of a step."""
    return "" if rate is None else f"{rate:.3g} ({1e3 / (rate * steps):.4g})"


def _name(row: Row) -> str:
    return f"{row['student']} M={row['width']} {row['form']} {row['precision']}"
