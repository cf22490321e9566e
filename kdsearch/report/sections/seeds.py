"""What a seed does to all configurations alike, and whether some spread more over seeds than others: in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.report.captions import listed
from kdsearch.report.captions import plural
from kdsearch.report.compared import Compared
from kdsearch.report.drawn import drawn
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.formats.numbers import p_value
from kdsearch.report.selection import Selection
from kdsearch.report.units import Units
from kdsearch.statistics import seed_effect
from kdsearch.statistics import seed_table
from kdsearch.statistics import spread
from kdsearch.statistics.summaries import Floats

FEW = 10
"""Below so many runs each the test of equal spreads finds little (``kdsearch.statistics.spreads``)."""


def seed_sentences(selection: Selection, units: Units, rows: Sequence[Compared]) -> list[str]:
    """Return what the confirm seeds of the compared configurations have in common, and how their spreads differ.

    Where seeds share teachers, the same of the means over each teacher's seeds.
    """
    return [*_in_common(selection, units, rows), *_spreads(selection, units, rows)]


def _in_common(selection: Selection, units: Units, rows: Sequence[Compared]) -> list[str]:
    effect = seed_effect(_table(selection, units, rows))
    if math.isnan(effect.rho):
        return []
    interval = "" if math.isnan(effect.low) else f" (95 % interval [{fixed(effect.low, 2)}, {fixed(effect.high, 2)}])"
    word, count, spared = ("teacher", "mean", "teacher") if units.shared else ("seed", "run", "run")
    saved = f"pairing saves no {spared} here"
    if effect.rho > 0:
        saved = f"pairing saves about {100 * effect.rho:.0f} % of the {spared}s"
        saved += ", and perhaps none" if effect.low <= 0 else ""
    diverged = any(selection.diverged(row.id, "confirm") for row in rows)
    chance = ", diverged ones at chance level" if diverged else ""
    return [
        f"Common {word}s: what a {word}{_with(selection)} does to all configurations alike has sd "
        f"{fixed(effect.seed_sd, selection.digits)}, what is left has sd {fixed(effect.residual_sd, selection.digits)} "
        f"({plural(effect.configurations, 'configuration')}, {plural(effect.seeds, word)}, "
        f"{plural(effect.runs, count)}{chance}). Two configurations on one {word} correlate by {fixed(effect.rho, 2)}"
        f"{interval}: {saved}."
    ]


def _table(selection: Selection, units: Units, rows: Sequence[Compared]) -> Floats:
    """Values ``[rows, units]``, nan where one was not run; a unit is numbered by the order of its first seed."""
    results = [selection.results(row.id) for row in rows]
    keys = dict.fromkeys(units.key(seed) for seed in sorted({seed for result in results for seed in result}))
    numbers = {key: number for number, key in enumerate(keys)}
    return seed_table([{numbers[key]: mean for key, mean in units.means(result).items()} for result in results])


def _with(selection: Selection) -> str:
    """What is drawn with a seed, and part of its effect."""
    found = drawn(selection)
    own = ["partition"] if found.split else []
    own += ["teacher"] if found.teacher and not found.shared else []
    return f" with its {listed(own)}" if own else ""


def _spreads(selection: Selection, units: Units, rows: Sequence[Compared]) -> list[str]:
    several = [row for row in rows if len(units.sample(selection.results(row.id))) > 1]
    found = spread([units.sample(selection.results(row.id)) for row in several])
    if math.isnan(found.p):
        return []
    order = sorted(range(len(several)), key=lambda index: float(found.sd[index]))
    least, most = (
        f"{fixed(float(found.sd[index]), selection.digits)} ({several[index].label}, n = {found.n[index]})"
        for index in (order[0], order[-1])
    )
    verdict = "some spread more than others" if found.p < 0.05 else "no difference of spreads is shown"
    fewest = int(found.n.min())
    few = f"; with n = {fewest} it finds little" if fewest < FEW else ""
    p = p_value(found.p)
    over = " over teachers" if units.shared else ""
    return [
        f"Spread by configuration{over}: sd from {least} to {most}: {verdict} (Brown-Forsythe F({found.df[0]}, "
        f"{found.df[1]}) = {found.statistic:.2f}, p {p if p.startswith('<') else f'= {p}'}{few})."
    ]
