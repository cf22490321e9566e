"""Feeds the Optuna projection with a study's estimates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import sqlalchemy as sa

from kdsearch.ledger.choice import runs_before_choice
from kdsearch.ledger.database import Database
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.projection import Projection
from kdsearch.ledger.projection import objectives
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.records import StudyResults
from kdsearch.search.standing import standings
from kdsearch.statistics.summaries import summarize

_PATIENCE_SECONDS = 10.0


class Mirror:
    """Keeps the Optuna study of one study up to date, from whichever launcher holds the projection.

    ``apart``: read the ledger over connections of its own, so that it may be used from a thread beside ``ledger``.
    """

    def __init__(self, ledger: Ledger, study: StudyRecord, *, apart: bool = False) -> None:
        self._ledger = ledger
        self._own: Ledger | None = None
        self._apart = apart
        self._study = study
        self._projection: Projection | None = None

    def forget(self) -> None:
        """Drop the connection and what is known of the Optuna study; the next ``sync`` reads it anew."""
        self._projection = None
        if self._own is not None:
            self._own.database.dispose()
            self._own = None

    def sync(self) -> int:
        """One pass over the ledger; returns how many trials were told."""
        ledger = self._connected()
        if self._projection is None:
            with ledger.database.engine.begin() as connection:  # Optuna's tables are made by one at a time
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('kdsearch: optuna tables'))"))
                self._projection = Projection(ledger.database, self._study.name, self._study.settings["space"])
        results = ledger.results(self._study.id, curves=False)
        return self._projection.sync(results, estimates(results))

    def _connected(self) -> Ledger:
        if not self._apart:
            return self._ledger
        if self._own is None:
            database = self._ledger.database
            url = None if database.embedded else database.rendered_url(hide_password=False)
            self._own = Ledger(Database(url, patience=_PATIENCE_SECONDS))
        return self._own


def estimates(results: StudyResults) -> dict[int, Mapping[str, float]]:
    """Configuration id to n, mean, sd, 95 % interval and, once a winner is chosen, posterior mean of its objectives."""
    runs = runs_before_choice(results)
    of: dict[int, list[RunRecord]] = defaultdict(list)
    for run in runs:
        of[run.configuration_id].append(run)
    values = {row.id: objectives(of[row.id], row) for row in results.configurations.values()}
    believed: dict[int, float] = {}
    if results.study.winner_id is not None:  # before, nothing is told, and the model is not asked for nothing
        believed = {row.id: row.estimate for row in standings(results.study, results.configurations, runs)}
    found: dict[int, Mapping[str, float]] = {}
    for id_, sample in values.items():
        if not sample:
            continue
        summary = summarize(sample)
        found[id_] = {
            "n": summary.n,
            "mean": summary.mean,
            "sd": summary.sd,
            "low": summary.low,
            "high": summary.high,
            "estimate": believed.get(id_, summary.mean),
        }
    return found
