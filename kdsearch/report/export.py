"""All runs of a study as CSV, JSON or a compact table, one row a run, for other programs and for replay."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import StringIO
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.run_rows import collected_later
from kdsearch.report.formats.csv_format import cell_text
from kdsearch.report.selection import OWN, select, task_of
from kdsearch.tasks.base import CURVES
from kdsearch.texts import literal_json

HIDDEN = "hidden until the winner is chosen"
SCORE_CURVES = ("score", "scores")
TABLE_SCHEMA = "kdsearch.table/1"


def runs_csv(results: StudyResults) -> str:
    """Return one line a run: all fields, parameters as ``param.NAME``, scores as ``scores.NAME``, curves as JSON.

    Where runs draw folds and teachers: the ``fold`` of a ``partition`` that validates a run (of a teacher, its
    students), counted from 0, and ``teacher_run``, the id of the run that trained its teacher (``needs`` in studies
    that were begun before).

    Test scores are left out until the winner is chosen; the column ``note`` says so. A text that begins as a formula
    of a spreadsheet does stands behind an apostrophe.
    """
    rows, names = list[list[str]](), list[str]()
    with collected_later():
        for record in _records(results, _text):
            texts = _texts(record.values())
            if list(record) != names:  # most runs have the columns of the one before, in their order
                names = list(dict.fromkeys([*names, *record]))
                by_name = dict(zip(record, texts, strict=True))
                texts = [by_name.get(name, "") for name in names]
            rows.append(texts)
    names = names or ["study", "data", "id"]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell_text(name) for name in names])
    writer.writerows(row + [""] * (len(names) - len(row)) for row in rows)
    return out.getvalue()


def runs_json(results: StudyResults) -> str:
    """Return ``{"schema": "kdsearch.runs/1", "study", "data", "metric", "chance", "direction", "phase", "space",
    "runs": [...]}``.

    A run is flat as in CSV, with ``curve`` as lists. Numbers that are not finite are null. Test scores are left out
    until the winner is chosen.
    """
    study = results.study
    document = {
        "schema": "kdsearch.runs/1",
        "study": study.name,
        "data": data_line(study),
        "metric": study.metric,
        "chance": study.chance,
        "direction": "minimize" if study.minimizes else "maximize",
        "phase": study.phase,
        "space": study.settings.space_json,
        "runs": [_finite(record) for record in _records(results)],
    }
    return literal_json(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False, default=str)) + "\n"


def write_table(
    results: StudyResults, path: Path, *, provenance: Mapping[str, Any] | None = None, every_score: bool = False
) -> None:
    """Write all runs as a compressed numpy archive of columns, which ``kdsearch.search.replay`` reads.

    Of R runs: ``configuration`` int32 [R], a position in ``meta["configurations"]`` (name, kind, params); ``seed``
    int64 [R]; ``pool`` and ``state`` int8 [R], positions in ``meta["pools"]`` and ``meta["states"]``; ``objective``,
    ``score`` and ``seconds`` float64 [R], nan where there is none; ``epochs`` int32 [R]; ``curve`` float32 [R, E], the
    objective of each evaluation, padded with nan, and ``curve_epoch`` int32 [R, E], padded with -1. ``meta``: JSON as
    UTF-8 bytes, also with study, data, metric, chance, direction, space and ``provenance``. Test scores are nan until
    the winner is chosen, unless ``every_score``: for a study that only records and chooses no winner.
    """
    runs = sorted(results.runs, key=lambda run: run.id)
    kept = [results.configurations[id_] for id_ in dict.fromkeys(run.configuration_id for run in runs)]
    position = {record.id: index for index, record in enumerate(kept)}
    pools, states = (list(dict.fromkeys(getattr(run, name) for run in runs)) for name in ("pool", "state"))
    hidden = select(results).searching and not every_score
    study = results.study
    meta = {
        "schema": TABLE_SCHEMA,
        "study": study.name,
        "data": data_line(study),
        "metric": study.metric,
        "chance": study.chance,
        "direction": "minimize" if study.minimizes else "maximize",
        "space": study.settings.space_json,
        "pools": pools,
        "states": states,
        "configurations": [{"name": row.name, "kind": row.kind, "params": dict(row.params)} for row in kept],
        "provenance": dict(provenance or {}),
    }
    np.savez_compressed(
        path,
        meta=np.frombuffer(json.dumps(meta, ensure_ascii=False, allow_nan=False).encode(), np.uint8),
        configuration=np.array([position[run.configuration_id] for run in runs], np.int32),
        seed=np.array([run.seed for run in runs], np.int64),
        pool=np.array([pools.index(run.pool) for run in runs], np.int8),
        state=np.array([states.index(run.state) for run in runs], np.int8),
        objective=_column([run.objective for run in runs]),
        score=_column([None if hidden else run.score for run in runs]),
        seconds=_column([run.seconds for run in runs]),
        epochs=np.array([run.epochs or 0 for run in runs], np.int32),
        curve=_padded([run.curve.get("objective", ()) for run in runs], np.nan).astype(np.float32),
        curve_epoch=_padded([run.curve.get("epoch", ()) for run in runs], -1).astype(np.int32),
    )


def _column(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _padded(rows: Sequence[Sequence[float]], filler: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    padded = np.full((len(rows), max(map(len, rows), default=0)), filler)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


class _Cell(str):
    """A text that is a cell already."""

    __slots__ = ()


def shown_before_choice(study: StudyRecord) -> Callable[[str], bool]:
    """Whether a column of a curve is shown before the choice: a further metric of a user's own may be of test data."""
    own = task_of(study).get("task") in OWN
    return lambda name: name not in SCORE_CURVES and (name in CURVES or not own)


