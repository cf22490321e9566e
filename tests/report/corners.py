"""Finished studies in the corners: few seeds, ties, no spread, tiny and huge values, lost runs.

``python -m tests.report.corners [NAME ...]`` prints their reports.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdsearch.ledger.records import ConfigurationRecord, EventRecord, StudyResults
from kdsearch.report import build, render

from . import drawing
from .drawing import ABLATION, ALONE, BEST, CHOSEN_AT, PAPER, SECOND, WINNER

NOISE = (0.004, -0.006, 0.001, -0.003, 0.005, -0.001, 0.002, -0.002)
"""Sum 0, so that means can be read off."""


def around(mean: float, n: int = 8, scale: float = 1.0, start: int = 0) -> list[float]:
    """Values around a mean whose deviations sum to 0 for ``n`` = 8, times ``scale``."""
    return [mean + scale * NOISE[(start + index) % 8] for index in range(n)]


def distilling(gain: float, n: int = 8, scale: float = 1.0, **more: Any) -> StudyResults:
    """The winner ahead by ``gain`` of itself without distillation; ``scale`` of what is not common to a seed."""
    base = around(0.72, n)
    scores = {
        WINNER: [value + gain for value in base],
        ABLATION: [value + noise for value, noise in zip(base, around(0.0, n, scale, 3), strict=True)],
        BEST: [value + 0.5 * gain for value in around(0.72, n, 1, 5)],
        ALONE: around(0.70, n, 1, 2),
        SECOND: around(0.715, n, 1, 4),
    }
    return drawing.results(scores, **more)


def function(scores: Mapping[int, Sequence[float]], *, baselines: bool = True, **settings: Any) -> StudyResults:
    """A study of a user's own function, which returns an objective alone and names nothing without distillation."""
    own = {
        "teachers": "none", "teacher_parameters": [], "without": 0.0, "folds": 0, "measured_on": None,
        "confirm": {"seeds": 8, "finalists": 0, "others": None}, **settings,
    }  # fmt: skip
    found = drawing.results(scores, vary="initialisation+order", **own)
    rows = {
        id_: replace(row, params={"alpha": row.params["alpha"], "patience": row.params["patience"]})
        for id_, row in found.configurations.items()
        if row.kind in ("searched", "ablation") or (row.kind == "baseline" and id_ in scores and baselines)
    }
    runs = [replace(run, score=None, scores={}) for run in found.runs if run.configuration_id in rows]
    # The small search has values of its own, which are of another size.
    first = next(iter(scores.values()))[0]
    runs = [
        replace(run, objective=scores[run.configuration_id][run.seed % len(scores[run.configuration_id])])
        if run.configuration_id in scores and run.pool == "search"
        else replace(run, objective=first if run.pool == "search" else (run.objective or 0.0) - 0.02)
        for run in runs
    ]
    record = replace(
        found.study, name="mine@function", metric="objective", description="values of train, as it returns them",
        identity={**found.study.identity, "task": {"task": "function", "function": "train"}},
        best_without_id=None, ablation_id=None, finalist_ids=(), source_file="/nowhere/mine.py", chance=0.0,
    )  # fmt: skip
    events = (drawing.choice(estimate=None, without=None),)
    return replace(found, study=record, configurations=rows, runs=tuple(runs), events=events)


def changed(found: StudyResults, **changes: Any) -> StudyResults:
    """The same study with another row."""
    return replace(found, study=replace(found.study, **changes))


def with_params(found: StudyResults, id_: int, **params: Any) -> StudyResults:
    """The same study with other numbers of a configuration."""
    row = found.configurations[id_]
    rows = {**found.configurations, id_: replace(row, params={**row.params, **params})}
    return replace(found, configurations=rows)


