"""The Optuna study that mirrors a ledger's study: for Optuna's dashboard and importances, never read by search.

A told trial is immutable, so trials are RUNNING while the study searches, with ``report(mean, step=n_seeds)``, and told
when the winner is chosen: every searched configuration with results COMPLETE with its posterior mean, so that
importances, contours and ranks are of all of them. Those without results are PRUNED, and so are baselines, ablations
and configurations of the search without teacher: their values are of other seeds or of another space. These get their
trials once the winner is chosen, so that ``c12`` is trial 12 until somebody adds configurations. Which trial is whose
stands in the trials themselves, so a process killed between two steps leaves nothing to repair.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from kdsearch.engines import optuna_tables
from kdsearch.engines.optuna_tables import Change, Stored
from kdsearch.ledger.database import Database
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ENDED, ConfigurationRecord, RunRecord, StudyRecord, StudyResults, runs_before_choice
from kdsearch.search.optuna_space import distributions
from kdsearch.search.ranking import standings
from kdsearch.space import active, dimension_from
from kdsearch.statistics.summaries import summarize_all
from kdsearch.tasks.base import Direction

_PATIENCE_SECONDS = 10.0


class Mirror:
    """Keeps the Optuna study of one study up to date, from whichever launcher holds the projection.

    ``own_connection``: read the ledger over connections of its own, so that it may be used from a thread beside
    ``ledger``.
    """

    def __init__(self, ledger: Ledger, study: StudyRecord, *, own_connection: bool = False) -> None:
        self._ledger = ledger
        self._own: Ledger | None = None
        self._own_connection = own_connection
        self._study = study
        self._projection: Projection | None = None

    def forget(self) -> None:
        """Drop the connection and what is known of the Optuna study; the next ``sync`` reads it anew."""
        self._projection = None
        if self._own is not None:
            self._own.database.dispose()
            self._own = None

    def sync(self, *, most: int | None = None) -> int:
        """One pass over the ledger, over ``most`` of its trials; returns how many trials were told.

        Anybody may delete the Optuna study at any moment, in its dashboard say: then it is drawn anew.
        """
        try:
            return self._sync(most)
        except KeyError:  # Optuna's word for a study or trial that is gone
            self._projection = None
            return self._sync(most)

    def _sync(self, most: int | None) -> int:
        ledger = self._connected()
        if self._projection is None:
            with ledger.database.engine.begin() as connection:  # Optuna's tables are made by one at a time
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('kdsearch: optuna tables'))"))
                self._projection = Projection(ledger.database, self._study)
        study = ledger.study_by_id(self._study.id)
        if study.winner_id is None:  # nothing is told yet, and the objectives are all there is to show
            found = ledger.objectives(study.id)
            results = StudyResults(found.study, found.configurations, ())
            return self._projection.sync(results, summaries(found.values, {}), most=most)
        results = ledger.results(study.id, curves=False)
        return self._projection.sync(results, estimates(results), most=most)

    def _connected(self) -> Ledger:
        if not self._own_connection:
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
    return summaries(values, believed)


def summaries(values: Mapping[int, Sequence[float]], believed: Mapping[int, float]) -> dict[int, Mapping[str, float]]:
    """The same from objectives by configuration id; ``believed``: posterior means of some of them."""
    ids = [id_ for id_, sample in values.items() if sample]
    return {
        id_: {
            "n": summary.n,
            "mean": summary.mean,
            "sd": summary.sd,
            "low": summary.low,
            "high": summary.high,
            "estimate": believed.get(id_, summary.mean),
        }
        for id_, summary in zip(ids, summarize_all([values[id_] for id_ in ids]), strict=True)
    }


CONFIGURATION = "kdsearch:configuration"
_CONFIGURATIONS = sa.text("SELECT id FROM kdsearch.configuration WHERE study_id = :study")

BATCH = 400
"""Trials that are written in one transaction; of more that are due, the best come first."""


class Projection:
    """Keeps one Optuna study equal to one ledger study."""

    def __init__(self, database: Database, study: StudyRecord) -> None:
        self._database = database
        self._storage = optuna_storage(database)
        self._name = study.name
        self._ledger_study = study.id
        self._sign = study.sign
        self._direction: Direction = "minimize" if study.minimizes else "maximize"
        self._space = {name: dimension_from(identity) for name, identity in study.settings.space_json.items()}
        self._distributions = distributions(self._space)
        self._trials: dict[int, int] = {}
        self._reported: dict[int, int] = {}
        self._told: set[int] = set()
        self._bulk = False
        self._load()

    def sync(
        self, results: StudyResults, estimates: Mapping[int, Mapping[str, float]], *, most: int | None = None
    ) -> int:
        """Bring the Optuna study up to date, or ``most`` of its trials; returns how many trials were told.

        ``estimates``: configuration id to ``n``, ``mean``, ``sd``, ``low``, ``high`` and ``estimate``. Does nothing
        while another process holds the projection.
        """
        with self._database.engine.connect() as connection:
            lock = sa.text("SELECT pg_try_advisory_lock(hashtext(:name), 1)")
            if not connection.execute(lock, {"name": self._name}).scalar():
                return 0
            try:
                return self._sync(connection, results, estimates, most)
            finally:
                connection.rollback()  # of a batch that failed; the lock is the connection's, and stays
                connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext(:name), 1)"), {"name": self._name})

    def _sync(
        self,
        connection: Connection,
        results: StudyResults,
        estimates: Mapping[int, Mapping[str, float]],
        most: int | None,
    ) -> int:
        self._storage.get_study_id_from_name(self._name)  # raises KeyError where it was deleted: all else is remembered
        kept = ("searched",) if results.study.winner_id is None else ("searched", "without", "baseline", "ablation")
        rows = [row for row in results.configurations.values() if row.kind in kept]
        rows.sort(key=lambda row: (row.kind != "searched", row.id))
        if any(row.id not in self._trials for row in rows):
            self._load()  # another launcher may have made them
        due = [row for row in rows if row.id not in self._told and self._due(results, row, estimates.get(row.id))]
        if len(due) > BATCH:
            due = best_first(due, estimates, self._sign)
        told = 0
        for start in range(0, len(due[:most]), BATCH):
            told += self._write(connection, results, due[:most][start : start + BATCH], estimates)
        return told

    def _due(self, results: StudyResults, row: ConfigurationRecord, estimate: Mapping[str, float] | None) -> bool:
        """Whether the trial of a configuration is not what it should be now."""
        further = self._further(row, estimate)
        return row.id not in self._trials or further is not None or final_state(results, row, estimate) is not None

    def _further(self, row: ConfigurationRecord, estimate: Mapping[str, float] | None) -> tuple[int, float] | None:
        """The step and mean to report, where there are more runs than were reported."""
        if estimate is None or int(estimate["n"]) <= self._reported.get(row.id, 0):
            return None
        return int(estimate["n"]), estimate["mean"]

    def _write(
        self,
        connection: Connection,
        results: StudyResults,
        rows: Sequence[ConfigurationRecord],
        estimates: Mapping[int, Mapping[str, float]],
    ) -> int:
        """Bring the trials of these configurations up to date; returns how many were told."""
        best = estimates.get(results.study.winner_id or -1)
        changes = [self._change(results, row, estimates.get(row.id), best) for row in rows]
        if not (self._bulk and all(change.storable for change in changes)):
            return sum(map(self._write_one, rows, changes))
        stored = optuna_tables.write(connection, self._study, changes)
        connection.commit()
        for row, change, (trial, taken) in zip(rows, changes, stored, strict=True):
            self._trials[row.id] = trial
            if change.reported is not None and taken:
                self._reported[row.id] = change.reported[0]
            if change.state is not None or not taken:
                self._told.add(row.id)
        return sum(change.state is not None and taken for change, (_, taken) in zip(changes, stored, strict=True))

    def _change(
        self,
        results: StudyResults,
        row: ConfigurationRecord,
        estimate: Mapping[str, float] | None,
        best: Mapping[str, float] | None,
    ) -> Change:
        trial = self._trials.get(row.id)
        change = Change(trial, {})
        attributes: dict[str, Any] = {}
        if trial is None:
            named = active(self._space, row.params)
            if all(name in row.params and self._space[name].contains(row.params[name]) for name in named):
                change.params = {name: row.params[name] for name in named}
                change.distributions = {name: self._distributions[name] for name in named}
            attributes |= {CONFIGURATION: row.id, "name": row.name, "kind": row.kind}
        change.reported = self._further(row, estimate)
        change.state = final_state(results, row, estimate)
        if change.state is not None:
            # An interval of one seed is not a number, and JSON has none.
            attributes |= {name: value for name, value in (estimate or {"n": 0}).items() if value == value}
            if estimate:
                change.value = estimate["mean"]
                if change.state == TrialState.COMPLETE:
                    change.value = self._below(estimate["estimate"], best, row.id == results.study.winner_id)
        change.attributes = attributes
        return change

    def _below(self, value: float, best: Mapping[str, float] | None, wins: bool) -> float:
        """The value of a trial: nothing is better than the winner.

        A configuration of one seed may be believed to be, and leads nobody; its ``estimate`` says what is believed.
        """
        if wins or best is None or self._sign * value < self._sign * best["estimate"]:
            return value
        return math.nextafter(best["estimate"], -self._sign * math.inf)

    def _write_one(self, row: ConfigurationRecord, change: Change) -> bool:
        """The same through Optuna's API."""
        try:
            trial = self._create(row, change) if change.trial is None else change.trial
            if change.reported is not None:
                self._storage.set_trial_intermediate_value(trial, *change.reported)
                self._reported[row.id] = change.reported[0]
            if change.state is None:
                return False
            for name, value in change.attributes.items():
                self._storage.set_trial_user_attr(trial, name, value)
            self._storage.set_trial_state_values(trial, change.state, None if change.value is None else [change.value])
        except UpdateFinishedTrialError:
            self._told.add(row.id)  # another launcher told it since we looked
            return False
        self._told.add(row.id)
        return True

    def _load(self) -> None:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            optuna.create_study(
                study_name=self._name, storage=self._storage, direction=self._direction, load_if_exists=True
            )
        finally:
            optuna.logging.set_verbosity(verbosity)
        self._study = self._storage.get_study_id_from_name(self._name)
        with self._database.engine.connect() as connection:
            self._bulk = optuna_tables.known(connection)
            found = optuna_tables.trials_by(connection, self._study, CONFIGURATION) if self._bulk else self._stored()
            known = connection.execute(_CONFIGURATIONS, {"study": self._ledger_study}).scalars().all()
        if found.keys() - set(known):  # of a study of this name that is gone: a told trial cannot be taken back
            optuna.delete_study(study_name=self._name, storage=self._storage)
            self._load()
            return
        for configuration, trial in found.items():
            self._trials[configuration] = trial.trial
            self._reported[configuration] = trial.reported
            if trial.finished:
                self._told.add(configuration)

    def _stored(self) -> dict[int, Stored]:
        """The trials by configuration, through Optuna's API."""
        found = {}
        for trial in self._storage.get_all_trials(self._study, deepcopy=False):
            configuration = trial.user_attrs.get(CONFIGURATION)
            if configuration is not None:
                number = self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number)
                reported = max(trial.intermediate_values, default=0)
                found[configuration] = Stored(number, reported, trial.state.is_finished())
        return found

    def _create(self, row: ConfigurationRecord, change: Change) -> int:
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(change.params),
            distributions=dict(change.distributions),
            user_attrs={name: change.attributes[name] for name in (CONFIGURATION, "name", "kind")},
        )
        trial = self._storage.create_new_trial(self._study, template_trial=template)
        self._trials[row.id] = trial
        return trial


