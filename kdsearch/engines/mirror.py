"""Feeds the Optuna projection with a study's estimates."""

from __future__ import annotations

from collections.abc import Mapping

from kdsearch.ledger.choice import runs_before_choice
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.projection import Projection
from kdsearch.ledger.projection import objectives
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.records import StudyResults
from kdsearch.search.standing import standings
from kdsearch.statistics.summaries import summarize


class Mirror:
    """Keeps the Optuna study of one study up to date, from whichever launcher holds the projection."""

    def __init__(self, ledger: Ledger, study: StudyRecord) -> None:
        self._ledger = ledger
        self._study = study
        self._projection: Projection | None = None

    def forget(self) -> None:
        """Drop the connection and what is known of the Optuna study; the next ``sync`` reads it anew."""
        self._projection = None

    def sync(self) -> int:
        """One pass over the ledger; returns how many trials were told."""
        if self._projection is None:
            self._projection = Projection(self._ledger.database, self._study.name, self._study.settings["space"])
        results = self._ledger.results(self._study.id, curves=False)
        return self._projection.sync(results, estimates(results))


def estimates(results: StudyResults) -> dict[int, Mapping[str, float]]:
    """Configuration id to n, mean, sd, 95 % interval and, once a winner is chosen, posterior mean of its objectives."""
    runs = runs_before_choice(results)
    values = {row.id: objectives(runs, row) for row in results.configurations.values()}
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
