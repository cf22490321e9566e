"""``python -m tests.mutants --size 200``: how many of a random sample of small faults the tests of their room notice.

Each is put into a copy of the working tree, never into the tree itself. A test that fails, or takes so long that it
is ended ("too long", to be trusted on an idle machine alone), has noticed it. The nearest tests of a module judge
first, without those that are slow. Then the tests that noticed something run once without any fault: one that fails
then has noticed nothing. What is missed is judged by the whole folder of tests of its room. What survives is a test to
write, unless no user could tell the difference.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.rooms import LONG, modules, room_of, tests_of
from tests.mutants.sample import Mutant, sample

_NEAREST = ("-x", "-m", "not slow", "--timeout=60", *(f"--deselect=tests/{name}" for name in LONG))
_WHOLE = ("-x", "-n", "2", "--dist", "loadscope", "--timeout=300")
_CLEAN = ("-n", "2", "--dist", "loadscope", "--timeout=300")


def main() -> None:
    """Draw the sample, judge it, print rate and survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="of the sample, what an earlier run has judged")
    parser.add_argument("--only", default="", help="numbers of the sample, counted from 1, separated by commas")
    parser.add_argument("--seconds", type=float, default=300.0, help="time limit of one mutant's nearest tests")
    parser.add_argument("--under", default="", help="only modules whose path below kdsearch begins so")
    parser.add_argument("--nearest", action="store_true", help="judge by the nearest tests alone")
    given = parser.parse_args()
    drawn = sample([name for name in modules() if name.startswith(given.under)], given.size, given.seed)[given.skip :]
    if given.only:
        drawn = [drawn[int(number) - 1] for number in given.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="kdsearch-mutants-") as folder:
        os.chmod(folder, 0o711)  # as root, Postgres runs by another account
        copy = Path(folder, "copy")
        _copy_tree(copy)
        found = _judge_all(copy, drawn, given.seconds)
        _retract(copy, found)
        if not given.nearest:
            _judge_by_room(copy, found)
    _print_rates(drawn, [mutant for mutant, by in found.items() if not by])


def _copy_tree(copy: Path) -> None:
    """All files of the working tree that git does not ignore."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=True
    ).stdout
    for name in names.decode().split("\0"):
        if name and Path(name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(name).read_bytes())


def _judge_all(copy: Path, drawn: list[Mutant], seconds: float) -> dict[Mutant, str]:
    """What noticed each mutant: a test, or the time limit; empty for those that survive."""
    found: dict[Mutant, str] = {}
    for number, mutant in enumerate(drawn, 1):
        begin = time.monotonic()
        by = found[mutant] = _noticed_by(copy, mutant, tests_of(mutant.module), seconds, _NEAREST)
        took = f"{time.monotonic() - begin:5.0f} s"
        print(f"{number:4} {by or 'survives'} {took}  {_place(mutant)}  {mutant.operator}", flush=True)
        if not by:
            print(f"       - {mutant.before}\n       + {mutant.after}", flush=True)
    return found


def _judge_by_room(copy: Path, found: dict[Mutant, str]) -> None:
    """Let the whole folder of tests of its room, slow ones too, judge each that survives."""
    limits: dict[str, float] = {}
    print("\nby all tests of the room:")
    for mutant in [mutant for mutant, by in found.items() if not by]:
        room, begin = room_of(mutant.module), time.monotonic()
        tests = (f"tests/{room}",)
        if room not in limits:
            limits[room] = _limit(copy, tests)
        by = found[mutant] = _noticed_by(copy, mutant, tests, limits[room], _WHOLE)
        print(f"     {by or 'survives'} {time.monotonic() - begin:5.0f} s  {_place(mutant)}", flush=True)


def _retract(copy: Path, found: dict[Mutant, str]) -> None:
    """Run the tests that noticed something without any fault; what a failing one noticed survives."""
    tests = tuple(sorted({by for by in found.values() if by.startswith("tests/")}))
    ran = _run(copy, tests, 3600, _CLEAN) if tests else _Ran(0, ())
    if ran.code not in (0, 1):
        print("whether these tests pass without any fault is not known: pytest did not run them")
    for mutant, by in found.items():
        if by in ran.failures:
            found[mutant] = ""
            print(f"without any fault it fails too, so it has noticed nothing: {by}  {_place(mutant)}")


def _place(mutant: Mutant) -> str:
    return f"kdsearch/{mutant.module}:{mutant.line}"


def _noticed_by(copy: Path, mutant: Mutant, tests: tuple[str, ...], seconds: float, options: tuple[str, ...]) -> str:
    """The test that fails with this fault in the copy, ``too long``, or nothing."""
    file = copy / "kdsearch" / mutant.module
    original = file.read_bytes()
    file.write_text(mutant.text)
    try:
        ran = _run(copy, tests, seconds, options)
    finally:
        file.write_bytes(original)
    if not ran.code:
        return ""
    return ran.failures[0] if ran.failures else "too long" if ran.code is None else f"pytest ended with {ran.code}"


def _limit(copy: Path, tests: tuple[str, ...]) -> float:
    """Three times what the tests take without a fault."""
    begin = time.monotonic()
    ran = _run(copy, tests, 3600, _WHOLE)
    if ran.code != 0:
        sys.exit(f"without any fault these fail, so nothing can be judged by them: {' '.join(tests)} {ran.failures}")
    return 30 + 3 * (time.monotonic() - begin)


@dataclass(frozen=True)
class _Ran:
    """The exit status of pytest, ``None`` where it took too long, and the names of the tests that failed."""

    code: int | None
    failures: tuple[str, ...]


def _run(copy: Path, tests: tuple[str, ...], seconds: float, chosen: tuple[str, ...]) -> _Ran:
    told = copy.parent / "failures.txt"
    told.write_text("")
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.mutants.told", f"--basetemp={copy.parent / 'tests'}"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"KDSEARCH_HOME": str(copy.parent / "home"), "KDSEARCH_MUTANT_FAILURES": str(told)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *chosen, *tests],
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    code: int | None = None
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # so that pytest stops its database server
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return _Ran(code, tuple(told.read_text().splitlines()))


def _print_rates(drawn: list[Mutant], survivors: list[Mutant]) -> None:
    total = Counter(room_of(mutant.module) for mutant in drawn)
    lost = Counter(room_of(mutant.module) for mutant in survivors)
    print("\nroom        noticed  of   rate")
    for room, count in [*sorted(total.items()), ("all", len(drawn))]:
        noticed = count - (len(survivors) if room == "all" else lost[room])
        print(f"{room:10} {noticed:8} {count:4} {noticed / max(1, count):6.0%}")
    print("\nsurvivors:")
    for mutant in survivors:
        print(f"kdsearch/{mutant.module}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}")


if __name__ == "__main__":
    main()
