"""``python -m tests.mutants --size 200``: how many of a random sample of small faults the tests of their room notice.

Each is put into a copy of the working tree, never into the tree itself. A test that fails, or takes so long that it
is ended, has noticed it. The nearest tests of a module judge first, without those that are slow; what they miss is
judged by the whole folder of tests of its room. What survives is a test to write, unless no user could tell the
difference.
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
from pathlib import Path

from tests.mutants.rooms import LONG, modules, room_of, tests_of
from tests.mutants.sample import Mutant, sample

_NEAREST = ("-m", "not slow", "--timeout=60", *(f"--deselect=tests/{name}" for name in LONG))
_WHOLE = ("-n", "2", "--dist", "loadscope", "--timeout=300")


def main() -> None:
    """Draw the sample, judge it, print rate and survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="of the sample, what an earlier run has judged")
    parser.add_argument("--seconds", type=float, help="time limit of one mutant's tests, which are known to pass")
    parser.add_argument("--under", default="", help="only modules whose path below kdsearch begins so")
    parser.add_argument("--nearest", action="store_true", help="judge by the nearest tests alone")
    given = parser.parse_args()
    drawn = sample([name for name in modules() if name.startswith(given.under)], given.size, given.seed)[given.skip :]
    with tempfile.TemporaryDirectory(prefix="kdsearch-mutants-") as folder:
        os.chmod(folder, 0o711)  # as root, Postgres runs by another account
        copy = Path(folder, "copy")
        _copy_tree(copy)
        survivors = _judge_all(copy, drawn, given.seconds)
        if not given.nearest:
            survivors = _judge_by_room(copy, survivors)
    _print_rates(drawn, survivors)


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


def _judge_all(copy: Path, drawn: list[Mutant], seconds: float | None) -> list[Mutant]:
    """Those that survive. The time limit is three times what the same tests take without a fault."""
    survivors: list[Mutant] = []
    limits: dict[tuple[str, ...], float] = {}
    for number, mutant in enumerate(drawn, 1):
        tests, file = tests_of(mutant.module), copy / "kdsearch" / mutant.module
        limit = limits[tests] = seconds or limits.get(tests) or _limit(copy, tests)
        original, begin = file.read_bytes(), time.monotonic()
        file.write_text(mutant.text)
        verdict = "noticed" if _failure(copy, tests, limit) else "survives"
        file.write_bytes(original)
        place = f"kdsearch/{mutant.module}:{mutant.line}"
        print(f"{number:4} {verdict} {time.monotonic() - begin:5.0f} s  {place}  {mutant.operator}", flush=True)
        if verdict == "survives":
            survivors.append(mutant)
            print(f"       - {mutant.before}\n       + {mutant.after}", flush=True)
    return survivors


def _judge_by_room(copy: Path, missed: list[Mutant]) -> list[Mutant]:
    """Those that the whole folder of tests of their room, slow ones too, lets pass."""
    survivors: list[Mutant] = []
    limits: dict[str, float] = {}
    print("\nby all tests of the room:")
    for mutant in missed:
        room, file = room_of(mutant.module), copy / "kdsearch" / mutant.module
        tests = (f"tests/{room}",)
        limit = limits[room] = limits.get(room) or _limit(copy, tests, _WHOLE)
        original, begin = file.read_bytes(), time.monotonic()
        file.write_text(mutant.text)
        verdict = "noticed" if _failure(copy, tests, limit, _WHOLE) else "survives"
        file.write_bytes(original)
        print(f"     {verdict} {time.monotonic() - begin:5.0f} s  kdsearch/{mutant.module}:{mutant.line}", flush=True)
        if verdict == "survives":
            survivors.append(mutant)
    return survivors


def _limit(copy: Path, tests: tuple[str, ...], options: tuple[str, ...] = _NEAREST) -> float:
    begin = time.monotonic()
    if said := _failure(copy, tests, 3600, options):
        sys.exit(f"without any fault these tests fail, so nothing can be judged by them: {' '.join(tests)}\n{said}")
    return 30 + 3 * (time.monotonic() - begin)


def _failure(copy: Path, tests: tuple[str, ...], seconds: float, chosen: tuple[str, ...] = _NEAREST) -> str:
    """The last words of tests that fail or take too long; empty where all pass."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "--tb=line", f"--basetemp={copy.parent / 'tests'}", *chosen]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment["KDSEARCH_HOME"] = str(copy.parent / "home")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # so that pytest stops its database server
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return f"longer than {seconds:.0f} s"
    return said[-2000:] if process.returncode else ""


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
