"""The program as a user types it: what it prints, what it refuses, how fast it answers."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from support import NOISY, program, run_program, wait_for

from kdsearch.ledger import embedded

HEAVY = ("torch", "ray", "torchvision")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a finished study."""
    home = tmp_path_factory.mktemp("cli") / "home"
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=home)
    assert code == 0, output
    assert "search ended: " in output
    assert "winner chosen" in output
    assert f"Finished {24 + 4 * 4} runs in " in output
    assert "Comparison on confirm seeds" in output
    yield home
    embedded.stop(home / "postgres")


@pytest.fixture
def own_home(home: Path) -> Iterator[Path]:
    yield home
    if (home / "postgres").exists():
        embedded.stop(home / "postgres")


def study_text(**replaced: str) -> str:
    text = NOISY.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def test_launching_a_finished_study_reports_at_once(finished: Path) -> None:
    code, output = run_program("launch", str(NOISY), home=finished)
    assert code == 0, output
    assert f"Nothing was left to do: all {24 + 4 * 4} runs had ended before this launch." in output
    assert "Comparison on confirm seeds" in output


@pytest.mark.parametrize("form", ["table", "md", "latex", "csv", "json"])
def test_report_in_every_format(finished: Path, form: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    code, output = run_program("report", "noisy_quadratic", "--format", form, "-o", str(file), home=finished)
    assert code == 0, output
    text = file.read_text()
    assert "winner" in text
    if form == "json":
        assert json.loads(text)["tables"]
    if form == "csv":
        assert len(list(csv.reader(io.StringIO(text)))) > 10


@pytest.mark.parametrize("command", [["report", "noisy_quadratic"], ["export", "runs", "noisy_quadratic"]])
def test_a_file_that_cannot_be_written_is_said(finished: Path, command: list[str]) -> None:
    code, output = run_program(*command, "-o", "/no/such/folder/file", home=finished)
    assert code == 1
    assert output.startswith("error:")
    assert "/no/such/folder/file" in output


def test_status_list_and_logs(finished: Path) -> None:
    code, output = run_program("status", str(NOISY), home=finished)
    assert code == 0, output
    assert "finished" in output
    assert "Search: 24 of 24 runs; the budget of 24 search runs is spent." in output
    code, output = run_program("list", home=finished)
    assert "noisy_quadratic@function" in output
    code, output = run_program("logs", "1", home=finished)
    assert code == 0, output
    assert "pool search, seed 0" in output
    assert "score" not in output.splitlines()[0]
    code, output = run_program("logs", "99999", home=finished)
    assert code == 1
    assert "no run 99999" in output


def test_a_worker_takes_a_study_by_its_name_too(finished: Path) -> None:
    for study in ("noisy_quadratic", str(NOISY)):
        code, output = run_program("worker", study, home=finished)
        assert code == 0, output
        assert output.startswith("working on noisy_quadratic@function as ")
        assert output.endswith("noisy_quadratic@function is finished\n")
    code, output = run_program("worker", "noisy_quadratics", home=finished)
    assert code == 1
    assert "no study 'noisy_quadratics'" in output


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run_program("--version", home=tmp_path) == (0, f"kdsearch {version('kdsearch')}\n")


@pytest.mark.slow
def test_export_runs(finished: Path, tmp_path: Path) -> None:
    code, output = run_program("export", "runs", "noisy_quadratic", home=finished)
    assert code == 0, output
    rows = list(csv.DictReader(io.StringIO(output)))
    assert len(rows) == 24 + 4 * 4
    code, output = run_program("export", "runs", "noisy_quadratic", "--format", "json", home=finished)
    assert len(json.loads(output)["runs"]) == len(rows)
    file = tmp_path / "runs.csv"
    code, output = run_program("export", "runs", "noisy_quadratic", "-o", str(file), home=finished)
    assert (code, output) == (0, f"{file}: {len(rows)} runs\n")
    assert list(csv.DictReader(file.open())) == rows
    file = tmp_path / "runs.json"
    code, output = run_program("export", "runs", "noisy_quadratic", "-o", str(file), home=finished)
    assert len(json.loads(file.read_text())["runs"]) == len(rows)
    odd = tmp_path / "runs.xyz"
    code, said = run_program("export", "runs", "noisy_quadratic", "-o", str(odd), home=finished)
    assert code == 1
    assert said.startswith(
        f"error: --output {odd}: no format is known by the ending .xyz; end it as one of .csv, .json"
    )
    assert not odd.exists()
    code, _ = run_program("export", "runs", "noisy_quadratic", "-o", str(odd), "--format", "csv", home=finished)
    assert code == 0
    assert list(csv.DictReader(odd.open())) == rows
    refused = run_program("export", "runs", "noisy_quadratic", "--format", "csv", "-o", str(file), home=finished)
    assert refused == (
        1,
        f"error: --format csv and --output {file} contradict each other: leave the format out\n",
    )
    assert run_program("export", "runs", "noisy_quadratic", "--format", "xml", home=finished)[0] == 1
    table = tmp_path / "runs.npz"
    code, output = run_program("export", "runs", "noisy_quadratic", "--table", str(table), home=finished)
    assert (code, output) == (0, f"{table}: {len(rows)} runs\n")
    with np.load(table) as archive:
        assert archive["objective"].size == len(rows)
    code, output = run_program("export", "model", "noisy_quadratic", "-o", str(tmp_path / "m.pt"), home=finished)
    assert code == 1
    assert "its task keeps no weights" in output


def test_db_commands(finished: Path) -> None:
    code, output = run_program("db", "url", home=finished)
    assert output.startswith("postgresql+psycopg2://")
    for study in ("noisy_quadratic", str(NOISY)):
        code, output = run_program("db", "mirror", study, home=finished)
        assert code == 0, output
        assert "is rebuilt with" in output


@pytest.mark.slow
def test_extend_stop_and_add(own_home: Path) -> None:
    environment = {"NOISY_SECONDS": "0.2", "NOISY_RUNS": "20"}
    launch = program("launch", str(NOISY), "--workers", "1", home=own_home, **environment)
    wait_for(lambda: "search" in run_program("list", home=own_home)[1], what="the search")
    code, output = run_program("stop", str(NOISY), home=own_home, **environment)
    assert code == 0, output
    assert "is stopped" in output
    printed, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0, printed
    assert "asked to stop" in printed

    code, output = run_program("extend", str(NOISY), "--confirm", "2", home=own_home, **environment)
    assert code == 1
    assert "confirm seeds; extend takes a larger total, got 2" in output
    code, output = run_program("extend", str(NOISY), "--runs", "10", home=own_home, **environment)
    assert code == 1
    assert "larger total" in output
    code, output = run_program("extend", str(NOISY), "--runs", "22", home=own_home, **environment)
    assert code == 0, output
    code, output = run_program("add", str(NOISY), "--set", "y=1", home=own_home)
    assert code == 1
    assert "unknown parameter 'y'" in output
    for value in ("nan", "abc", "7"):
        code, output = run_program("add", str(NOISY), "--set", f"x={value}", home=own_home)
        assert code == 1, output
        assert "cannot be used" in output
        assert "Traceback" not in output
    code, output = run_program("add", str(NOISY), "--set", "x=0.71", "--seeds", "4", home=own_home)
    assert code == 0, output

    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=own_home)
    assert code == 0, output
    rows = list(csv.DictReader(io.StringIO(run_program("export", "runs", "noisy_quadratic", home=own_home)[1])))
    searched = [row for row in rows if row["pool"] == "search"]
    assert len(searched) == 24, "the file asks for 24, which is more than the 22 of extend"
    code, output = run_program("extend", str(NOISY), "--runs", "50", home=own_home)
    assert code == 1
    assert "stays the winner" in output


