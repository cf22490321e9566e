"""Many trials at once in Optuna's own tables: its public API takes some twenty commits for each trial.

Used where the tables have the schema that this was written for; elsewhere the caller goes through the API, one trial
after the other. What stands there afterwards is the same either way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

SCHEMA_VERSIONS = ("v3.2.0.a",)
"""Versions of Optuna's tables for which the statements below were written."""


@dataclass
class Change:
    """What is to become of a trial: ``trial`` is its id, ``None`` for a new one.

    ``attributes`` are user attributes; ``reported``: a step and its intermediate value. ``state``: the final state to
    tell, with ``value``. A trial that is finished already stays as it is.
    """

    trial: int | None
    attributes: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)
    reported: tuple[int, float] | None = None
    state: TrialState | None = None
    value: float | None = None

    @property
    def storable(self) -> bool:
        """Whether its numbers are finite; Optuna has its own way to write others."""
        numbers = [self.value, None if self.reported is None else self.reported[1]]
        return all(number is None or math.isfinite(number) for number in numbers)


@dataclass(frozen=True)
class Stored:
    """A trial in the tables: its id, the last step that it reported (0 without any), and whether it is finished."""

    trial: int
    reported: int
    finished: bool


def known(connection: Connection) -> bool:
    """Whether Optuna's tables are those that this module writes."""
    found = connection.execute(sa.text("SELECT version_num FROM public.alembic_version")).scalars().all()
    return list(found) in [[version] for version in SCHEMA_VERSIONS]


def trials_by(connection: Connection, study: int, attribute: str) -> dict[Any, Stored]:
    """The trials of a study that have this user attribute, by its value."""
    rows = connection.execute(_TRIALS, {"study": study, "attribute": attribute})
    return {json.loads(value): Stored(trial, reported, finished) for trial, value, reported, finished in rows}


def write(connection: Connection, study: int, changes: Sequence[Change]) -> list[tuple[int, bool]]:
    """Make these changes in one transaction; returns the id of each trial, and whether it took the change.

    One that did not was finished by somebody else. Raises ``KeyError`` where study or trial is gone, as Optuna does.
    """
    if connection.execute(_LOCK_STUDY, {"study": study}).first() is None:
        raise KeyError(f"no Optuna study {study}")
    new = [change for change in changes if change.trial is None]
    created = iter(connection.execute(_CREATE, {"study": study, "count": len(new)}).scalars().all() if new else [])
    ids = [next(created) if change.trial is None else change.trial for change in changes]
    running = _running(connection, [change.trial for change in changes if change.trial is not None])
    taken = [change.trial is None or change.trial in running for change in changes]
    pairs = [(id_, change) for id_, change, free in zip(ids, changes, taken, strict=True) if free]
    _write_params(connection, pairs)
    attributes = [(id_, name, json.dumps(value)) for id_, own in pairs for name, value in own.attributes.items()]
    _many(connection, _ATTRIBUTES, attributes)
    _many(connection, _REPORTED, [(id_, *own.reported) for id_, own in pairs if own.reported is not None])
    _many(connection, _VALUES, [(id_, 0, own.value) for id_, own in pairs if own.value is not None])
    _many(connection, _STATES, [(id_, own.state.name) for id_, own in pairs if own.state is not None])
    return list(zip(ids, taken, strict=True))


def _running(connection: Connection, trials: Sequence[int]) -> set[int]:
    """Those of these trials that are not finished, locked; ``KeyError`` where one is gone."""
    if not trials:
        return set()
    states = {row[0]: row[1] for row in connection.execute(_LOCK_TRIALS, {"ids": list(trials)})}
    for trial in trials:
        if trial not in states:
            raise KeyError(f"no Optuna trial {trial}")
    return {trial for trial, state in states.items() if state in ("RUNNING", "WAITING")}


def _write_params(connection: Connection, pairs: Sequence[tuple[int, Change]]) -> None:
    texts: dict[int, str] = {}
    rows = []
    for id_, change in pairs:
        for name, value in change.params.items():
            distribution = change.distributions[name]
            text = texts.setdefault(id(distribution), distribution_to_json(distribution))
            rows.append((id_, name, distribution.to_internal_repr(value), text))
    _many(connection, _PARAMS, rows)


def _many(connection: Connection, statement: sa.TextClause, rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute a statement over the columns of these rows, of which it has ``a``, ``b`` and so on, at most to ``d``."""
    if rows:
        connection.execute(statement, dict(zip("abcd", map(list, zip(*rows, strict=True)), strict=False)))


_LOCK_STUDY = sa.text("SELECT study_id FROM public.studies WHERE study_id = :study FOR UPDATE")
_LOCK_TRIALS = sa.text(
    "SELECT trial_id, CAST(state AS text) FROM public.trials WHERE trial_id = ANY(:ids) ORDER BY trial_id FOR UPDATE"
)
# Optuna numbers the trials of a study from 0, under the same lock, and stores times in UTC.
_CREATE = sa.text(
    """
    WITH before AS (SELECT count(*) AS trials FROM public.trials WHERE study_id = :study)
    INSERT INTO public.trials (number, study_id, state, datetime_start)
    SELECT before.trials + place, :study, 'RUNNING', clock_timestamp() AT TIME ZONE 'UTC'
    FROM before, generate_series(0, :count - 1) place ORDER BY place
    RETURNING trial_id
    """
)
_PARAMS = sa.text(
    "INSERT INTO public.trial_params (trial_id, param_name, param_value, distribution_json) "
    "SELECT * FROM unnest(CAST(:a AS int[]), CAST(:b AS text[]), CAST(:c AS float8[]), CAST(:d AS text[]))"
)
_ATTRIBUTES = sa.text(
    "INSERT INTO public.trial_user_attributes (trial_id, key, value_json) "
    "SELECT * FROM unnest(CAST(:a AS int[]), CAST(:b AS text[]), CAST(:c AS text[])) "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)
_REPORTED = sa.text(
    "INSERT INTO public.trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
    "SELECT a, b, c, 'FINITE' "
    "FROM unnest(CAST(:a AS int[]), CAST(:b AS int[]), CAST(:c AS float8[])) AS given (a, b, c) "
    "ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value, "
    "intermediate_value_type = excluded.intermediate_value_type"
)
_VALUES = sa.text(
    "INSERT INTO public.trial_values (trial_id, objective, value, value_type) "
    "SELECT a, b, c, 'FINITE' "
    "FROM unnest(CAST(:a AS int[]), CAST(:b AS int[]), CAST(:c AS float8[])) AS given (a, b, c) "
    "ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type"
)
_STATES = sa.text(
    "UPDATE public.trials t SET state = CAST(given.state AS public.trialstate), "
    "datetime_complete = clock_timestamp() AT TIME ZONE 'UTC' "
    "FROM unnest(CAST(:a AS int[]), CAST(:b AS text[])) AS given (id, state) "
    "WHERE t.trial_id = given.id"
)
_TRIALS = sa.text(
    """
    SELECT t.trial_id, a.value_json, coalesce(max(i.step), 0), t.state IN ('COMPLETE', 'PRUNED', 'FAIL')
    FROM public.trials t
    JOIN public.trial_user_attributes a ON a.trial_id = t.trial_id AND a.key = :attribute
    LEFT JOIN public.trial_intermediate_values i ON i.trial_id = t.trial_id
    WHERE t.study_id = :study
    GROUP BY t.trial_id, a.value_json ORDER BY t.trial_id
    """
)
