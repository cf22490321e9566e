"""A run as every tracker takes it: a group, numbers that were set, numbers that came out, and a curve."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import RunRecord, StudyResults
from kdsearch.report.export import shown_before_choice
from kdsearch.report.selection import select
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class TrackedRun:
    """``group``: its configuration. ``config``: parameters and seed. ``metrics``: what it reached at its chosen epoch.

    ``curve``: epoch and values of each evaluation. ``tags``: what else identifies it.
    """

    id: int
    name: str
    group: str
    config: Mapping[str, Scalar]
    metrics: Mapping[str, float]
    curve: tuple[tuple[float, Mapping[str, float]], ...]
    tags: Mapping[str, str]
    ended: datetime | None
    seconds: float | None
    failed: bool


def tracked(results: StudyResults) -> Iterator[TrackedRun]:
    """Runs that were trained, or failed, in the order of their ids; without test scores until the winner is chosen."""
    hidden = select(results).searching
    shown = shown_before_choice(results.study) if hidden else lambda name: True
    names = Counter(row.name for row in results.configurations.values())
    for run in sorted(results.runs, key=lambda run: run.id):
        if run.state in ("done", "diverged", "stopped", "failed"):
            record = results.configurations[run.configuration_id]
            name = record.name or f"#{record.id}"
            if names[name] > 1 and record.kind != "searched":
                name = f"{name} ({record.kind})"
            yield TrackedRun(
                id=run.id,
                name=f"{name} {'fresh ' if run.pool == 'confirm' else ''}seed {run.seed}",
                group=name,
                config={**record.params, "seed": run.seed},
                metrics=_metrics(run, hidden=hidden),
                curve=tuple(_curve(run, shown)),
                tags={
                    "study": results.study.name,
                    "data": data_line(results.study),
                    "pool": run.pool,
                    "state": run.state,
                    "kind": record.kind,
                    "winner": str(record.id == results.study.winner_id).lower(),
                    "run": str(run.id),
                    "code": run.code_hash or "",
                    "device": run.device or "",
                },
                ended=run.finished_at,
                seconds=run.seconds,
                failed=run.state == "failed",
            )


def _metrics(run: RunRecord, *, hidden: bool) -> dict[str, float]:
    """What it reached; before the choice its objective alone, for a further metric may be of test data."""
    values: dict[str, float | None] = {"objective": run.objective, "epoch": run.epoch, "seconds": run.seconds}
    if not hidden:
        values |= {f"metric.{name}": value for name, value in run.metrics.items()}
        values |= {"score": run.score, **{f"score.{name}": value for name, value in run.scores.items()}}
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _curve(run: RunRecord, shown: Callable[[str], bool]) -> Iterator[tuple[float, dict[str, float]]]:
    names = [name for name in run.curve if name != "epoch" and shown(name)]
    for place, epoch in enumerate(run.curve.get("epoch", ())):
        columns = ((name, run.curve[name]) for name in names)
        values = {name: column[place] for name, column in columns if place < len(column)}
        finite = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        if finite and math.isfinite(epoch):
            yield epoch, finite


def steps(run: TrackedRun) -> list[int]:
    """A whole number for each evaluation: its epoch, or its place where epochs are fractions or do not rise."""
    epochs = [epoch for epoch, _ in run.curve]
    whole = all(epoch == int(epoch) for epoch in epochs) and sorted(set(epochs)) == epochs
    return [int(epoch) for epoch in epochs] if whole else list(range(len(epochs)))
