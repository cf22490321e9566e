"""The Optuna study that mirrors a ledger's study: for Optuna's dashboard and importances, never read by search.

A told trial is immutable, so trials are RUNNING while the study searches, with ``report(mean, step=n_seeds)``, and told
when the winner is chosen: winner and finalists COMPLETE with their posterior mean, all others PRUNED. Baselines,
ablations and settings of the search without teacher are trials without parameters and never COMPLETE. Which trial is
whose stands in the trials themselves, so a process killed between two steps leaves nothing to repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from kdsearch.ledger.database import Database
from kdsearch.ledger.distributions import distributions
from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import StudyResults
from kdsearch.space import active
from kdsearch.space import dimension_from

CONFIGURATION = "kdsearch:configuration"


class Projection:
    """Keeps one Optuna study equal to one ledger study; ``space`` as the study's settings store it."""

    def __init__(self, database: Database, name: str, space: Mapping[str, Mapping[str, Any]]) -> None:
        self._database = database
        self._storage = optuna_storage(database)
        self._name = name
        self._space = {name: dimension_from(identity) for name, identity in space.items()}
        self._distributions = distributions(self._space)
        self._trials: dict[int, int] = {}
        self._reported: dict[int, int] = {}
        self._told: set[int] = set()
        self._load()

    def sync(self, results: StudyResults, estimates: Mapping[int, Mapping[str, float]]) -> int:
        """Bring the Optuna study up to date; returns how many trials were told.

        ``estimates``: configuration id to ``n``, ``mean``, ``sd``, ``low``, ``high`` and ``estimate``. Does nothing
        while another process holds the projection.
        """
        with self._database.engine.connect() as connection:
            lock = sa.text("SELECT pg_try_advisory_lock(hashtext(:name), 1)")
            if not connection.execute(lock, {"name": self._name}).scalar():
                return 0
            try:
                return self._sync(results, estimates)
            finally:
                connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext(:name), 1)"), {"name": self._name})

    def _sync(self, results: StudyResults, estimates: Mapping[int, Mapping[str, float]]) -> int:
        told = 0
        if any(row.id not in self._trials for row in results.configurations.values() if row.kind != "teacher"):
            self._load()  # another launcher may have made them
        for row in results.configurations.values():
            if row.kind == "teacher" or row.id in self._told:
                continue
            try:
                told += self._sync_one(results, row, estimates.get(row.id))
            except UpdateFinishedTrialError:
                self._told.add(row.id)  # another launcher told it since we looked
        return told

    def _sync_one(self, results: StudyResults, row: ConfigurationRecord, estimate: Mapping[str, float] | None) -> bool:
        trial = self._trials.get(row.id) or self._create(row)
        if estimate and int(estimate["n"]) > self._reported.get(row.id, 0):
            self._storage.set_trial_intermediate_value(trial, int(estimate["n"]), estimate["mean"])
            self._reported[row.id] = int(estimate["n"])
        state = final_state(results, row)
        if state is None:
            return False
        self._tell(trial, row, state, estimate)
        return True

    def _load(self) -> None:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            optuna.create_study(study_name=self._name, storage=self._storage, direction="maximize", load_if_exists=True)
        finally:
            optuna.logging.set_verbosity(verbosity)
        self._study = self._storage.get_study_id_from_name(self._name)
        for trial in self._storage.get_all_trials(self._study, deepcopy=False):
            configuration = trial.user_attrs.get(CONFIGURATION)
            if configuration is None:
                continue
            number = self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number)
            self._trials[configuration] = number
            self._reported[configuration] = max(trial.intermediate_values, default=0)
            if trial.state.is_finished():
                self._told.add(configuration)

    def _create(self, row: ConfigurationRecord) -> int:
        named = active(self._space, row.params)
        inside = row.kind == "searched" and all(self._space[name].contains(row.params[name]) for name in named)
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={name: row.params[name] for name in named} if inside else {},
            distributions={name: self._distributions[name] for name in named} if inside else {},
            user_attrs={CONFIGURATION: row.id, "name": row.name, "kind": row.kind},
        )
        trial = self._storage.create_new_trial(self._study, template_trial=template)
        self._trials[row.id] = trial
        return trial

    def _tell(
        self, trial: int, row: ConfigurationRecord, state: TrialState, estimate: Mapping[str, float] | None
    ) -> None:
        for name, value in (estimate or {"n": 0}).items():
            if value == value:  # an interval of one seed is not a number, and JSON has none
                self._storage.set_trial_user_attr(trial, name, value)
        values = [estimate["estimate"]] if state == TrialState.COMPLETE and estimate else None
        if values is None and estimate:
            values = [estimate["mean"]]
        self._storage.set_trial_state_values(trial, state, values)
        self._told.add(row.id)


def final_state(results: StudyResults, row: ConfigurationRecord) -> TrialState | None:
    """The state to tell, or ``None`` while the configuration may still get runs."""
    study = results.study
    if row.kind != "searched":
        return TrialState.PRUNED if study.phase == "finished" else None
    if study.winner_id is None:
        return None
    return TrialState.COMPLETE if row.id in (study.winner_id, *study.finalist_ids) else TrialState.PRUNED


def objectives(runs: Sequence[RunRecord], row: ConfigurationRecord) -> list[float]:
    """The objectives that stand for a configuration: search seeds, or fresh seeds where it was never searched."""
    pool = "search" if row.kind in ("searched", "without") else "confirm"
    return [
        run.objective
        for run in runs
        if run.configuration_id == row.id and run.pool == pool and run.state in ENDED and run.objective is not None
    ]


def rebuild(database: Database, name: str) -> None:
    """Delete the Optuna study; the next ``sync`` makes it anew."""
    storage = optuna_storage(database)
    if name in (summary.study_name for summary in storage.get_all_studies()):
        optuna.delete_study(study_name=name, storage=storage)


def optuna_storage(database: Database) -> RDBStorage:
    """Optuna's storage on the ledger's database (its tables live in the schema ``public``)."""
    return RDBStorage(
        database.rendered_url(hide_password=False),
        engine_kwargs={"pool_size": 1, "max_overflow": 1, "pool_pre_ping": True},
    )
