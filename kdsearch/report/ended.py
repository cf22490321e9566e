"""Why the search ended, and after how many runs, as the planner's event holds it."""

from __future__ import annotations

from kdsearch.ledger.choice import searched
from kdsearch.ledger.records import StudyResults
from kdsearch.report.captions import plural
from kdsearch.report.selection import decided_runs

EVENT = "search ended"


def search_runs(results: StudyResults) -> int:
    """Return how many runs the search made before the winner was chosen."""
    return sum(
        run.pool == "search" and run.state != "cancelled" and searched(results.configurations, run)
        for run in decided_runs(results)
    )


def ended_sentences(results: StudyResults) -> list[str]:
    """Say ``Search: 15 of 300 runs; stopped early, ...``; nothing while it goes on, or where no event tells."""
    told = [event.message for event in results.events if event.kind == EVENT]
    if not told:
        return []
    spent = search_runs(results)
    budget = (results.study.settings.get("budget") or {}).get("runs")
    count = plural(spent, "run") if budget is None else f"{spent:,} of {plural(int(budget), 'run')}"
    return [f"Search: {count}; {told[-1].removeprefix(f'{EVENT}: ')}."]