def diverged(found: StudyResults, id_: int, count: int, pool: str = "confirm") -> StudyResults:
    """The same study, the first ``count`` runs of a configuration diverged."""
    own = [run.id for run in found.runs if (run.configuration_id, run.pool) == (id_, pool)][:count]
    chance = found.study.chance
    runs = tuple(
        replace(run, state="diverged", objective=chance, score=chance, scores={}) if run.id in own else run
        for run in found.runs
    )
    return replace(found, runs=runs)


def preflight_event(**data: Any) -> EventRecord:
    """What the planner found before the search."""
    return EventRecord(CHOSEN_AT, "preflight", "pre-flight", data=data)


def overfitted() -> StudyResults:
    """Ahead on validation, behind on test."""
    ours, theirs = around(0.72), around(0.734, start=3)
    found = {WINNER: around(0.80, start=1), ABLATION: around(0.77, start=6)}
    return drawing.results({WINNER: ours, ABLATION: theirs, ALONE: around(0.70)}, objectives=found)


def skewed() -> StudyResults:
    """One seed far from the others: t finds nothing, the exact test of signs does."""
    gains = [0.4, 0.011, 0.012, 0.010, 0.013, 0.012, 0.011, 0.014]
    return drawing.results({WINNER: [0.5 + gain for gain in gains], ABLATION: [0.5] * 8, ALONE: around(0.4)})


def at_edges() -> StudyResults:
    """Numbers at an edge of the space, and one that somebody added with a number that the space does not hold."""
    return with_params(with_params(distilling(0.02), WINNER, patience=10, alpha=0.985), BEST, patience=1)


def only_baseline_of_two() -> StudyResults:
    """A function that beats the first of its baselines."""
    return function({WINNER: around(0.72), ALONE: around(0.70, start=3), PAPER: around(0.719, start=2)})


def named() -> StudyResults:
    """A function whose study file names what is without distillation."""
    found = distilling(0.02)
    base = function({WINNER: around(0.74), ABLATION: around(0.72, start=3), ALONE: around(0.70)})
    settings = base.study.settings.changed(teacher_parameters=["alpha"], without_values={"alpha": 0.1})
    base = replace(base, study=replace(base.study, settings=settings, ablation_id=found.study.ablation_id))
    return with_params(base, ABLATION, alpha=0.1)


def underfunded(**settings: Any) -> StudyResults:
    """60 search runs, 6 of them without distillation, which found little; the winner's own weights do nothing."""
    scores = {
        WINNER: around(0.74), ABLATION: around(0.74), BEST: around(0.654, start=3), ALONE: around(0.70, start=2),
        PAPER: around(0.66, start=1),
    }  # fmt: skip
    found = drawing.results(scores, **{"question": "best without", **settings})
    rows, runs = dict(found.configurations), list(found.runs)
    more = [("searched", SECOND, 48, 18), ("without", BEST, 4, 3)]  # beside 6 runs over 2, and 2 over 1
    for kind, like, count, tried in more:
        for index in range(tried):
            id_ = 1000 * (1 + len(rows)) + index
            rows[id_] = replace(rows[like], id=id_, name=f"{kind[0]}{50 + index}", kind=kind)
            values = [0.6] * len(range(index, count, tried))
            runs += drawing.runs(found.study, rows[id_], "search", values)
    return replace(found, configurations=rows, runs=tuple(runs))


def without_scores(found: StudyResults) -> StudyResults:
    """The same of a task that has no test part."""
    return replace(found, runs=tuple(replace(run, score=None, scores={}) for run in found.runs))


