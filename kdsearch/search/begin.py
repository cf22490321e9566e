"""The best configurations of another study, for one that begins with them: new seeds, none of its runs counted."""

from __future__ import annotations

from collections.abc import Mapping

from kdsearch.ledger.records import StudyResults, runs_before_choice
from kdsearch.search.ranking import standings
from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

MOST = 5
"""So many are tried again: the first few of a ranking differ by less than their noise."""


def best_of(results: StudyResults, space: Mapping[str, Dimension], most: int = MOST) -> list[dict[str, Scalar]]:
    """The numbers of the best configurations, as far as ``space`` has them and holds their values, best first.

    The winner comes first where there is one; one run is no result, so that the others have two or more. Where no run
    ended with a finite value, nothing was good.
    """
    study, rows = results.study, results.configurations
    before = runs_before_choice(results)
    good = {run.configuration_id for run in before if run.state == "done"}
    ranked = [row.id for row in standings(study, rows, before) if row.n > 1]
    first = [study.winner_id] if study.winner_id in rows else []
    found: list[dict[str, Scalar]] = []
    for id_ in dict.fromkeys([*first, *ranked]):
        values = rows[id_].params if id_ in good else {}
        fitting = {name: values[name] for name in space if name in values and space[name].contains(values[name])}
        if fitting and fitting not in found and len(found) < most:
            found.append(fitting)
    return found
