"""To MLflow: an experiment a study, a parent run a configuration, a nested run a seed."""

from __future__ import annotations

import os
import re
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.integrations.trackers.tracked import TrackedRun, steps, tracked
from kdsearch.ledger.records import StudyResults

DEFAULT = "sqlite:///mlflow.db"
"""Where ``mlflow ui`` looks in the same folder."""

_OURS = "tags.`kdsearch.run` LIKE '%'"
_REFUSED = re.compile(r"[^\w\-. :/]")  # in a name
_LONGEST = 6000  # characters of a parameter


def export(results: StudyResults, place: str | None = None) -> tuple[int, str]:
    """Write all runs; returns how many, and where they are. A second export of a study replaces the first one.

    ``place``: a tracking URI; default: MLFLOW_TRACKING_URI, else ``DEFAULT``. Raises ``KdsearchError`` without mlflow,
    and where the place cannot be used.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise KdsearchError('this export needs mlflow: pip install "kdsearch[mlflow]"') from None
    uri = place or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    try:
        client = MlflowClient(tracking_uri=uri)
        return _write(client, results), uri
    except MlflowException as error:
        raise KdsearchError(f"MLflow at {uri} refuses: {str(error).splitlines()[0]}") from error


def _write(client: Any, results: StudyResults) -> int:
    experiment, before = _experiment(client, results.study.name)
    parents: dict[str, str] = {}
    count = 0
    for run in tracked(results):
        if run.group not in parents:
            parents[run.group] = _parent(client, experiment, run)
        _run(client, experiment, parents[run.group], run)
        count += 1
    for parent in parents.values():
        client.set_terminated(parent)
    for id_ in before:  # last: until then the former export stands
        client.delete_run(id_)
    return count


def _experiment(client: Any, name: str) -> tuple[str, list[str]]:
    """Its id, and the ids of all runs that an earlier export has written."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name)), []
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    before, token = [], None
    while True:
        rows = client.search_runs([found.experiment_id], filter_string=_OURS, page_token=token)
        before += [row.info.run_id for row in rows]
        token = rows.token
        if not token:
            return str(found.experiment_id), before


def _parent(client: Any, experiment: str, run: TrackedRun) -> str:
    tags = {"kdsearch.run": "", "kdsearch.kind": run.tags["kind"], "kdsearch.winner": run.tags["winner"]}
    made = client.create_run(experiment, run_name=run.group, tags=tags)
    return str(made.info.run_id)


def _run(client: Any, experiment: str, parent: str, run: TrackedRun) -> None:
    from mlflow.entities import Metric, Param, RunTag

    end = None if run.ended is None else int(run.ended.timestamp() * 1000)
    begin = None if end is None else end - int(1000 * (run.seconds or 0))
    made = client.create_run(experiment, start_time=begin, run_name=run.name)
    id_ = made.info.run_id
    tags = [RunTag(f"kdsearch.{name}", value) for name, value in run.tags.items()]
    params = [Param(_name(name), str(value)[:_LONGEST]) for name, value in run.config.items()]
    # Of one name a curve's last value would stand for what the run reached.
    metrics = [Metric(_name(name), value, end or 0, 0) for name, value in run.metrics.items()]
    for step, (_, values) in zip(steps(run), run.curve, strict=True):
        metrics += [Metric(_name(f"curve.{name}"), value, begin or 0, step) for name, value in values.items()]
    for at in range(0, max(len(metrics), 1), 1000):
        first = at == 0
        client.log_batch(
            id_,
            metrics=metrics[at : at + 1000],
            params=params if first else [],
            tags=[*tags, RunTag("mlflow.parentRunId", parent)] if first else [],
        )
    client.set_terminated(id_, status="FAILED" if run.failed else "FINISHED", end_time=end)


def _name(text: str) -> str:
    return _REFUSED.sub("_", text)
