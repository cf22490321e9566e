"""Searched numbers that stand at an end of their range: a better setting may lie beyond."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping

from kdsearch.report.answered import Edge
from kdsearch.report.compared import best_without_id, label_of, name_of, taken_away
from kdsearch.report.selection import Selection
from kdsearch.search.searches import without_space
from kdsearch.space import Categorical, Dimension, Integer, active, unconditional
from kdsearch.tasks.base import Scalar

NEAR = 0.02
"""Share of a range, on the scale that is searched, within which a number stands at its edge."""


def edges(selection: Selection) -> tuple[Edge, ...]:
    """Return the numbers at an edge, of the winner and of the best without distillation where it is another."""
    settings, found = selection.study.settings, list[Edge]()
    space = settings.space
    winner, best = selection.study.winner_id, best_without_id(selection)
    if winner is not None and winner in selection.configurations:
        params = selection.configurations[winner].params
        # Distillation that is off cannot be less.
        off = {name for name, value in taken_away(selection).items() if params.get(name) == value}
        found += edges_of(space, params, f"winner {name_of(selection, winner)}", set(space) - off)
    if best is not None and best != winner:
        params = selection.configurations[best].params
        found += edges_of(space, params, label_of(selection, best), without_space(settings))
    return tuple(found)


def edges_of(
    space: Mapping[str, Dimension], params: Mapping[str, Scalar], whose: str, names: Container[str]
) -> list[Edge]:
    """Return those of ``names`` at an edge in a configuration; none that nothing reads, none outside of its range.

    Named values have no order, and so no edge.
    """
    found = []
    for name in active(space, params):
        value, inner = params.get(name), unconditional(space[name])
        if name not in names or value is None or isinstance(inner, Categorical):
            continue
        if (side := edge_side(inner, value)) is not None:
            found.append(Edge(whose, name, value, side, inner.low if side == "lower" else inner.high))
    return found


def edge_side(dimension: Dimension, value: Scalar) -> str | None:
    """Return ``lower`` or ``upper`` where a value lies within 2 % of that end, on a logarithm's scale where it is one.

    A choice between two whole numbers has nothing but ends, and so none to speak of.
    """
    inner = unconditional(dimension)
    if isinstance(inner, Categorical) or not inner.contains(value):
        return None
    if isinstance(inner, Integer) and inner.high == inner.low + 1:
        return None
    low, high, at = (float(number) for number in (inner.low, inner.high, value))
    if inner.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    share = (at - low) / (high - low)
    if share <= NEAR:
        return "lower"
    return "upper" if share >= 1 - NEAR else None
