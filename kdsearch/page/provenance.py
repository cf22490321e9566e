"""Where the numbers of a report come from: data, code, versions, devices, teachers, and how to repeat the study."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections import Counter
from datetime import UTC
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.report.answer import preset_options
from kdsearch.report.captions import describe_spread
from kdsearch.report.selection import Selection, code_of
from kdsearch.report.wording import plural

PACKAGES = ("kdsearch", "torch", "optuna", "ray", "numpy")
_SECONDS = 5


def provenance(results: StudyResults, selection: Selection) -> list[tuple[str, str]]:
    """Names and values; versions and commit are those at the time of the report, and are called so."""
    study = results.study
    timed = [run for run in results.runs if run.seconds is not None]
    devices = Counter(run.device or "unknown device" for run in timed)
    codes = Counter(code_of(run) for run in timed)
    return [
        ("Study", f"{study.name}, created {study.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"),
        ("Study file", study.source_file),
        ("Preset", study.settings.preset or ""),
        ("Commit of the study file, now", _commit(study)),
        ("Trainer's code", "; ".join(f"{code} ({plural(count, 'run')})" for code, count in codes.most_common())),
        ("Data", data_line(study)),
        ("Fingerprint of the data", study.data_hash),
        ("Teachers", _teachers(results)),
        ("Devices", "; ".join(f"{name} ({plural(count, 'run')})" for name, count in devices.most_common())),
        ("Versions, now", _versions()),
        ("Machine of this report", f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"),
    ]


def seeds(results: StudyResults, selection: Selection) -> list[tuple[str, str]]:
    """Which seeds were used for what."""
    study = results.study
    pools = Counter(run.pool for run in selection.runs)
    first = study.draws.first_confirm_seed
    kept = sorted({run.seed for run in selection.runs if run.pool == "confirm"})
    return [
        ("Search", f"{plural(pools['search'], 'run')} that ended; they choose the winner and enter no result"),
        ("Fresh seeds", f"{kept[0]} to {kept[-1]}, {plural(len(kept), 'seed')}" if kept else f"from {first} on"),
        ("An sd is over", describe_spread(selection).removeprefix("sd over ")),
        ("Vary", ", ".join(study.identity.get("vary") or ())),
    ]


def repeating(study: StudyRecord) -> str:
    """The command that begins the same study anew, in a ledger of its own."""
    if not study.source_file:
        return ""
    words = ["kdsearch", "launch", study.source_file, *preset_options(study)]
    for name, value in study.settings.overrides.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else repr(value)}"]
    return f"KDSEARCH_STORAGE= KDSEARCH_HOME=$(mktemp -d) {shlex.join(words)}"


def _teachers(results: StudyResults) -> str:
    runs = [run for run in results.runs if run.pool == "teacher" and run.state == "done"]
    if not runs:
        return ""
    values = [run.objective for run in runs if run.objective is not None]
    span = f", objective {min(values):.4g} to {max(values):.4g}" if values else ""
    return f"{plural(len(runs), 'teacher')} trained{span}; setting: {results.study.settings.teachers}"


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _commit(study: StudyRecord) -> str:
    """The commit of the folder that the study file lies in, and whether files differ from it."""
    if not study.source_file or not (folder := Path(study.source_file).parent).is_dir():
        return ""
    asked = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = done.stdout.strip()
    return said.replace("-dirty", " with changes that are not committed") if done.returncode == 0 else ""
