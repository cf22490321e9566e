"""What a user's code does to the process that reads its file or trains its runs, and ranges at the edge of numbers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Loaded, declaration, run_program

import kdsearch as kd
from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.study_file import load
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.report import build, render
from kdsearch.search.gp.encoding import Encoding
from kdsearch.space import midpoint
from kdsearch.tasks.unchanged_process import unchanged_process

STUDY = """
import kdsearch as kd
def train(params, seed, report):
    return params["x"]
study = kd.Study(name="own", task=train, space={"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=8))
"""


def test_a_file_that_changes_the_process_changes_it_for_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSEARCH_HOME", "mine")
    Path("own.py").write_text(
        "import os, signal, sys\nimport numpy as np\n"
        "os.chdir('/')\nnp.seterr(all='raise')\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsys.stdout = None\n"
        + STUDY
    )
    handler, stdout = signal.getsignal(signal.SIGINT), sys.stdout
    loaded = load(Path("own.py"))
    assert loaded.path == tmp_path / "own.py"
    assert os.getcwd() == str(tmp_path)
    assert np.geterr()["over"] == "warn"
    assert signal.getsignal(signal.SIGINT) is handler
    assert sys.stdout is stdout
    assert environment.home() == tmp_path / "mine"


@pytest.mark.parametrize("line", ["sys.path[:] = []", "sys.path = []", "sys.path.clear()", "sys.meta_path.clear()"])
def test_a_file_that_takes_away_the_places_of_modules_takes_them_from_itself_alone(tmp_path: Path, line: str) -> None:
    """kdsearch imports some of its own modules, and packages, once it has read the file."""
    (tmp_path / "own.py").write_text(f"import sys\n{STUDY}\n{line}\nsys.path.insert(0, '/mine')\n")
    code = "import sys, kdsearch; kdsearch.load(sys.argv[1]); import psutil, wave; print(sys.path[0])"
    command = [sys.executable, "-c", code, str(tmp_path / "own.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("/mine\n", 0), done.stderr


def test_a_file_that_wraps_or_closes_the_streams_leaves_them_open(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrapper closes what it wraps when it is deleted: people write this line for another encoding."""
    Path(tmp_path / "own.py").write_text(
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('wrapped')\n"
        "sys.stderr = io.TextIOWrapper(sys.stderr.detach(), encoding='utf-8')\nsys.stderr.close()\n" + STUDY
    )
    with os.fdopen(os.dup(1), "w") as out, os.fdopen(os.dup(2), "w") as err, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        load(tmp_path / "own.py")
        gc.collect()
        print("to stdout")
        print("to stderr", file=sys.stderr)
    assert capfd.readouterr() == ("to stdout\n", "wrapped\nto stderr\n")


def test_a_file_that_is_read_twice_may_choose_how_processes_start(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import multiprocessing\nmultiprocessing.set_start_method('spawn')\n" + STUDY)
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        multiprocessing.set_start_method(None, force=True)
        load(tmp_path / "own.py")
        load(tmp_path / "own.py")
        assert multiprocessing.get_start_method() == "spawn"
    finally:
        multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize("call", ["kd.launch(__file__)", "kd.load(__file__)"])
def test_a_file_that_launches_itself_while_it_is_read(tmp_path: Path, call: str) -> None:
    (tmp_path / "own.py").write_text(f"{STUDY}{call}\n")
    with pytest.raises(StudyFileError, match=r"own.py reads itself.*if __name__ == .__main__.:"):
        load(tmp_path / "own.py")
    (tmp_path / "own.py").write_text(f"{STUDY}if __name__ == '__main__':\n    {call}\n")
    assert load(tmp_path / "own.py").study.name == "own"


def test_a_file_that_waits_for_a_thread_that_reads_another_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdsearch.engines.study_file._WAIT_SECONDS", 0.3)
    (tmp_path / "other.py").write_text(STUDY)
    waiting = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        f"    base = pool.submit(kd.load, {str(tmp_path / 'other.py')!r}).result()\n"
    )
    (tmp_path / "own.py").write_text(f"{STUDY}{waiting}")
    with pytest.raises(StudyFileError, match=r"other.py cannot be read: another thread reads a study file"):
        load(tmp_path / "own.py")
    assert load(tmp_path / "other.py").study.name == "own", "what holds others up has ended"


def test_what_a_study_file_starts_prints_nothing_into_an_export(tmp_path: Path, home: Path) -> None:
    (tmp_path / "own.py").write_text(f"{STUDY}import os\nos.system('echo from the shell')\nos.write(1, b'raw')\n")
    code = f"import kdsearch; kdsearch.load({str(tmp_path / 'own.py')!r})"
    program = [sys.executable, "-c", f"{code}\nprint('ours')"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout == "ours\n"
    assert "from the shell" in done.stderr
    assert "raw" in done.stderr
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *program[:2], code], capture_output=True, text=True)
    assert closed.returncode == 0, closed.stderr


def test_a_run_that_changes_where_kdsearch_keeps_what_it_has_changes_it_for_itself(
    ledger: Ledger, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a file of variables that a run loads over those of its process."""
    monkeypatch.setenv("KDSEARCH_DATA", str(home))  # what the run sets there stays until the end of this test
    seen: list[str] = []

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        seen.append(os.environ["KDSEARCH_HOME"])
        os.environ["KDSEARCH_HOME"] = str(tmp_path / "second")
        os.environ["PGHOST"] = "elsewhere"
        os.environ["KDSEARCH_DATA"] = str(tmp_path)
        return float(params["x"])

    run(ledger, train, {"x": kd.uniform(0, 1)})
    assert set(seen) == {str(home)}
    assert not (tmp_path / "second").exists()
    assert "PGHOST" not in os.environ


def test_numbers_of_any_size_reach_the_function_in_their_types(ledger: Ledger) -> None:
    """Postgres writes 1e16 as 10000000000000000, a whole number."""
    seen: list[dict[str, Any]] = []

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        seen.append(dict(params))
        return 0.5

    space = {"x": kd.log(1e15, 1e19), "c": kd.categorical([1e16, 3e17]), "d": kd.categorical([2.0, 1e22])}
    run(ledger, train, {**space, "n": kd.integer(1, 10)}, defaults={"far": 1e18, "whole": 2 * 10**16})
    assert len(seen) > 4
    for row in seen:
        kinds = {name: type(value).__name__ for name, value in row.items()}
        assert kinds == {"x": "float", "c": "float", "d": "float", "n": "int", "far": "float", "whole": "int"}


def test_two_threads_may_read_one_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"{STUDY}import time; time.sleep(0.3)\n")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(load, [tmp_path / "own.py"] * 2))
    assert [loaded.study.name for loaded in found] == ["own", "own"]


def run(ledger: Ledger, train: Any, space: dict[str, Any], *, seeds: int = 2, **fields: Any) -> Any:
    study = kd.Study(
        "own",
        train,
        space,
        search=kd.Fixed(seeds=2),
        budget=kd.Budget(runs=24),
        confirm=kd.Confirm(seeds=seeds, finalists=1),
        **fields,
    )
    record, _ = ledger.open_study(replace(declaration(study), source_file="/somewhere/own.py"))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_the_report_of_a_run_is_of_no_other(ledger: Ledger) -> None:
    """A trainer that is made once keeps that of its first run: later runs fail, and none is waited for."""
    kept: list[Any] = []

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        kept.append(report)
        if params["x"] > 0.8 and len(kept) > 2:
            kept[0](1, 0.5)
        return float(params["x"])

    results = run(ledger, train, {"x": kd.uniform(0, 1)})
    assert results.study.phase == "finished"
    failed = [run for run in results.runs if run.state == "failed"]
    assert failed
    assert all("called report of another run" in str(run.error) for run in failed)


def test_a_function_that_has_numpy_raise_and_removes_its_folder(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    before = np.geterr()

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        np.seterr(all="raise")
        (tmp_path / "gone").rmdir() if (tmp_path / "gone").exists() else None
        return 1e-30 * float(params["x"])

    try:
        results = run(ledger, train, {"x": kd.uniform(0, 1)})
        assert {run.state for run in results.runs} == {"done"}
        assert "To train it" in render(build(results), "table", width=100)
    finally:
        np.seterr(**before)  # type: ignore[arg-type]
        monkeypatch.chdir(tmp_path)


def test_what_a_run_does_to_its_process_ends_with_the_run(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[tuple[str, str, Any, bool]] = []
    before = os.getcwd(), np.geterr()["over"], signal.getsignal(signal.SIGTERM), True

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        mine = os.environ.get("KDSEARCH_HOME") is not None
        seen.append((os.getcwd(), np.geterr()["over"], signal.getsignal(signal.SIGTERM), mine))
        os.chdir("/")
        np.seterr(all="raise")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ["OF_THE_RUN"] = "kept"
        for name in [name for name in os.environ if name != "OF_THE_RUN"]:
            del os.environ[name]
        print("said", flush=True)
        sys.stdout.close()
        return float(params["x"])

    saved = dict(os.environ)
    try:
        results = run(ledger, train, {"x": kd.uniform(0, 1)})
        assert os.environ["OF_THE_RUN"] == "kept", "what it sets is its own"
    finally:
        os.environ.clear()
        os.environ.update(saved)
    assert {state.state for state in results.runs} == {"done"}
    assert set(seen) == {before}
    assert not sys.stdout.closed


def test_a_traceback_of_megabytes_is_kept_whole_once(ledger: Ledger) -> None:
    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if seed == 1:
            raise ValueError("begin " + "x" * 3_000_000 + " end")
        return float(params["x"])

    results = run(ledger, train, {"x": kd.uniform(0, 1)})
    failed = next(run for run in results.runs if run.state == "failed")
    assert failed.error is not None
    assert len(failed.error) < 21_000
    assert failed.error.rstrip().endswith(" end")
    whole = [event for event in results.events if event.run_id == failed.id and event.kind == "exception"]
    assert all(len(event.data["traceback"]) > 3_000_000 and len(event.message) < 3_000 for event in whole)
    assert len(whole) == 3


@pytest.mark.parametrize("bounds", [(5e-324, 1e308), (1e-300, 1e10), (1e-308, 10.0), (1e-300, 1e-200), (1e200, 1e300)])
def test_a_logarithmic_range_of_any_width(ledger: Ledger, bounds: tuple[float, float]) -> None:
    low, high = bounds
    dimension = kd.log(low, high)
    middle = midpoint(dimension)
    assert isinstance(middle, float)
    assert math.log10(middle) == pytest.approx((math.log10(low) + math.log10(high)) / 2, abs=1)
    encoding = Encoding({"x": dimension})
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = float(encoding.params(np.array([share]))["x"])
        assert low <= value <= high
        assert encoding.unit([{"x": value}])[0, 0] == pytest.approx(share, abs=0.02)
    results = run(ledger, lambda params, seed, report: math.log10(params["x"]) / 400 + 1, {"x": dimension})
    assert results.study.phase == "finished"
    assert len({row.params["x"] for row in results.configurations.values()}) > 2


@pytest.mark.parametrize("scale", [1e-160, 3e-50, 1e-49, 1e49])
@pytest.mark.filterwarnings("error:.*(overflow|invalid value|divide by zero):RuntimeWarning")
def test_values_of_any_size(ledger: Ledger, scale: float) -> None:
    """Down to 1e-50, where a value counts as 0: statistics square differences of values, and square the squares."""

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        noise = np.random.default_rng([seed, int(1e9 * params["x"])]).standard_normal()
        report(1, scale)
        return float((1 + params["x"] + 0.1 * noise) * scale)

    results = run(ledger, train, {"x": kd.uniform(0, 1)}, baselines={"middle": {"x": 0.5}}, seeds=6, chance=-1e50)
    assert results.study.phase == "finished"
    assert {run.state for run in results.runs} == {"done"}
    zero = scale < 1e-50
    assert all((run.objective == 0) == zero for run in results.runs)
    text = render(build(results), "table", width=100) + str([event.data for event in results.events])
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE), text


@pytest.mark.parametrize("value", ["nan", "1e30", "inf", "-1", "0", "soon"])
def test_a_lease_that_is_no_time(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSEARCH_LEASE_SECONDS", value)
    with pytest.raises(KdsearchError, match="KDSEARCH_LEASE_SECONDS is a number of seconds above 0, at most 86400"):
        environment.lease_seconds()


def test_a_home_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for value in ("~no-such-user-here/home", str(tmp_path / "a" / "home")):
        monkeypatch.setenv("KDSEARCH_HOME", value)
        with pytest.raises(KdsearchError, match="expected a folder"):
            environment.home()


LOOPS = """
import asyncio

import kdsearch as kd

async def read(value):
    await asyncio.sleep(0)
    return value

WIDTH = asyncio.run(read(3))

def train(params, seed, report):
    return params["x"] + 0 * asyncio.run(read(WIDTH)) + 0.001 * seed

study = kd.Study("loops", train, {"x": kd.uniform(0, 1)}, search=kd.Fixed(seeds=2), budget=kd.Budget(runs=8),
    confirm=kd.Confirm(seeds=2, finalists=0))
"""


def test_a_file_and_its_runs_may_run_event_loops_of_their_own(ledger: Ledger, tmp_path: Path, capfd: Any) -> None:
    """And Ctrl-C does afterwards what it did before."""
    (tmp_path / "loops.py").write_text(LOOPS)
    handler = signal.getsignal(signal.SIGINT)
    loaded = load(tmp_path / "loops.py")
    record, _ = ledger.open_study(loaded.declaration())
    DebugEngine(Coordinator(ledger, loaded.study, record, 2), loaded, "cpu", 1).run()
    assert ledger.study_by_id(record.id).phase == "finished"
    assert {run.state for run in ledger.results(record.id).runs} == {"done"}
    assert signal.getsignal(signal.SIGINT) is handler
    assert "never awaited" not in capfd.readouterr().err


def test_a_file_that_runs_a_loop_where_one_runs_already_is_named(tmp_path: Path) -> None:
    """As in a notebook."""
    (tmp_path / "loops.py").write_text(LOOPS)

    async def notebook() -> None:
        with pytest.raises(StudyFileError, match=r"line 10: WIDTH = asyncio.run\(read\(3\)\)\n.*running event loop"):
            load(tmp_path / "loops.py")
        gc.collect()

    with pytest.warns(RuntimeWarning, match="never awaited"):  # Python's word about the coroutine
        asyncio.run(notebook())


@pytest.mark.parametrize("way", ["with", "close"])
def test_a_file_that_closes_a_stream_has_written_what_waits_and_leaves_it_open(way: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), write_through=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        with unchanged_process():
            lent = sys.stdout
            with contextlib.ExitStack() as stack:
                if way == "with":
                    stack.enter_context(lent)
                print("hello", end="")
                if way == "close":
                    lent.close()
            assert out.buffer.getvalue() == b"hello"  # type: ignore[attr-defined]
            print("more", end="")
            with unchanged_process():
                assert sys.stdout is lent, "it is lent once"
    out.flush()
    assert out.buffer.getvalue() == b"hellomore"  # type: ignore[attr-defined]


def test_a_process_without_streams_stays_without() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        with unchanged_process():
            assert sys.stdout is None
            print("heard by nobody")


@pytest.mark.parametrize("timer", [signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF])
def test_a_timer_that_a_run_leaves_strikes_no_other_run(timer: int) -> None:
    """Also with a handler of its own, which would raise wherever the next run is."""
    number = {signal.ITIMER_REAL: signal.SIGALRM, signal.ITIMER_VIRTUAL: signal.SIGVTALRM}.get(timer, signal.SIGPROF)
    script = (
        "import signal, time\nfrom kdsearch.tasks.unchanged_process import users_code\n"
        "def late(*_): raise TimeoutError('too slow')\n"
        f"with users_code():\n    signal.signal({int(number)}, late); signal.setitimer({timer}, 0.2, 0.2)\n"
        "end = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass\n"
        f"print(signal.getsignal({int(number)}) is late, signal.getitimer({timer}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False (0.0, 0.0)\n"), done.stderr


@pytest.mark.parametrize("body", ["pass", "signal.alarm(5)", "signal.alarm(0)", "signal.setitimer(0, 99, 1)"])
def test_a_timer_of_the_process_itself_goes_on(body: str) -> None:
    script = (
        "import signal\nfrom kdsearch.tasks.unchanged_process import users_code\n"
        f"signal.setitimer(signal.ITIMER_REAL, 100)\nwith users_code(): {body}\n"
        "left, every = signal.getitimer(signal.ITIMER_REAL)\nprint(90 < left <= 100 and every == 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_alarms_of_runs_end_neither_launcher_nor_worker(tmp_path: Path) -> None:
    (tmp_path / "alarmed.py").write_text(
        "import signal, time\nimport kdsearch as kd\n"
        "def train(params, seed, report):\n"
        "    if params['m'] == 'timed': signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "    else: time.sleep(0.1)\n"
        "    return 0.5 + 0.01 * (seed % 7)\n"
        "study = kd.Study('alarmed', train, {'m': kd.categorical('timed', 'plain'), 'a': kd.uniform(0, 1)},\n"
        "    budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=0), chance=0.0)\n"
    )
    home = tmp_path / "home"
    try:
        code, output = run_program("launch", str(tmp_path / "alarmed.py"), "--engine", "debug", home=home)
        assert code == 0, output
        assert "lost its worker" not in output
    finally:
        embedded.stop(home / "postgres")


@pytest.mark.parametrize("log", [True, False])
def test_whole_numbers_of_hundreds_of_digits(log: bool) -> None:
    dimension = kd.integer(2**600, 2**1000, log=log)
    assert dimension.low <= midpoint(dimension) <= dimension.high


def test_a_study_with_two_names_is_one(tmp_path: Path) -> None:
    (tmp_path / "alias.py").write_text(STUDY + "main = study\n")
    assert load(tmp_path / "alias.py").study.name == "own"