CORNERS: Mapping[str, Callable[[], StudyResults]] = {
    "helps": lambda: distilling(0.02),
    "hurts": lambda: distilling(-0.03),
    "not shown": lambda: distilling(0.001, scale=8),
    "no difference": lambda: distilling(0.0005, scale=0.3),
    "more seeds would not help": lambda: distilling(0.006, scale=2.1),
    "one seed": lambda: distilling(0.02, n=1),
    "two seeds": lambda: distilling(0.02, n=2),
    "equal differences, few": lambda: distilling(0.1, n=4, scale=0),
    "equal differences, enough": lambda: distilling(0.1, n=8, scale=0),
    "no difference at all, few": lambda: distilling(0.0, n=4, scale=0),
    "no difference at all, enough": lambda: distilling(0.0, n=8, scale=0),
    "four teachers": lambda: distilling(0.02, teachers=4),
    "the winner does without": lambda: with_params(distilling(0.02), WINNER, alpha=0),
    "best without asked for": lambda: distilling(0.02, question="best without"),
    "best without asked for and hardly searched": underfunded,
    "validation promises more": overfitted,
    "far from normal": skewed,
    "at the edges": at_edges,
    "many diverged": lambda: diverged(diverged(distilling(0.02), WINNER, 2), SECOND, 2, "search"),
    "many search runs diverged": lambda: diverged(diverged(distilling(0.02), WINNER, 4, "search"), ALONE, 1),
    "epochs chosen on test": lambda: changed(
        distilling(0.02), description="JHMDB poses, 609 clips; as the original: score at the best epoch on test"
    ),
    "no gap": lambda: distilling(
        0.02, events=[preflight_event(gap=-0.028, low=-0.048, high=-0.009, warning=True, student=[0.7, 0.72], folds=5)]
    ),
    "no gap, one teacher": lambda: distilling(
        0.02, events=[preflight_event(difference=-0.028, warning=True, teacher=[0.7], student=[0.7, 0.72])]
    ),
    "a function and its first baseline": only_baseline_of_two,
    "a function by itself": lambda: function({WINNER: around(0.72)}, baselines=False),
    "a function that ignores its seed": lambda: function({WINNER: [0.8] * 8, ALONE: [0.7] * 8}),
    "ties": lambda: function({WINNER: [0.8, 0.7] * 4, ALONE: [0.8, 0.6] * 4}),
    "tiny values": lambda: function({WINNER: around(2e-6, scale=1e-6), ALONE: around(1.99e-6, scale=1e-6, start=3)}),
    "huge values": lambda: function({WINNER: around(2e6, scale=1e6), ALONE: around(1.99e6, scale=1e6, start=3)}),
    "tiny and equal": lambda: function({WINNER: [2e-6] * 4, ALONE: [1.5e-6] * 4}),
    "one seed of a function": lambda: function({WINNER: [0.72], ALONE: [0.7]}),
    "a function that is named without distillation": lambda: named(),
    "an interval beyond the range": lambda: drawing.results(
        {WINNER: [0.7, 0.1], ABLATION: [0.2, 0.6], ALONE: [0.7, 0.71]}
    ),
    "one arm that did not end well": lambda: _failed(distilling(0.02), BEST),
    "no test part": lambda: without_scores(distilling(0.02)),
    "a winner without results": lambda: _failed(distilling(0.02), WINNER),
    "a comparison without results": lambda: _failed(distilling(0.02), ABLATION),
}


def _failed(found: StudyResults, id_: int) -> StudyResults:
    runs = tuple(
        replace(run, state="failed", objective=None, score=None, scores={}, error="boom")
        if (run.configuration_id, run.pool) == (id_, "confirm")
        else run
        for run in found.runs
    )
    return replace(found, runs=runs)


def added_winner() -> StudyResults:
    """A winner that somebody added, with a number that the space does not hold."""
    found = changed(distilling(0.02), source_file="/nowhere/weights.py")
    rows = {id_: replace(row, params={**row.params, "width": 8}) for id_, row in found.configurations.items()}
    own = rows[WINNER]
    rows[WINNER] = ConfigurationRecord(own.id, own.kind, own.name, {**own.params, "width": 16}, "user")
    return replace(found, configurations=rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.report.corners", description="Print reports in the corners.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(CORNERS)}")
    for name in parser.parse_args().names or CORNERS:
        print(f"##### {name}\n")
        print(render(build(CORNERS[name]()), "table", width=100))