class _Flat:
    """Makes each run of a study one flat record, its curve last; what several runs have in common is made once.

    ``text``: makes cells of what several runs have in common.
    """

    def __init__(self, results: StudyResults, text: Callable[[Any], str] | None = None) -> None:
        self.common = (lambda value: _Cell(text(value))) if text is not None else (lambda value: value)
        self.hidden = select(results).searching
        self.results = results
        self.draws = results.study.version > 1
        # Where runs draw teachers, ``needs`` is ``teacher_run``.
        left_out = {"scores", "metrics", "curve", "fold", *(("needs",) if self.draws else ())}
        self.fields = tuple(name for name in RunRecord.__dataclass_fields__ if name not in left_out)
        self.values = attrgetter(*self.fields)
        self.study = {"study": self.common(results.study.name), "data": self.common(data_line(results.study))}
        self.params: dict[int, dict[str, Any]] = {}
        self.shown = shown_before_choice(results.study)

    def of(self, run: RunRecord) -> dict[str, Any]:
        record = self.results.configurations.get(run.configuration_id)
        flat = {**self.study, **dict(zip(self.fields, self.values(run), strict=True))}
        flat["finished_at"] = run.finished_at.isoformat() if run.finished_at else None
        flat["configuration"] = record.name if record else None
        flat["kind"] = record.kind if record else None
        if self.draws:
            flat |= {"partition": run.fold.partition, "fold": run.fold.number, "teacher_run": run.needs}
        flat.update(self._params(run.configuration_id))
        curve = dict(run.curve)
        if self.hidden:
            flat["score"] = None
            curve = {name: values for name, values in curve.items() if self.shown(name)}
            flat["note"] = f"test scores {HIDDEN}"
        else:
            flat |= {f"scores.{name}": value for name, value in run.scores.items()}
            flat |= {f"metric.{name}": value for name, value in run.metrics.items()}
            flat["note"] = ""
        flat["curve"] = curve
        return flat

    def _params(self, configuration_id: int) -> dict[str, Any]:
        if configuration_id not in self.params:
            record = self.results.configurations.get(configuration_id)
            named = record.params if record else {}
            self.params[configuration_id] = {f"param.{name}": self.common(value) for name, value in named.items()}
        return self.params[configuration_id]


def _records(results: StudyResults, text: Callable[[Any], str] | None = None) -> Iterator[dict[str, Any]]:
    """One record a run, in the order of ids."""
    return map(_Flat(results, text).of, sorted(results.runs, key=lambda run: run.id))


def _texts(values: Iterable[Any]) -> list[str]:
    """Values as cells; most are of three types, and a call for each of them would be most of the time."""
    return [
        value
        if (kind := type(value)) is _Cell
        else repr(value)
        if kind is float or kind is int
        else ""
        if value is None
        else _text(value)
        for value in values
    ]


def _text(value: Any) -> str:
    """A value as a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return _json(value) if value else ""
    return repr(value) if isinstance(value, float | int) else cell_text(str(value))


def _string(value: str) -> str:
    return _cell(value) if len(value) < _SHORT else cell_text(value)


_SHORT = 100
_cell = lru_cache(maxsize=10_000)(cell_text)
_encode = json.JSONEncoder(allow_nan=False).encode


def _json(value: Any) -> str:
    """The value as JSON, numbers that are not finite as null."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None  # neither nan nor infinite
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