def best_first(
    rows: Sequence[ConfigurationRecord], estimates: Mapping[int, Mapping[str, float]], sign: float
) -> list[ConfigurationRecord]:
    """The configurations with the ``BATCH`` best means of two seeds or more first, then the others in their order.

    Of very many, those that somebody looks for are there at once.
    """
    ranked = [row for row in rows if estimates.get(row.id, {"n": 0})["n"] > 1]
    ranked.sort(key=lambda row: -sign * estimates[row.id]["mean"])
    first = {row.id for row in ranked[:BATCH]}
    return [*(row for row in rows if row.id in first), *(row for row in rows if row.id not in first)]


def final_state(
    results: StudyResults, row: ConfigurationRecord, estimate: Mapping[str, float] | None
) -> TrialState | None:
    """The state to tell, or ``None`` while the configuration may still get runs; ``estimate``: where it has results."""
    study = results.study
    if row.kind != "searched":
        return TrialState.PRUNED if study.phase == "finished" else None
    if study.winner_id is None:
        return None
    return TrialState.PRUNED if estimate is None else TrialState.COMPLETE


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


def optuna_storage(database: Database, kind: type[RDBStorage] = RDBStorage) -> RDBStorage:
    """Optuna's storage on the ledger's database (its tables live in the schema ``public``)."""
    dialect = database.engine.dialect
    arguments, options = dialect.create_connect_args(database.url)

    def connect() -> Any:
        """Optuna names no schema: of a role whose name is a schema, ``kdsearch`` say, it would use that one."""
        connection: Any = dialect.connect(*arguments, **{**options, **database.connect_args})
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO public")
        connection.commit()
        return connection

    return kind(
        database.rendered_url(hide_password=False),
        engine_kwargs={"pool_size": 1, "max_overflow": 1, "pool_pre_ping": True, "creator": connect},
    )
