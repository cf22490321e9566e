"""The ledger's runs as a policy sees them: the objectives of each searched configuration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ENDED, ConfigurationRecord, SearchRun
from kdsearch.search.policies.base import Configuration


def observed(
    configurations: Mapping[int, ConfigurationRecord],
    runs: Iterable[SearchRun],
    kind: Literal["searched", "without"] = "searched",
    *,
    sign: float,
) -> tuple[list[ConfigurationRecord], list[Configuration]]:
    """Configurations of one search, of ``kind``, in the order in which they were proposed, each with its search runs.

    A diverged run counts with its objective, the chance level; one that failed, or was stopped by its curve, has spent
    its seed. One that was taken back is no evidence of anything, and its seed is free. ``sign``: the study's, for
    policies maximize.
    """
    searched = [row for row in configurations.values() if row.kind == kind]
    objectives: dict[int, dict[int, float]] = {row.id: {} for row in searched}
    # Of ten thousand configurations few have such runs: most share one empty set.
    pending: dict[int, set[int]] = defaultdict(set)
    failed: dict[int, set[int]] = defaultdict(set)
    for run in runs:
        id_ = run.configuration_id
        if run.pool != "search" or id_ not in objectives:
            continue
        if run.state in ENDED and run.objective is not None:
            objectives[id_][run.seed] = sign * run.objective
        elif run.state in ("queued", "leased"):
            pending[id_].add(run.seed)
        elif run.state in ("failed", "stopped"):
            failed[id_].add(run.seed)
    tried = [
        Configuration(
            row.params,
            objectives[row.id],
            frozenset(pending.get(row.id, ())),
            frozenset(failed.get(row.id, ())),
            row.proposal,
        )
        for row in searched
    ]
    return searched, tried


def by_pool(state: SearchState) -> dict[str, list[SearchRun]]:
    """Runs of each pool."""
    pools: dict[str, list[SearchRun]] = defaultdict(list)
    for run in state.runs:
        pools[run.pool].append(run)
    return pools


def pending(runs: Sequence[SearchRun]) -> int:
    """How many runs are queued or leased."""
    return sum(run.state in ("queued", "leased") for run in runs)
