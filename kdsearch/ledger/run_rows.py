"""Rows of runs as records, by position: of a hundred thousand rows, looking up columns by name is most of the time."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.data.folds import FIRST, Fold
from kdsearch.ledger import schema
from kdsearch.ledger.records import RunRecord

Rows = list[tuple[Any, ...]]
Condition = sa.ColumnElement[bool]

_FIELDS = tuple(RunRecord.__dataclass_fields__)
_PLAIN = tuple(name for name in _FIELDS if name not in ("fold", "scores", "metrics", "curve"))
_WIDTH = len(_PLAIN)
_FOLD = _FIELDS.index("fold")
_SCORES = _FIELDS.index("scores") - 1
assert _FIELDS[_SCORES + 2 : _SCORES + 4] == ("metrics", "curve")  # which ``_record`` puts behind the scores


def read_runs(connection: Connection, wanted: Condition, *, curves: bool = True) -> tuple[RunRecord, ...]:
    """The runs for which ``wanted`` holds, in the order of their ids; without ``curves`` each has an empty one."""
    columns = [schema.run.c[name] for name in _PLAIN]
    texts = [sa.cast(schema.run.c[name], sa.Text) for name in ("scores", "metrics")]
    extra = [schema.run.c.partition, schema.run.c.fold, *texts]
    if curves:
        extra += [schema.run.c.curve_names, schema.run.c.curves]
    statement = sa.select(*columns, *extra).where(wanted).order_by(schema.run.c.id)
    with collected_later():
        return tuple([_record(row) for row in fetch(connection, statement)])


def _record(row: tuple[Any, ...]) -> RunRecord:
    """The run of a row: plain columns in the order of its fields, then fold, scores, metrics and curve, whose places
    differ.
    """
    partition, number, scores, metrics, *curve = row[_WIDTH:]
    fields = (
        *row[:_FOLD],
        fold_of(partition, number),
        *row[_FOLD:_SCORES],
        json.loads(scores) if scores != "{}" else {},
        json.loads(metrics) if metrics != "{}" else {},
        dict(zip(*curve, strict=True)) if curve else {},
        *row[_SCORES:_WIDTH],
    )
    return RunRecord(*fields)


def fetch(connection: Connection, statement: sa.Executable, values: Mapping[str, Any] | None = None) -> Rows:
    """All rows of a statement as the driver has them, without what SQLAlchemy makes of a row."""
    found = connection.execute(statement, values or {})
    rows: Rows = list(found.cursor.fetchall())
    found.close()
    return rows


@contextmanager
def collected_later() -> Iterator[None]:
    """Keep the collector of cycles from looking through what is being read, again and again as it grows."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@lru_cache(maxsize=4096)
def fold_of(partition: int, number: int) -> Fold:
    """The fold of a partition; one object for all of its runs."""
    return FIRST if partition == number == 0 else Fold(partition, number)
