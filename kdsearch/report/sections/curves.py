"""What early values of the search's runs say of their final values, from the curves that the ledger keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import caption, objective_name
from kdsearch.report.selection import Selection, task_of
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import RandomFactors, random_factors
from kdsearch.report.wording import fixed, interval, plural
from kdsearch.statistics.early import (
    FEWEST,
    Components,
    Correlation,
    Levelled,
    between,
    between_better,
    components,
    given_early,
    level,
    within,
    within_better,
)
from kdsearch.tasks.base import Scalar

ORDER, WHEN = 90, "result"

SHARES = {"1/8": 0.125, "1/4": 0.25, "1/2": 0.5}
HEADLINE = "1/4"
"""The share that the sentences are about: a rule that stops later saves little, one that stops earlier sees less."""

LITTLE, MUCH = 0.5, 0.8
"""Correlations whose whole interval lies below the first say little, above the second nearly as much as the end."""

REACHED = 0.9
"""A run that comes to this share of the declared epochs counts in the same unit; epochs may count from 0."""

SCHEDULE_WORDS = frozenset(
    {"patience", "epoch", "epochs", "warmup", "warm", "milestone", "milestones", "schedule", "scheduler", "plateau"}
    | {"annealing", "restarts", "reductions"}
)
DECAY_WORDS = frozenset({"decay", "step"})
"""Of a learning rate these set the schedule, of anything else they do not (``weight_decay``)."""


@dataclass(frozen=True)
class Curve:
    """One run: the best objective so far at each evaluation, and its final objective.

    ``full``: the epochs of its whole schedule, which may end a run earlier. ``group``: what it shares with runs of
    other configurations, such as its fold.
    """

    epochs: tuple[float, ...]
    best: tuple[float, ...]
    final: float
    full: float
    group: int

    def early(self, share: float) -> float | None:
        """The best objective up to a share of the schedule; ``None`` where the run was not evaluated before."""
        until, pairs = share * self.full * (1 + 1e-9), zip(self.epochs, self.best, strict=True)
        return next((best for epoch, best in reversed(list(pairs)) if epoch <= until), None)


@dataclass(frozen=True)
class Parameter:
    """A searched number that sets the schedule, as a value for each configuration: ``nan`` where it is idle."""

    name: str
    title: str
    values: Mapping[int, float]
    words: tuple[str, str]


@dataclass(frozen=True)
class EarlyValues:
    """Correlations of the values at one share with the final ones: over all configurations, over the better half, and
    of each parameter with what the early values leave."""

    share: str
    every: Correlation
    seeds: Correlation
    better: Correlation
    better_seeds: Correlation
    parameters: tuple[Correlation, ...]


def section(selection: Selection) -> Table | None:
    """Return correlations of early with final values by share of the schedule.

    ``None`` where fewer than ``FEWEST`` configurations of the search have two runs with curves.
    """
    found = _curves(selection)
    parameters = _parameters(selection, found)
    early = [row for share in SHARES if (row := _early_values(found, share, parameters)) is not None]
    if not early:
        return None
    columns = (
        Column("configurations", "k", "count"),
        Column("runs", "n", "count"),
        Column("between", "r, configurations", "probability"),
        Column("repeated", "k, seeds", "count", optional=True),
        Column("repeated_runs", "n, seeds", "count", optional=True),
        Column("within", "r, seeds", "probability"),
        *(Column(f"given.{each.name}", f"r, {each.title}", "probability") for each in parameters),
    )
    return Table(
        key="curves",
        title="What early values say of the final ones",
        caption=caption(
            selection,
            f"{objective_name(selection)} of search runs: best so far against final",
            pool="search",
            spread="r = correlation with the final value",
            counts="k = configurations, n = runs, one a seed",
        ),
        columns=columns,
        rows=tuple(row for each in early for row in _rows(each)),
        notes=(*_sentences(early), *_parameter_sentences(early, parameters), *_method(selection, found, early)),
        row_header="share",
    )


def _rows(early: EarlyValues) -> tuple[Row, Row]:
    given = [_cell(found) for found in early.parameters]
    none = [None] * len(given)
    return (
        Row(f"{early.share}, all", (*_counted(early.every), *_counted(early.seeds), *given)),
        Row(f"{early.share}, better half", (*_counted(early.better), *_counted(early.better_seeds), *none)),
    )


def _counted(found: Correlation) -> tuple[Cell, ...]:
    return found.configurations, found.runs, _cell(found)


def _cell(found: Correlation) -> Estimate | None:
    return Estimate(found.value, found.low, found.high, n=found.configurations) if found.known else None


def _curves(selection: Selection) -> dict[int, list[Curve]]:
    """Curves of the search's runs that ended well, by configuration, in the order of seeds.

    Values have the study's sign: in them higher is better.
    """
    runs = [run for run in selection.of_search() if run.state == "done" and _points(run)]
    longest = max((_last(run) for run in runs), default=0.0)
    declared, factors = _declared(selection, runs), random_factors(selection)
    groups: dict[object, int] = {}
    found: dict[int, list[Curve]] = {}
    for run in runs:
        epochs, values = zip(*_points(run), strict=True)
        sign = selection.study.sign
        best = tuple(np.maximum.accumulate(sign * np.array(values)).tolist())
        full = max(declared.get(run.configuration_id, longest), epochs[-1])
        group = groups.setdefault(_draw(factors, run), len(groups))
        if full > 0 and run.objective is not None:
            found.setdefault(run.configuration_id, []).append(Curve(epochs, best, sign * run.objective, full, group))
    return found


def _points(run: RunRecord) -> list[tuple[float, float]]:
    """Epoch and objective of each evaluation, in the order of epochs."""
    pairs = zip(run.curve.get("epoch", ()), run.curve.get("objective", ()), strict=False)
    return sorted((epoch, value) for epoch, value in pairs if math.isfinite(epoch) and math.isfinite(value))


def _last(run: RunRecord) -> float:
    return _points(run)[-1][0]


def _declared(selection: Selection, runs: Sequence[RunRecord]) -> dict[int, float]:
    """The full number of epochs by configuration, its own or the task's; empty where they are not known.

    What a user's own trainer reports need not be in the epochs of its parameters: where no run comes near to these,
    they count something else.
    """
    usual, rows = task_of(selection.study).get("epochs"), selection.configurations
    given = {run.configuration_id: rows[run.configuration_id].params.get("epochs", usual) for run in runs}
    numbers = {id_: float(value) for id_, value in given.items() if isinstance(value, int | float) and value > 0}
    reached = any(_last(run) + 1 >= REACHED * numbers.get(run.configuration_id, math.inf) for run in runs)
    return {} if selection.is_function and not reached else numbers


def _draw(factors: RandomFactors, run: RunRecord) -> object:
    """What a run shares with those of other configurations: its fold, and the teacher that goes with it."""
    return factors.draws.draw("search", run.seed, factors.streams) if factors.split or factors.teacher else None


def _parameters(selection: Selection, found: Mapping[int, Sequence[Curve]]) -> list[Parameter]:
    """The searched parameters that set the schedule, by their names."""
    space = selection.study.settings.space_json or selection.study.identity.get("space") or {}
    rows = {id_: selection.configurations[id_].params for id_ in found}
    return [
        parameter
        for name, identity in space.items()
        if sets_schedule(name) and isinstance(identity, Mapping)
        for parameter in _columns_of(name, identity, rows)
    ]


def sets_schedule(name: str) -> bool:
    """Say whether a parameter sets how long a run lasts or how its learning rate falls, as its name tells."""
    words = set(name.lower().replace("-", "_").split("_"))
    rate = "lr" in words or {"learning", "rate"} <= words
    return bool(words & SCHEDULE_WORDS) or (rate and bool(words & DECAY_WORDS))


def _columns_of(name: str, identity: Mapping[str, Any], rows: Mapping[int, Mapping[str, Scalar]]) -> list[Parameter]:
    """A number as its logarithm, where all are above 0, or as it is; names as one switch each, two as one."""
    if identity.get("kind") == "when":
        active = {id_: row for id_, row in rows.items() if row.get(identity["on"]) in identity["values"]}
        return _columns_of(name, identity["dimension"], active)
    values = {id_: row[name] for id_, row in rows.items() if name in row}
    if any(isinstance(value, str | bool) for value in values.values()):
        choices = list(identity.get("choices") or sorted(set(values.values()), key=str))
        return [
            Parameter(
                f"{name}.{choice}",
                f"{name} {choice}",
                {id_: float(value == choice) for id_, value in values.items()},
                (f"{name} {choice}", f"another {name}"),
            )
            for choice in (choices[1:] if len(choices) == 2 else choices)
        ]
    numbers, title = {id_: float(value) for id_, value in values.items()}, name
    if all(value > 0 for value in numbers.values()):
        numbers, title = {id_: math.log(value) for id_, value in numbers.items()}, f"log {name}"
    return [Parameter(name, title, numbers, (f"higher {name}", f"lower {name}"))]


def _early_values(
    found: Mapping[int, Sequence[Curve]], share: str, parameters: Sequence[Parameter]
) -> EarlyValues | None:
    """What values at a share tell; ``None`` where too few configurations have two runs that were evaluated by then."""
    kept: dict[int, list[tuple[float, float, int]]] = {}
    for id_, own in found.items():
        for curve in own:
            if (early := curve.early(SHARES[share])) is not None:
                kept.setdefault(id_, []).append((early, curve.final, curve.group))
    if sum(len(runs) > 1 for runs in kept.values()) < FEWEST:
        return None
    samples = [np.array([run[:2] for run in runs]) for runs in kept.values()]
    levelled = level(samples, [[run[2] for run in runs] for runs in kept.values()])
    fitted = components(levelled)
    return EarlyValues(
        share,
        between(fitted),
        within(fitted),
        between_better(fitted),
        within_better(fitted),
        tuple(_given(list(kept), levelled, fitted, parameter) for parameter in parameters),
    )


def _given(ids: Sequence[int], levelled: Levelled, fitted: Components, parameter: Parameter) -> Correlation:
    """The parameter's correlation with what the early value leaves, over the configurations in which it acts."""
    acting = [index for index, id_ in enumerate(ids) if id_ in parameter.values]
    values = [parameter.values[ids[index]] for index in acting]
    if len(acting) == len(ids):
        return given_early(fitted, values)
    samples = tuple(levelled.samples[index] for index in acting)
    if sum(len(sample) > 1 for sample in samples) < FEWEST:
        return Correlation(math.nan, math.nan, math.nan, len(samples), sum(map(len, samples)))
    return given_early(components(Levelled(samples, levelled.lost)), values)


