"""The numbers of four small studies, to see whether a change of the code changed any of them.

The JHMDB and CIFAR-10 studies with their presets ``smoke`` and ``cpu``, searched by a fixed design of a few settings
with two seeds each: every run's parameters, seed, objective and score, as the report has them. Runs train one by one in
one process, so that two machines of one kind agree bit for bit.

    KDSEARCH_DATA=... python -m tests.benchmarks.golden --write golden.json     before a change
    KDSEARCH_DATA=... python -m tests.benchmarks.golden --compare golden.json   after it; status 1 where any differs
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STUDIES = {
    ("jhmdb_weights", "smoke"): (8, 2),
    ("jhmdb_weights", "cpu"): (8, 2),
    ("cifar10_temperature", "smoke"): (8, 2),
    ("cifar10_temperature", "cpu"): (4, 2),
}
"""Search runs and fresh seeds of each."""

FIXED = """
import dataclasses, importlib.util
import kdsearch as kd

spec = importlib.util.spec_from_file_location("declared", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
study = dataclasses.replace(
    module.study.with_preset({preset!r}), name={name!r}, search=kd.Fixed(seeds=2), budget=kd.Budget(runs={runs}),
    confirm=kd.Confirm(seeds={seeds}, finalists=0), presets={{}}, preset=None,
)
del module
"""


def rows(study: str, preset: str, runs: int, seeds: int, folder: Path) -> list[dict[str, str]]:
    """Every run of one study, sorted."""
    file = folder / f"{study}_{preset}.py"
    path = str(REPOSITORY / "studies" / f"{study}.py")
    file.write_text(FIXED.format(name=file.stem, file=path, preset=preset, runs=runs, seeds=seeds))
    environment = os.environ | {"KDSEARCH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    command, table = [sys.executable, "-m", "kdsearch"], folder / f"{study}_{preset}.csv"
    for arguments in (
        ["launch", str(file), "--engine", "debug", "--population", "1"],
        ["export", "runs", str(file), "-o", str(table)],
    ):
        subprocess.run([*command, *arguments], cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.DEVNULL)
    with table.open() as lines:
        found = list(csv.DictReader(lines))
    return numbers(found)


def numbers(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """The runs without what tells of their time and machine, sorted."""
    dropped = ("second", "device", "hash", "memory", "finished", "worker")
    kept = [{name: value for name, value in row.items() if not any(d in name for d in dropped)} for row in found]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def main() -> None:
    """Write the numbers, or compare them with those of before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE")
    what.add_argument("--compare", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user
        found = {
            f"{study} {preset}": rows(study, preset, *sizes, Path(folder)) for (study, preset), sizes in STUDIES.items()
        }
        environment = os.environ | {"KDSEARCH_HOME": f"{folder}/home"}
        subprocess.run([sys.executable, "-m", "kdsearch", "db", "stop"], cwd=REPOSITORY, env=environment, check=True)
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=1))
        return
    before, differing = json.loads(arguments.compare.read_text()), 0
    for name, now in found.items():
        then = numbers(before[name])
        different = sum(one != two for one, two in zip(then, now, strict=False)) + abs(len(now) - len(before[name]))
        print(f"{name}: {len(now)} runs, {different} differ")
        differing += different
    if differing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
