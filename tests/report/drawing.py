"""Studies of version 2, whose runs draw folds and teachers: numbers given by hand, one list a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import kdsearch as kd
from kdsearch.ledger.records import ConfigurationRecord, EventRecord, Pool, RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.settings import StudySettings
from kdsearch.search.teachers import search_draws

TEACHER, ALONE, PAPER, WINNER, SECOND, ABLATION, BEST = 1, 2, 3, 10, 11, 20, 30
ALL = "initialisation+order+split+teacher"
CHOSEN_AT = datetime(2026, 11, 2, tzinfo=UTC)
CHANCE = 0.05
DATA = {"data": "jhmdb", "modality": "poses", "protocol": "split1", "split_seed": 0, "folds": 5, "source": "real"}
SPACE: dict[str, Any] = {"alpha": kd.uniform(0, 1), "patience": kd.integer(1, 10)}
SETTINGS: dict[str, Any] = {
    "title": "weights",
    "budget": {"runs": 40, "hours": None, "gpu_hours": None},
    "without": 0.1,
    "confirm": {"seeds": 40, "finalists": 1, "others": 20},
    "preflight": {"seeds": 3},
    "search": {"policy": "adaptive", "stop_early": True},
    "min_effect": 0.01,
    "published": [],
    "measured_on": "poses-split1-5folds",
    "teachers": "several",
    "teacher_saw": None,
    "folds": 5,
    "question": "itself",
    "query_groups": None,
    "idle_without_teacher": [],
    "teacher_parameters": ["alpha"],
    "space": {name: dimension.identity() for name, dimension in SPACE.items()},
    "dimensions": list(SPACE),
}
DESCRIPTION = "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test (query)"


def study(phase: str = "finished", **settings: Any) -> StudyRecord:
    """The study's row; ``settings`` that are another."""
    chosen = phase in ("confirm", "finished")
    data = DATA if settings.get("folds", 5) else {**DATA, "folds": None, "validation": 0.2}
    return StudyRecord(
        id=1,
        name="weights@poses-split1-5folds",
        phase=phase,
        identity={
            "task": {"task": "video_hashing", "data": data},
            "seed": 0,
            "data": "fingerprint",
            "preset": None,
            "teachers": settings.get("teachers", "several"),
        },
        settings=StudySettings.from_json({**SETTINGS, **settings}),
        description=DESCRIPTION,
        metric="mAP",
        chance=CHANCE,
        data_hash="data",
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        winner_id=WINNER if chosen else None,
        ablation_id=ABLATION if chosen else None,
        best_without_id=BEST if chosen else None,
        finalist_ids=(SECOND,) if chosen else (),
        version=2,
    )


def configurations(vary: str = ALL) -> dict[int, ConfigurationRecord]:
    """One of each kind."""

    def params(alpha: float, patience: int) -> dict[str, Any]:
        return {"alpha": alpha, "patience": patience, "vary": vary}

    return {
        TEACHER: ConfigurationRecord(TEACHER, "teacher", "teacher", params(0.5, 3)),
        ALONE: ConfigurationRecord(ALONE, "baseline", "student alone", params(0, 3)),
        PAPER: ConfigurationRecord(PAPER, "baseline", "paper", params(0.9, 3)),
        WINNER: ConfigurationRecord(WINNER, "searched", "c4", params(0.25, 6), "sampler"),
        SECOND: ConfigurationRecord(SECOND, "searched", "c5", params(0.75, 5), "sampler"),
        ABLATION: ConfigurationRecord(ABLATION, "ablation", "winner without distillation", params(0, 6), "kdsearch"),
        BEST: ConfigurationRecord(BEST, "without", "w3", params(0, 8), "sampler"),
    }


def choice(**data: Any) -> EventRecord:
    """The event that chose the winner."""
    without = {"name": "w3", "estimate": 0.711, "estimate_sd": 0.004, "search_seeds": 2, "candidates": 2}
    told = {"search_seeds": 4, "estimate": 0.742, "estimate_sd": 0.005, "min_effect": 0.01, "without": without}
    return EventRecord(CHOSEN_AT, "winner", "winner chosen: c4", data={**told, **data})


