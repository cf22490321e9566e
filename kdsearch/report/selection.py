"""The runs that a report may count: ended, of one code hash, with diverged runs at chance level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kdsearch.errors import StudyDeleted
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
from kdsearch.report.wording import decimals
from kdsearch.search.ranking import Standing, standings
from kdsearch.search.searches import SearchKind
from kdsearch.statistics.summaries import spreads

UNKNOWN = "unknown"

OWN = {"function": "FunctionTask(function", "command": "Command(command"}
"""Tasks of a user's own trainer, each with how its declaration begins."""

SHARES = ("map", "accuracy", "average precision")
"""Words of the names of metrics that lie between 0 and 1."""


@dataclass(frozen=True)
class Selection:
    """What the tables are made from. ``runs`` have ended, and search runs among them before the winner was chosen.

    ``left_out``: ended runs of other code hashes; ``failures``: failed runs; ``post_hoc``: runs on search seeds that
    came after the choice, ended or not, of any code; ``mixed``: whether runs of all code hashes count; ``confirming``:
    whether confirm runs are queued or train; ``choice``: the event that chose the winner, with what it rested on;
    ``stopped``: search runs that their curves have stopped.
    """

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[RunRecord, ...]
    hashes: tuple[str, ...]
    left_out: tuple[RunRecord, ...] = ()
    failures: tuple[RunRecord, ...] = ()
    post_hoc: tuple[RunRecord, ...] = ()
    mixed: bool = False
    confirming: bool = False
    choice: EventRecord | None = None
    events: tuple[EventRecord, ...] = ()
    stopped: tuple[RunRecord, ...] = ()

    @property
    def winner(self) -> ConfigurationRecord | None:
        """The chosen configuration, ``None`` before the choice."""
        return self.configurations.get(self.study.winner_id or -1)

    @property
    def minimizes(self) -> bool:
        """Whether lower values of the metric are better."""
        return self.study.minimizes

    def best(self, values: Iterable[float]) -> float:
        """Return the highest value, or the lowest where lower is better."""
        return min(values) if self.minimizes else max(values)

    @property
    def is_function(self) -> bool:
        """Whether the study trains a user's own function or program: only what it says of itself is known of it."""
        return task_of(self.study).get("task") in OWN

    @property
    def own_word(self) -> str:
        """What a user's own trainer is: ``function`` or ``command``."""
        return str(task_of(self.study).get("task"))

    @property
    def min_effect(self) -> float:
        """The smallest difference worth acting upon, as it was when the winner was chosen.

        A margin that is set after the fresh seeds were seen would make any verdict.
        """
        now = self.study.settings.min_effect
        return now if self.choice is None else float(self.choice.data.get("min_effect", now))

    @cached_property
    def digits(self) -> int:
        """Decimals of the metric in sentences, by the spread of results on fresh seeds, before there are any of search.

        Tables have their own, by what stands in them.
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
                return decimals(spreads(list(groups.values())).tolist(), every)
        return decimals([], [])

    @cached_property
    def metric_range(self) -> tuple[float, float] | None:
        """The least and the largest value that the metric can have; ``None`` where it is not known.

        A user's function may call anything by any name. A value outside of the range says that it is another one.
        """
        if self.is_function or not any(word in self.study.metric.lower() for word in SHARES):
            return None
        values = present([value for run in self.runs for value in (self.objective(run), self.result(run))])
        return (0.0, 1.0) if all(0 <= value <= 1 for value in values) else None

    @property
    def searching(self) -> bool:
        """Whether the winner is still to be chosen: no test score may be shown."""
        return self.study.phase in ("teacher", "search") or self.study.winner_id is None

    def post_hoc_searched(self, *, ended: bool) -> int:
        """Count the post hoc runs of either search that have ended, or those that have not."""
        late = [run for run in self.post_hoc if ended != (run.state in ("queued", "leased"))]
        rows = self.configurations
        return sum(searched(rows, run) or searched(rows, run, "without") for run in late)

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

    def name(self, configuration_id: int) -> str:
        """Return a configuration's name, or its number where it has none."""
        record = self.configurations.get(configuration_id)
        return record.name if record is not None and record.name else f"#{configuration_id}"

    def of(self, configuration_id: int, pool: Pool) -> list[RunRecord]:
        """Return the runs of a configuration in a pool, by seed."""
        return list(self._by_seed.get((configuration_id, pool), ()))

    @cached_property
    def _by_seed(self) -> dict[tuple[int, str], list[RunRecord]]:
        found: dict[tuple[int, str], list[RunRecord]] = {}
        for run in sorted(self.runs, key=lambda run: run.seed):
            found.setdefault((run.configuration_id, run.pool), []).append(run)
        return found

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

    def diverged(self, configuration_id: int, pool: Pool = "confirm") -> int:
        """Return how many runs of a configuration in a pool diverged."""
        return sum(run.state == "diverged" for run in self.of(configuration_id, pool))

    def diverged_note(self, configuration_id: int, pool: Pool = "confirm") -> str:
        """Return ``2/8 diverged``, or nothing when none has."""
        count = self.diverged(configuration_id, pool)
        return f"{count}/{len(self.of(configuration_id, pool))} diverged" if count else ""

    @property
    def chance_note(self) -> str:
        """Say how diverged runs are counted."""
        return f"Diverged runs count at chance level ({self.study.chance:.4g})."

    def of_search(self) -> list[RunRecord]:
        """Return the search runs of the configurations that the search proposed, and of the winner, by seed."""
        rows, winner = self.configurations, self.study.winner_id
        own = {id_ for id_, record in rows.items() if record.kind == "searched" or id_ == winner}
        return sorted(
            (run for run in self.runs if run.pool == "search" and run.configuration_id in own), key=lambda run: run.seed
        )

    def searched(self) -> dict[int, list[float]]:
        """Return the objectives on search seeds of each configuration proposed by the search, by configuration."""
        found: dict[int, list[float]] = {}
        for run in self.of_search():
            if (value := self.objective(run)) is not None:
                found.setdefault(run.configuration_id, []).append(value)
        return found

    def standings(self) -> list[Standing]:
        """Return what the search estimates of each searched configuration, from the runs counted here; best first."""
        return standings(self.study, self.configurations, self.runs)


