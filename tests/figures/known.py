"""A study of a known function: what figures and models of it should show is known too."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from support import ToyTask, settings_of

import kdsearch as kd
from kdsearch.draws import FIRST_CONFIRM_SEED
from kdsearch.ledger.records import ConfigurationRecord, EventRecord, RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.studies import to_json
from kdsearch.space import active

SD = 0.005
HIDDEN = 0.123457
"""Every test score of a search run: no figure may show it."""

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
SPACE = {
    "lr": kd.log(1e-4, 1e-1),
    "alpha": kd.uniform(0, 1),
    "optimizer": kd.categorical("adam", "sgd"),
    "momentum": kd.when(kd.uniform(0, 1), optimizer="sgd"),
}


def truth(params: Mapping[str, Any]) -> float:
    """The best is at lr = 10^-2.5; alpha does little, the optimizer nothing, momentum where it is read."""
    value = 0.7 - 0.03 * (math.log10(params["lr"]) + 2.5) ** 2 + 0.01 * params["alpha"]
    return value - (0.01 * (params["momentum"] - 0.8) ** 2 if params["optimizer"] == "sgd" else 0.0)


def known(
    phase: str = "finished", *, n: int = 40, sign: float = 1.0, name: str = "known", **changes: Any
) -> StudyResults:
    """``n`` configurations drawn at random, the ten best of them with three seeds; the best one wins."""
    luck = random.Random(5)
    declared = kd.Study(
        name=name,
        task=ToyTask(
            label="poses-split1",
            description="stand-in, not JHMDB: poses",
            chance=0.05,
            parameters=dict.fromkeys(SPACE, 0) | {"epochs": 8},
        ),
        space=SPACE,
        baselines={"usual": {"lr": 0.02, "alpha": 0.1, "optimizer": "adam", "momentum": 0.5}},
        budget=kd.Budget(runs=60),
        confirm=kd.Confirm(seeds=6, finalists=2),
    )
    rows: dict[int, ConfigurationRecord] = {}
    for number in range(n):
        params = {
            "lr": 10 ** luck.uniform(-4, -1),
            "alpha": luck.random(),
            "optimizer": luck.choice(("adam", "sgd")),
            "momentum": luck.random(),
            "epochs": 8,
        }
        rows[10 + number] = ConfigurationRecord(10 + number, "searched", f"c{number}", params, "sampler")
    order = sorted(rows, key=lambda id_: -truth(rows[id_].params))
    rows[1] = ConfigurationRecord(1, "baseline", "usual", {**declared.baselines["usual"], "epochs": 8}, "study file")
    runs: list[RunRecord] = []

    def add(id_: int, pool: Any, seed: int) -> None:
        value = sign * (truth(rows[id_].params) + luck.gauss(0, SD))
        ended = BEGAN + timedelta(minutes=len(runs) + 1)
        curve = {"epoch": [1.0, 2.0, 3.0], "objective": [value - 0.2, value - 0.1, value]}
        score = HIDDEN if pool == "search" else value - 0.02
        runs.append(
            RunRecord(
                len(runs) + 1, id_, pool, seed, "done", value, seconds=60.0, finished_at=ended, score=score, epoch=3,
                epochs=3, curve=curve, device="cpu", code_hash="aaaa", data_hash="data", worker="w",
            )
        )  # fmt: skip

    for id_ in rows:
        for seed in range(3 if id_ in order[:10] else 1 if id_ > 1 else 0):
            add(id_, "search", 100 * id_ + seed)
    chosen = phase in ("confirm", "finished")
    if chosen:
        for id_ in (*order[:2], 1):
            for seed in range(6):
                add(id_, "confirm", FIRST_CONFIRM_SEED[1] + seed)
    events = [EventRecord(BEGAN + timedelta(days=1), "winner", "chosen", data={"min_effect": 0.01})] if chosen else []
    events += [EventRecord(BEGAN + timedelta(days=2), "look", "look", data={"seeds": 6})] if phase == "finished" else []
    identity = to_json(declared.identity()) | ({"direction": "minimize"} if sign < 0 else {})
    record = StudyRecord(
        id=1, name=declared.stored_name, phase=phase, identity=identity,
        settings=settings_of(declared), description=declared.task.description, metric="mAP", chance=0.05,
        data_hash="data", created_at=BEGAN, winner_id=order[0] if chosen else None,
        finalist_ids=tuple(order[:2]) if chosen else (), **changes,
    )  # fmt: skip
    return StudyResults(record, rows, tuple(runs), tuple(events))


def read(params: Mapping[str, Any]) -> set[str]:
    """The numbers that are read."""
    return set(active(SPACE, params))
