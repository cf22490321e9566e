"""A study small enough to check by hand: three confirm seeds, round scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support import ToyTask, settings_of

import kdsearch as kd
from kdsearch.draws import FIRST_CONFIRM_SEED
from kdsearch.ledger.records import ConfigurationRecord, RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.studies import to_json

TEACHER, ALONE, PAPER, WINNER, SECOND, SINGLE, ABLATION = 1, 2, 3, 10, 11, 12, 20
CHANCE = 0.05
FIRST_SEEDS = {"search": 0, "preflight": 1_000_000, "teacher": 2_000_000, "confirm": FIRST_CONFIRM_SEED[1]}
DECLARED = kd.Study(
    name="weights",
    task=ToyTask(
        label="poses-split1",
        description="stand-in, not JHMDB: poses, split 1",
        chance=CHANCE,
        parameters={"alpha": 0, "representation_weight": 0, "epochs": 40},
        teacher_parameters=("alpha", "representation_weight"),
    ),
    space={"alpha": kd.uniform(0, 1), "representation_weight": kd.log(1e-3, 30)},
    baselines={"student alone": {}, "seed_1": {"representation_weight": 0.001}},
    published=[kd.Published("KD & more", 0.531, "one run")],
    budget=kd.Budget(runs=20),
    confirm=kd.Confirm(seeds=3, finalists=2),
)
"""What the study file would say: identity and settings are those that the ledger would hold."""


def study(phase: str, **changes: Any) -> StudyRecord:
    chosen = phase in ("confirm", "finished")
    record = StudyRecord(
        id=1,
        name=DECLARED.stored_name,
        phase=phase,
        identity=to_json(DECLARED.identity()),
        settings=settings_of(DECLARED),
        description=DECLARED.task.description,
        metric=DECLARED.task.metric,
        chance=CHANCE,
        data_hash="data",
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        teacher_run_id=1,
        winner_id=WINNER if chosen else None,
        ablation_id=ABLATION if chosen else None,
        finalist_ids=(WINNER, SECOND) if chosen else (),
    )
    return replace(record, **changes)


def configurations() -> dict[int, ConfigurationRecord]:
    def params(alpha: float, weight: float) -> dict[str, float | int]:
        return {"alpha": alpha, "representation_weight": weight, "epochs": 40}

    return {
        TEACHER: ConfigurationRecord(TEACHER, "teacher", "teacher", params(0, 0)),
        ALONE: ConfigurationRecord(ALONE, "baseline", "student alone", params(0, 0)),
        PAPER: ConfigurationRecord(PAPER, "baseline", "seed_1", params(0, 0.001)),
        WINNER: ConfigurationRecord(WINNER, "searched", "#10", params(0.25, 0.5)),
        SECOND: ConfigurationRecord(SECOND, "searched", "#11", params(0.75, 0.5)),
        SINGLE: ConfigurationRecord(SINGLE, "searched", "#12", params(0.5, 0.5)),
        ABLATION: ConfigurationRecord(ABLATION, "ablation", "winner without distillation", params(0, 0)),
    }


class Runs:
    """Collects runs; scores of search runs are 0.33 and more digits, so that a leak is seen."""

    def __init__(self) -> None:
        self.runs: list[RunRecord] = []

    def add(self, configuration: int, pool: Any, values: list[tuple[float, float] | None], **changes: Any) -> None:
        """Add runs of (objective, score); ``None`` is a diverged run."""
        first = FIRST_SEEDS[pool]
        for index, value in enumerate(values):
            objective, score = value or (CHANCE, CHANCE)
            fields: dict[str, Any] = {
                "scores": {"best_on_validation": score, "best_on_test": score + 0.01, "last": score - 0.01},
                "seconds": 36.0,
                "device": "cpu",
                "code_hash": "aaaa",
                "data_hash": "data",
                "curve": {"objective": [objective], "score": [score]},
                "epoch": 7,
            }
            run = RunRecord(
                id=len(self.runs) + 1,
                configuration_id=configuration,
                pool=pool,
                seed=first + index,
                state="done" if value else "diverged",
                objective=objective,
                score=score,
                **fields,
            )
            self.runs.append(replace(run, **changes))


LEAK = 0.3377


def small(phase: str = "finished", **changes: Any) -> StudyResults:
    runs = Runs()
    runs.add(TEACHER, "teacher", [(0.91, LEAK), (0.90, LEAK), (0.92, LEAK)])
    runs.add(ALONE, "preflight", [(0.70, LEAK), (0.71, LEAK), (0.72, LEAK)])
    runs.add(WINNER, "search", [(0.80, LEAK), (0.78, LEAK), (0.82, LEAK)])
    runs.add(SECOND, "search", [(0.75, LEAK), (0.77, LEAK)])
    runs.add(SINGLE, "search", [(0.99, LEAK)])
    runs.add(WINNER, "search", [(0.5, 0.5)], state="failed", objective=None, score=None, scores={}, error="boom")
    if phase in ("confirm", "finished"):
        runs.add(WINNER, "confirm", [(0.75, 0.70), (0.77, 0.72), (0.79, 0.74)])
        runs.add(ABLATION, "confirm", [(0.74, 0.69), (0.75, 0.70), (0.76, 0.71)])
        runs.add(ALONE, "confirm", [(0.67, 0.61), (0.67, 0.62), (0.67, 0.64)])
        runs.add(PAPER, "confirm", [(0.70, 0.65), None, (0.71, 0.67)])
        runs.add(SECOND, "confirm", [(0.76, 0.71), (0.76, 0.72), (0.78, 0.73)])
    return StudyResults(study(phase, **changes), configurations(), tuple(runs.runs))


@pytest.fixture
def results() -> Callable[..., StudyResults]:
    return small