def test_train_takes_a_study_by_its_name_too(finished: Path) -> None:
    by_name, by_file = (
        run_program("train", study, "--seed", "3", "--set", "x=0.7", home=finished)
        for study in ("noisy_quadratic", str(NOISY))
    )
    assert by_name[0] == 0, by_name[1]
    assert [line.partition(", 0.")[0] for line in by_name[1].splitlines()] == [
        line.partition(", 0.")[0] for line in by_file[1].splitlines()
    ]
    code, output = run_program("train", "noisy_quadratics", home=finished)
    assert code == 1
    assert "no study 'noisy_quadratics'" in output


def test_train_one_run_outside_the_ledger(own_home: Path) -> None:
    code, output = run_program("train", str(NOISY), "--seed", "3", "--set", "x=0.7", home=own_home)
    assert code == 0, output
    assert "epoch 5: objective 0.5000" in output
    assert "One seed is not a result" in output
    assert "outside the search space" not in output
    assert not (own_home / "postgres").exists()


def test_train_says_where_a_number_lies_outside_the_space(own_home: Path) -> None:
    code, output = run_program("train", str(NOISY), "--set", "x=7", home=own_home)
    assert code == 0, output
    assert "outside the search space, trained all the same: x=7 cannot be used: expected" in output


def test_the_dashboard_is_served_on_loopback_with_figures_of_ones_own(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import plotly.graph_objects as go\ndef figure(results):\n    return go.Figure(go.Bar(y=[len(results.runs)]))\n"
    )
    token = {"KDSEARCH_DASHBOARD_TOKEN": "token-of-the-test"}
    server = program("dashboard", "--port", "18181", "--figures", str(tmp_path), home=finished, **token)
    cookie = {"Cookie": "kdsearch_18181=token-of-the-test"}

    def page(path: str) -> str:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:18181/api/{path}", headers=cookie)
            return urllib.request.urlopen(request, timeout=2).read().decode()
        except OSError:
            assert server.poll() is None, server.communicate()[0]
            return ""

    try:
        assert "noisy_quadratic@function" in wait_for(lambda: page("studies"), what="the dashboard")
        (study,) = json.loads(page("studies"))["study_summaries"]
        wait_for(lambda: "kdsearch-own" in page(f"studies/{study['study_id']}?after=0"), what="the figure")
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_a_folder_of_figures_that_is_not_there_is_said(own_home: Path, tmp_path: Path) -> None:
    code, output = run_program("dashboard", "--figures", str(tmp_path / "none"), home=own_home)
    assert (code, output) == (1, f"error: expected a folder of figures, found no folder {tmp_path / 'none'}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import kdsearch as kd\nimport no_such_module\n", "No module named 'no_such_module'"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\n", "must make exactly one kdsearch.Study"),
        (study_text(**{'"zero": {"x": 0.0}': '"zero": {"z": 0.0}'}), "nothing is set for x"),
        (study_text(**{"kd.uniform(0, 1)": "kd.uniform(1, 0)"}), "low < high"),
    ],
)
def test_a_wrong_study_file_is_refused(own_home: Path, tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(text)
    code, output = run_program("launch", str(file), home=own_home)
    assert code == 1
    assert expected in output
    assert output.startswith("error:")
    assert "Traceback" not in output
    assert not (own_home / "postgres").exists(), "nothing is started for a file that cannot run"


def test_another_study_under_the_same_name_is_refused(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "noisy_quadratic.py"
    file.write_text(study_text(**{"kd.uniform(0, 1)": "kd.uniform(0, 2)"}))
    code, output = run_program("launch", str(file), home=finished)
    assert code == 1
    assert "space.x.high: 1.0 in the ledger, 2.0 in the study file" in output


def test_an_unreachable_database_is_said(own_home: Path) -> None:
    url = "postgresql+psycopg2://me:secret@127.0.0.1:1/db"
    code, output = run_program("status", "x", home=own_home, KDSEARCH_STORAGE=url)
    assert code == 1
    assert "cannot be reached" in output
    assert "secret" not in output


@pytest.mark.slow
def test_a_full_disk_ends_the_launch_with_a_message_and_an_intact_ledger(own_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "full.py"
    full = (
        'import os\n        if not os.environ.get("SPACE"):\n            open("/dev/full", "w").write("x" * 100000)\n'
    )
    file.write_text(study_text(**{"    rng = np": f"    if seed == 1:\n        {full}    rng = np"}))
    code, output = run_program("launch", str(file), home=own_home)
    assert code == 1, output
    assert "the disk is full" in output
    assert "Free some space" in output
    assert "Traceback" not in output
    code, output = run_program("launch", str(file), home=own_home, SPACE="1")
    assert code == 0, output


@pytest.mark.slow
def test_the_server_with_a_full_disk_is_said(own_home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    own_home.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=0755", "tmpfs", str(own_home)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        assert run_program("list", home=own_home)[0] == 0
        filler = own_home / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 2**14)
        code, output = run_program("launch", str(NOISY), "--engine", "debug", home=own_home, NOISY_RUNS="400")
        assert code == 1, output
        assert "Traceback" not in output
        assert "Free" in output or "free" in output
        filler.unlink()
        code, output = run_program("launch", str(NOISY), "--engine", "debug", home=own_home, NOISY_RUNS="400")
        assert code == 0, output
        rows = list(csv.DictReader(io.StringIO(run_program("export", "runs", "noisy_quadratic", home=own_home)[1])))
        assert sum(row["pool"] == "search" for row in rows) == 400
    finally:
        embedded.stop(own_home / "postgres")
        subprocess.run(["umount", "-l", str(own_home)], check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["status", "noisy_quadratic"], ["report", "noisy_quadratic"]])
def test_quick_commands_import_neither_torch_nor_ray(finished: Path, arguments: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['kdsearch', *{arguments!r}]\n"
        "from kdsearch.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    env = {**os.environ, "KDSEARCH_HOME": str(finished)}
    env.pop("KDSEARCH_STORAGE", None)
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("LOADED []")


@pytest.mark.slow
def test_a_task_that_fails_is_said_with_its_last_words(own_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(study_text(**{"    rng = np": '    raise ValueError("no such layer")\n    rng = np'}))
    code, output = run_program("launch", str(file), home=own_home)
    assert code == 1
    assert "ValueError: no such layer" in output or "so the study stops here" in output
    assert "kdsearch logs" in output
    assert "Traceback" not in output
    code, output = run_program("logs", "1", home=own_home)
    assert code == 0
    assert "ValueError: no such layer" in output
    attempts = output.count(" exception: run 1 attempt ")
    assert output.count("Traceback (most recent call last)") == 1
    assert output.count("(traceback as above)") == attempts - 1