def _headline(early: Sequence[EarlyValues]) -> EarlyValues:
    return next((row for row in early if row.share == HEADLINE), early[0])


def _sentences(early: Sequence[EarlyValues]) -> list[str]:
    """Say what follows: whether early values rank what the search has to choose from."""
    row = _headline(early)
    every = f"Over all configurations, values at {row.share} of the schedule {_says(row.every)}."
    if not row.better.known:
        return [
            f"{every} Among the better half these runs cannot tell what such values say: {_why(row.better)}. They give "
            "no ground for stopping runs by early values."
        ]
    better = f"Among the better half, they {_says(row.better)}."
    if row.every.known and row.every.low > row.better.high:
        better += " Poor configurations alone make early values look informative."
    if row.better.low > MUCH:
        return [f"{every} {better} Stopping runs by such values would have lost little here."]
    return [f"{every} {better} These runs give no ground for stopping runs by early values."]


def _why(better: Correlation) -> str:
    if better.configurations < FEWEST:
        return f"it has {plural(better.configurations, 'configuration')} with two runs, {FEWEST} are needed"
    return "its true values differ too little for the noise of seeds to be ranked"


def _says(found: Correlation) -> str:
    if not found.known:
        return "cannot be estimated from these runs"
    if found.low > MUCH:
        words = "rank them nearly as the end does"
    elif found.high < LITTLE:
        words = "say little of the end"
    elif found.low > 0:
        words = "tell a part of the end"
    else:
        words = "may say much or nothing of the end: these runs cannot tell"
    return f"{words} ({_written(found)})"


