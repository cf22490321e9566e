"""What a seed does to all configurations alike, and whether some spread more over seeds than others: in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.report.captions import plural
from kdsearch.report.compared import Compared
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.formats.numbers import p_value
from kdsearch.report.selection import Selection
from kdsearch.statistics import seed_effect
from kdsearch.statistics import seed_table
from kdsearch.statistics import spread

FEW = 10
"""Below so many runs each the test of equal spreads finds little (``kdsearch.statistics.spreads``)."""


def seed_sentences(selection: Selection, rows: Sequence[Compared]) -> list[str]:
    """Return what the confirm seeds of the compared configurations have in common, and how their spreads differ."""
    return [*_in_common(selection, rows), *_spreads(selection, rows)]


def _in_common(selection: Selection, rows: Sequence[Compared]) -> list[str]:
    effect = seed_effect(seed_table([selection.results(row.id) for row in rows]))
    if math.isnan(effect.rho):
        return []
    interval = "" if math.isnan(effect.low) else f" (95 % interval [{fixed(effect.low, 2)}, {fixed(effect.high, 2)}])"
    saved = "pairing saves no run here"
    if effect.rho > 0:
        saved = f"pairing saves about {100 * effect.rho:.0f} % of the runs"
        saved += ", and perhaps none" if effect.low <= 0 else ""
    diverged = any(selection.diverged(row.id, "confirm") for row in rows)
    chance = ", diverged ones at chance level" if diverged else ""
    return [
        f"Common seeds: what a seed does to all configurations alike has sd {fixed(effect.seed_sd, 4)}, what is left "
        f"has sd {fixed(effect.residual_sd, 4)} ({plural(effect.configurations, 'configuration')}, "
        f"{plural(effect.seeds, 'seed')}, {plural(effect.runs, 'run')}{chance}). Two configurations on one seed "
        f"correlate by {fixed(effect.rho, 2)}{interval}: {saved}."
    ]


def _spreads(selection: Selection, rows: Sequence[Compared]) -> list[str]:
    several = [row for row in rows if len(selection.results(row.id)) > 1]
    found = spread([list(selection.results(row.id).values()) for row in several])
    if math.isnan(found.p):
        return []
    order = sorted(range(len(several)), key=lambda index: float(found.sd[index]))
    least, most = (
        f"{fixed(float(found.sd[index]), 4)} ({several[index].label}, n = {found.n[index]})"
        for index in (order[0], order[-1])
    )
    verdict = "some spread more than others" if found.p < 0.05 else "no difference of spreads is shown"
    fewest = int(found.n.min())
    few = f"; with n = {fewest} it finds little" if fewest < FEW else ""
    p = p_value(found.p)
    return [
        f"Spread by configuration: sd from {least} to {most}: {verdict} (Brown-Forsythe F({found.df[0]}, "
        f"{found.df[1]}) = {found.statistic:.2f}, p {p if p.startswith('<') else f'= {p}'}{few})."
    ]
