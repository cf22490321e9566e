"""Why the search ended, and after how many runs, as the planner's events hold it."""

from __future__ import annotations

from kdsearch.ledger.choice import searched
from kdsearch.ledger.records import StudyResults
from kdsearch.report.captions import plural
from kdsearch.report.selection import decided_runs
from kdsearch.search.searches import SearchKind
from kdsearch.search.searches import shares_of

EVENTS: dict[SearchKind, str] = {"searched": "search ended", "without": "search without teacher ended"}
TITLES: dict[SearchKind, str] = {"searched": "Search", "without": "Search without distillation"}


def search_runs(results: StudyResults) -> int:
    """Return how many runs the search made before the winner was chosen, those without distillation among them."""
    return _runs(results, "searched") + _runs(results, "without")


def _runs(results: StudyResults, kind: SearchKind) -> int:
    return sum(
        run.pool == "search" and run.state != "cancelled" and searched(results.configurations, run, kind)
        for run in decided_runs(results)
    )


def ended_sentences(results: StudyResults) -> list[str]:
    """Say ``Search: 15 of 300 runs; stopped early, ...`` of each search that has ended and whose event tells why."""
    said = []
    for kind, budget in shares_of(results.study.settings).items():
        told = [event.message for event in results.events if event.kind == EVENTS[kind]]
        if told:
            spent, runs = _runs(results, kind), budget.get("runs")
            count = plural(spent, "run") if runs is None else f"{spent:,} of {plural(int(runs), 'run')}"
            why = told[-1].removeprefix(f"{EVENTS[kind]}: ").replace("without teacher", "without distillation")
            said.append(f"{TITLES[kind]}: {count}; {why}.")
    return said