def select(results: StudyResults, *, mix_code: bool = False) -> Selection:
    """Choose the runs to count: those of the code hash with the most confirm runs, or of all hashes when mixed.

    Before confirmation, and where hashes tie, the one with the most runs is kept. Search runs that came after the
    winner was chosen are never counted. Raises ``StudyDeleted`` where the winner was deleted.
    """
    winner = results.study.winner_id
    if winner is not None and winner not in results.configurations:
        raise StudyDeleted(
            f"the winner of {results.study.name} is no longer in the ledger: somebody deleted its configuration "
            f"{winner} with its runs. There is no report without it: take the database back from a copy, or launch "
            "the study under another name"
        )
    decided = runs_before_choice(results)
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
        post_hoc=runs_added_after_choice(results),
        mixed=mix_code,
        confirming=any(run.pool == "confirm" and run.state in ("queued", "leased") for run in results.runs),
        choice=choice_of(results),
        events=results.events,
        stopped=tuple(run for run in decided if run.state == "stopped"),
    )


def sample_sizes(selection: Selection) -> list[int]:
    """Return how many runs count of each configuration that the search proposed and that has any."""
    rows = selection.configurations
    return [len(values) for id_, values in selection.searched().items() if rows[id_].kind == "searched"]


def search_runs(
    configurations: Mapping[int, ConfigurationRecord], runs: Iterable[RunRecord], kind: SearchKind
) -> list[RunRecord]:
    """Return the runs of one search among ``runs``: of that for the winner, or of that ``without`` distillation."""
    return [run for run in runs if run.pool == "search" and searched(configurations, run, kind)]


def task_of(study: StudyRecord) -> Mapping[str, Any]:
    """Return what a study's identity says of its task; empty where it says nothing."""
    task = study.identity.get("task")
    return task if isinstance(task, Mapping) else {}


def code_of(run: RunRecord) -> str:
    """Return the code hash of a run."""
    return run.code_hash or UNKNOWN


def present(values: Sequence[float | None]) -> list[float]:
    """Return the values that are there."""
    return [value for value in values if value is not None]