def _written(found: Correlation) -> str:
    return f"r = {fixed(found.value, 2)} {interval(found.low, found.high, 2)}"


def _parameter_sentences(early: Sequence[EarlyValues], parameters: Sequence[Parameter]) -> list[str]:
    row = _headline(early)
    sentences = []
    for parameter, found in zip(parameters, row.parameters, strict=True):
        more, less = parameter.words
        if not found.known:
            sentences.append(f"{parameter.title}: these runs cannot tell its effect given the value at {row.share}.")
        elif found.low > 0 or found.high < 0:
            above, below = (more, less) if found.value > 0 else (less, more)
            sentences.append(
                f"At equal values at {row.share}, configurations with {above} end better ({_written(found)}): those "
                f"with {below} look better early than they end."
            )
        else:
            sentences.append(
                f"{parameter.title}: no effect is seen given the value at {row.share} ({_written(found)})."
            )
    return sentences


def _method(selection: Selection, found: Mapping[int, Sequence[Curve]], early: Sequence[EarlyValues]) -> list[str]:
    """Say how the numbers are made, and which runs are in none of them."""
    lengths = {curve.full for own in found.values() for curve in own}
    epochs = f"{min(lengths):g}" if len(lengths) == 1 else f"{min(lengths):g} to {max(lengths):g}"
    notes = [
        f"Share: of the full schedule, {epochs} epochs; a value is the best so far, and a run that its own rule ended "
        "earlier keeps its best. r, configurations: of their true values, the noise of seeds taken out. r, seeds: of "
        "the runs of one configuration, pooled over k with two runs or more. Intervals: 95 %, bootstrap over "
        "configurations.",
        "Better half: by final value, of the configurations with two runs or more. One half of the runs of each picks, "
        f"the other is measured. No figure below {FEWEST} configurations, nor where the interval is all from -1 to 1.",
    ]
    if early[0].parameters:
        notes.append(
            "r of a parameter: with what the value at the share leaves of the final value. The noise of seeds is in it."
        )
    if len({len(own) for own in found.values()}) > 1:
        notes.append(
            "The search gave further seeds to what looked good: those with two runs or more are no random sample of "
            "the space."
        )
    if len({curve.group for own in found.values() for curve in own}) > 1:
        factors = random_factors(selection)
        fold = "fold does" if factors.teachers == "none" else "fold and its teacher do"
        what = fold if factors.split else "teacher does"
        notes.append(f"What a {what} to all configurations alike is taken out.")
    return [*notes, *_left_out(selection, found, early)]


def _left_out(selection: Selection, found: Mapping[int, Sequence[Curve]], early: Sequence[EarlyValues]) -> list[str]:
    runs = selection.of_search()
    diverged = sum(run.state == "diverged" for run in runs)
    bare = len(runs) - diverged - sum(map(len, found.values()))
    notes = []
    if diverged:
        notes.append(f"{plural(diverged, 'run')} diverged and ended by that: in no figure here.")
    if bare:
        notes.append(f"{plural(bare, 'run')} left no curve: in no figure here.")
    if missing := [share for share in SHARES if share not in {row.share for row in early}]:
        notes.append(f"Too few runs were evaluated by {' and '.join(missing)} of their schedule to say anything of it.")
    return notes