def look(seeds: int, hours: float) -> EventRecord:
    """All confirm runs had ended so many hours after the choice."""
    return EventRecord(CHOSEN_AT + timedelta(hours=hours), "look", f"a look at {seeds}", data={"seeds": seeds})


def runs(
    found: StudyRecord,
    configuration: ConfigurationRecord,
    pool: Pool,
    values: Sequence[float | None],
    objectives: Sequence[float] = (),
    hours: Sequence[float] = (),
) -> list[RunRecord]:
    """Runs of scores ``values`` on the first seeds of a pool; ``None``: not there. Ended ``hours`` after the choice."""
    draws = found.draws
    streams = frozenset(str(configuration.params["vary"]).split("+"))
    first = {"search": 0, "preflight": 1_000_000, "confirm": draws.first_confirm_seed}[pool]
    made = []
    for index, score in enumerate(values):
        if score is None:
            continue
        objective = objectives[index] if objectives else score + 0.02
        ended = hours[index] if hours else (1.0 if pool == "confirm" else -1.0)
        run = RunRecord(
            id=100_000 * configuration.id + 1_000 * ("search", "preflight", "confirm").index(pool) + index,
            configuration_id=configuration.id,
            pool=pool,
            seed=first + index,
            state="done",
            objective=objective,
            score=score,
            scores={"best_on_validation": score, "best_on_test": score + 0.01, "last": score - 0.01},
            seconds=36.0,
            finished_at=CHOSEN_AT + timedelta(hours=ended),
            fold=draws.draw(pool, first + index, streams).fold,
            device="cpu",
            code_hash="aaaa",
            data_hash="data",
            epoch=7,
        )
        made.append(run)
    return made


def teachers(found: StudyRecord, values: Sequence[float], vary: str = ALL) -> list[RunRecord]:
    """One teacher a fold of the search, of these objectives, or the first of them alone where one is kept."""
    draws = found.draws
    drawn = search_draws(found, frozenset(vary.split("+")))
    made = []
    for index, (draw, value) in enumerate(zip(drawn, values, strict=False)):
        seed = draws.teacher_seed(draw)
        made.append(
            RunRecord(
                1 + index, TEACHER, "teacher", seed, "done", value, score=value - 0.02, fold=draw.fold,
                code_hash="aaaa", data_hash="data", finished_at=CHOSEN_AT - timedelta(hours=2),
            )
        )  # fmt: skip
    return made


def results(
    scores: Mapping[int, Sequence[float | None]],
    *,
    hours: Mapping[int, Sequence[float]] | None = None,
    objectives: Mapping[int, Sequence[float]] | None = None,
    events: Sequence[EventRecord] = (),
    queries: Mapping[int, Sequence[float]] | None = None,
    vary: str = ALL,
    phase: str = "finished",
    record: StudyRecord | None = None,
    **settings: Any,
) -> StudyResults:
    """A study with these scores on confirm seeds, by configuration, and a small search before them."""
    found = record or study(phase, **settings)
    rows = configurations(vary)
    made = []
    if found.settings.teachers not in ("none", "given"):
        made += teachers(found, [0.77, 0.74, 0.75, 0.73, 0.76], vary)
        made += runs(found, rows[ALONE], "preflight", [0.70, 0.71, 0.72])
    made += runs(found, rows[WINNER], "search", [0.74, 0.73, 0.75, 0.74])
    made += runs(found, rows[SECOND], "search", [0.73, 0.72])
    made += runs(found, rows[BEST], "search", [0.71, 0.70])
    for id_, values in scores.items():
        made += runs(
            found, rows[id_], "confirm", values, (objectives or {}).get(id_, ()), hours=(hours or {}).get(id_, ())
        )
    return StudyResults(found, rows, tuple(made), (choice(), *events), dict(queries or {}))


def without(found: StudyResults, **changes: Any) -> StudyResults:
    """The same with another row of the study."""
    return replace(found, study=replace(found.study, **changes))
