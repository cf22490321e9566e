"""The ledger's runs, gathered by configuration: what every rule of the planner reads."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field

from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.views import SearchState
from kdsearch.statistics.shrinkage import shrink


@dataclass
class Candidate:
    """A searched configuration with its search runs. ``mean`` is shrunken towards all candidates' mean."""

    configuration: ConfigurationRecord
    objectives: list[float] = field(default_factory=list)
    ordered: int = 0
    settled: int = 0
    mean: float | None = None

    @property
    def id(self) -> int:
        """Id of the configuration."""
        return self.configuration.id


def candidates(state: SearchState) -> list[Candidate]:
    """All searched configurations, in the order in which they were proposed.

    ``ordered`` counts seeds asked for, ``settled`` those that came to an end, with or without a value.
    """
    rows = {row.id: Candidate(row) for row in state.configurations.values() if row.kind == "searched"}
    for run in state.runs:
        if run.pool != "search" or run.configuration_id not in rows or run.state == "cancelled":
            continue
        candidate = rows[run.configuration_id]
        candidate.ordered += 1
        if run.state in ENDED:
            assert run.objective is not None
            candidate.objectives.append(run.objective)
        candidate.settled += run.state in ENDED or run.state == "failed"
    measured = [candidate for candidate in rows.values() if candidate.objectives]
    shrunken = shrink([candidate.objectives for candidate in measured])
    for candidate, mean in zip(measured, shrunken.means, strict=True):
        candidate.mean = float(mean)
    return list(rows.values())


def by_pool(state: SearchState) -> dict[str, list[SearchRun]]:
    """Runs of each pool."""
    pools: dict[str, list[SearchRun]] = defaultdict(list)
    for run in state.runs:
        pools[run.pool].append(run)
    return pools


def pending(runs: list[SearchRun]) -> int:
    """How many runs are queued or leased."""
    return sum(run.state in ("queued", "leased") for run in runs)
