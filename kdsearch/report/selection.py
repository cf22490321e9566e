"""The runs that a report may count: ended, of one code hash, with diverged runs at chance level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import Pool
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.records import StudyResults

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Selection:
    """What the tables are made from. ``runs`` have ended; ``left_out`` counts ended runs of other code hashes."""

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[RunRecord, ...]
    hashes: tuple[str, ...]
    left_out: int
    failed: int

    @property
    def searching(self) -> bool:
        """Whether the winner is still to be chosen: no test score may be shown."""
        return self.study.phase in ("teacher", "search") or self.study.winner_id is None

    @property
    def finished(self) -> bool:
        """Whether all confirm runs have ended."""
        return self.study.phase == "finished"

    @property
    def has_scores(self) -> bool:
        """Whether confirm runs have test scores; a task without a test part has none, then the objective stands in."""
        return any(run.score is not None for run in self.runs if run.pool == "confirm" and run.state == "done")

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


def select(results: StudyResults, *, mix_code: bool = False) -> Selection:
    """Choose the runs to count: those of the code hash with the most confirm runs, or of all hashes when mixed.

    Before confirmation, and where hashes tie, the one with the most runs is kept.
    """
    ended = [run for run in results.runs if run.state in ENDED]
    confirm = Counter(code_of(run) for run in ended if run.pool == "confirm")
    every = Counter(code_of(run) for run in ended)
    hashes = sorted(every, key=lambda code: (confirm[code], every[code], code), reverse=True)
    kept = tuple(hashes) if mix_code else tuple(hashes[:1])
    runs = tuple(run for run in ended if code_of(run) in kept)
    failed = sum(run.state == "failed" for run in results.runs)
    return Selection(results.study, results.configurations, runs, kept, len(ended) - len(runs), failed)


def code_of(run: RunRecord) -> str:
    """Return the code hash of a run."""
    return run.code_hash or UNKNOWN


def present(values: Sequence[float | None]) -> list[float]:
    """Return the values that are there."""
    return [value for value in values if value is not None]
