"""What the study took: one line of runs, hours, devices and code hashes."""

from __future__ import annotations

from collections import Counter

from kdsearch.ledger.records import State
from kdsearch.ledger.records import StudyResults
from kdsearch.report.selection import code_of

STATES: tuple[State, ...] = ("done", "diverged", "failed", "leased", "queued", "cancelled")


def cost_line(results: StudyResults) -> str:
    """Return runs by state, training hours over all runs, devices, and code hashes with their runs."""
    states = Counter(run.state for run in results.runs)
    counts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    timed = [run for run in results.runs if run.seconds is not None]
    hours = sum(run.seconds or 0.0 for run in timed) / 3600
    devices = Counter(run.device or "unknown device" for run in timed)
    codes = Counter(code_of(run) for run in timed)
    parts = [f"Runs: {counts or 'none'}", f"training {_time(hours)}"]
    if timed:
        parts.append("on " + ", ".join(f"{name} ({count})" for name, count in devices.most_common()))
        parts.append("code " + ", ".join(f"{code[:12]} ({count})" for code, count in codes.most_common()))
    return "; ".join(parts) + "."


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
