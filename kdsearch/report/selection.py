"""The runs that a report may count: ended, of one code hash, with diverged runs at chance level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kdsearch.ledger.records import (
    ENDED,
    ConfigurationRecord,
    EventRecord,
    Pool,
    RunRecord,
    StudyRecord,
    StudyResults,
    choice_of,
    runs_added_after_choice,
    runs_before_choice,
    searched,
)
from kdsearch.report.digits import places
from kdsearch.search.ranking import Standing, standings
from kdsearch.statistics import summarize

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Selection:
    """What the tables are made from. ``runs`` have ended, and search runs among them before the winner was chosen.

    ``left_out``: ended runs of other code hashes; ``failures``: failed runs; ``added``: runs on search seeds that came
    after the choice, ended or not, of any code; ``mixed``: whether runs of all code hashes count; ``confirming``:
    whether confirm runs are queued or train; ``choice``: the event that chose the winner, with what it rested on.
    """

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[RunRecord, ...]
    hashes: tuple[str, ...]
    left_out: tuple[RunRecord, ...] = ()
    failures: tuple[RunRecord, ...] = ()
    added: tuple[RunRecord, ...] = ()
    mixed: bool = False
    confirming: bool = False
    choice: EventRecord | None = None
    events: tuple[EventRecord, ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether the study trains a user's own function."""
        return of_function(self.study)

    @cached_property
    def digits(self) -> int:
        """Decimals of the metric in sentences, by the spread of results on fresh seeds, before there are any of search.

        See ``kdsearch.report.digits.places``; tables have their own, by what stands in them.
        """
        pools: tuple[Pool, ...] = ("confirm", "search")
        for pool in pools:
            groups: dict[int, list[float]] = {}
            for run in self.runs:
                value = self.result(run) if pool == "confirm" else self.objective(run)
                if run.pool == pool and run.state == "done" and value is not None:
                    groups.setdefault(run.configuration_id, []).append(value)
            if groups:
                every = [value for group in groups.values() for value in group]
                return places([summarize(group).sd for group in groups.values()], every)
        return places([], [])

    @property
    def searching(self) -> bool:
        """Whether the winner is still to be chosen: no test score may be shown."""
        return self.study.phase in ("teacher", "search") or self.study.winner_id is None

    @property
    def late(self) -> int:
        """How many runs of either search ended after the choice: they are in none of the others but ``added``."""
        return len(self._late(waiting=False))

    @property
    def late_waiting(self) -> int:
        """How many runs of either search were added after the choice and have not ended."""
        return len(self._late(waiting=True))

    def _late(self, waiting: bool) -> list[RunRecord]:
        late = [run for run in self.added if waiting == (run.state in ("queued", "leased"))]
        rows = self.configurations
        return [run for run in late if searched(rows, run) or searched(rows, run, "without")]

    @property
    def finished(self) -> bool:
        """Whether all confirm runs have ended; search runs that were added afterwards change nothing of that."""
        looked = any(event.kind == "look" for event in self.events)
        return self.study.phase == "finished" or (looked and not self.confirming)

    @cached_property
    def has_scores(self) -> bool:
        """Whether runs have test scores; a task without a test part has none, then the objective stands in.

        Confirm runs say so if one is done, else other runs of students, else diverged ones. True while there are none:
        nothing is claimed of a task before it has run.
        """
        students = [run for run in self.runs if run.pool != "teacher"]
        if not students:
            return True
        done = [run for run in students if run.state == "done"]
        confirmed = [run for run in done if run.pool == "confirm"]
        return any(run.score is not None for run in confirmed or done or students)

    def of(self, configuration_id: int, pool: Pool) -> list[RunRecord]:
        """Return the runs of a configuration in a pool, by seed."""
        runs = [run for run in self.runs if run.configuration_id == configuration_id and run.pool == pool]
        return sorted(runs, key=lambda run: run.seed)

    def objective(self, run: RunRecord) -> float | None:
        """Return the validation metric; chance level for a diverged run."""
        return self.study.chance if run.state == "diverged" else run.objective

    def result(self, run: RunRecord) -> float | None:
        """Return the test score, or the objective where the task has no test part; chance for a diverged run."""
        if run.state == "diverged":
            return self.study.chance
        return run.score if self.has_scores else run.objective

    def objectives(self, configuration_id: int, pool: Pool) -> list[float]:
        """Return the validation metrics of a configuration in a pool, by seed."""
        return present([self.objective(run) for run in self.of(configuration_id, pool)])

    def results(self, configuration_id: int) -> dict[int, float]:
        """Return the results of a configuration on its confirm seeds: seed to value."""
        pairs = [(run.seed, self.result(run)) for run in self.of(configuration_id, "confirm")]
        return {seed: value for seed, value in pairs if value is not None}

    def diverged(self, configuration_id: int, pool: Pool) -> str:
        """Return ``2/8 diverged``, or nothing when none has."""
        runs = self.of(configuration_id, pool)
        count = sum(run.state == "diverged" for run in runs)
        return f"{count}/{len(runs)} diverged" if count else ""

    def searched(self) -> dict[int, list[float]]:
        """Return the objectives on search seeds of each configuration proposed by the search, by configuration."""
        kinds = {id_: record.kind for id_, record in self.configurations.items()}
        found: dict[int, list[float]] = {}
        for run in sorted(self.runs, key=lambda run: run.seed):
            id_, value = run.configuration_id, self.objective(run)
            proposed = kinds.get(id_) == "searched" or id_ == self.study.winner_id
            if run.pool == "search" and proposed and value is not None:
                found.setdefault(id_, []).append(value)
        return found

    def standings(self) -> list[Standing]:
        """Return what the search believes of each searched configuration, from the runs counted here; best first."""
        return standings(self.study, self.configurations, self.runs)


def of_function(study: StudyRecord) -> bool:
    """Whether a study trains a user's own function."""
    task = study.identity.get("task")
    return isinstance(task, Mapping) and task.get("task") == "function"


def select(results: StudyResults, *, mix_code: bool = False) -> Selection:
    """Choose the runs to count: those of the code hash with the most confirm runs, or of all hashes when mixed.

    Before confirmation, and where hashes tie, the one with the most runs is kept. Search runs that came after the
    winner was chosen are never counted.
    """
    decided = decided_runs(results)
    ended = [run for run in decided if run.state in ENDED]
    confirm = Counter(code_of(run) for run in ended if run.pool == "confirm")
    every = Counter(code_of(run) for run in ended)
    hashes = sorted(every, key=lambda code: (confirm[code], every[code], code), reverse=True)
    kept = tuple(hashes) if mix_code else tuple(hashes[:1])
    runs = tuple(run for run in ended if code_of(run) in kept)
    return Selection(
        study=results.study,
        configurations=results.configurations,
        runs=runs,
        hashes=kept,
        left_out=tuple(run for run in ended if code_of(run) not in kept),
        failures=tuple(run for run in decided if run.state == "failed"),
        added=runs_added_after_choice(results),
        mixed=mix_code,
        confirming=any(run.pool == "confirm" and run.state in ("queued", "leased") for run in results.runs),
        choice=choice_of(results),
        events=results.events,
    )


def decided_runs(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return all runs but search runs that came after the winner was chosen (see ``kdsearch.ledger.records``)."""
    return runs_before_choice(results)


def code_of(run: RunRecord) -> str:
    """Return the code hash of a run."""
    return run.code_hash or UNKNOWN


def present(values: Sequence[float | None]) -> list[float]:
    """Return the values that are there."""
    return [value for value in values if value is not None]
