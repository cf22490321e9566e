"""Which configuration leads a study: what ``status`` says of it, and what a launcher keeps for that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import chain

from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import LeaderRecord, StudyRecord
from kdsearch.search.observations import observed
from kdsearch.search.ranking import Standing, policy_of, ranked
from kdsearch.statistics.rounding import decimals
from kdsearch.statistics.summaries import spreads, summarize


def leader_of(
    study: StudyRecord, standings: Sequence[Standing], sizes: Collection[int], digits: int
) -> LeaderRecord | None:
    """The winner, or before there is one the best configuration with two runs or more; ``None`` where there is none.

    ``sizes``: how many runs with a value each configuration with results has; ``digits``: decimals of the metric.
    """
    rows = [row for row in standings if row.n > 1]
    winner_id = study.winner_id
    # A winner that was chosen on one seed, where none had two, is the winner all the same.
    shown = rows if winner_id is None else [row for row in standings if row.id == winner_id]
    if not shown:
        return None
    best = shown[0]
    summary = summarize(best.objectives)
    return LeaderRecord(
        ended=sum(sizes),
        id=best.id,
        name=best.configuration.name,
        n=best.n,
        mean=summary.mean,
        raw_sd=summary.sd,
        estimate=best.estimate,
        sd=best.sd,
        ranked=len(rows),
        out=sum(row.out for row in rows),
        modelled=len(standings),
        known=len(sizes),
        digits=digits,
    )


def leader_now(state: SearchState) -> LeaderRecord | None:
    """What leads by the objectives that a planner sees."""
    records, tried = observed(state.configurations, state.runs, sign=state.study.sign)
    done: dict[int, list[float]] = defaultdict(list)  # of both searches, as a report takes its decimals
    for run in state.runs:
        if run.pool == "search" and run.state == "done" and run.objective is not None:
            done[run.configuration_id].append(run.objective)
    groups = list(done.values())
    digits = decimals(spreads(groups).tolist() if groups else [], list(chain.from_iterable(groups)))
    sizes = [len(row.objectives) for row in tried if row.objectives]
    return leader_of(state.study, ranked(state.study, records, tried, policy_of(state.study)), sizes, digits)
