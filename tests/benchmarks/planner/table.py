"""The one table that the benchmark prints, and under it what became of the goals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from .summary import Curves, Estimate, Floats, mean, paired, runs_needed

Found = Mapping[tuple[str, str], Curves]
Group = Mapping[str, Curves]
CHECKPOINTS = (66, 200, 600)
GOALS = ((200, 66), (600, 200))
COMPARED = 200
WIDEST = 0.05
BEHIND = 0.1
"""In tau: an interval that reaches further above 0 does not show that ours is not behind."""


def lines(found: Found, ours: str, reference: str) -> Iterator[str]:
    """The table, world by world, best regret first."""
    shown = [runs for runs in CHECKPOINTS if any(runs in curves.runs for curves in found.values())]
    shown = shown or sorted({curves.runs[-1] for curves in found.values()})
    yield (
        f"regret in tau; inflation in sigma; [95 % bootstrap over worlds]; reached: runs to come down to {reference} "
        f"at 200 and at 600; ours - it: paired regret, below 0 is better; both at {COMPARED} runs or the last common "
        "checkpoint before; s: seconds a search"
    )
    titles = [*(f"regret at {runs}" for runs in shown), "inflation", *(f"reached {at}" for at, _ in GOALS), "ours - it"]
    yield f"{'world':<22} {'policy':<16} {'n':>4} " + " ".join(f"{title:>20}" for title in titles) + f" {'s':>7}"
    for world, group in _by_world(found):
        for policy in sorted(group, key=lambda name: float(_late(group[name], group[name].regret).mean())):
            cells = _cells(policy, group, shown, ours, reference)
            curves = group[policy]
            row = " ".join(f"{cell:>20}" for cell in cells)
            yield f"{world:<22} {policy:<16} {len(curves.index):>4} {row} {curves.wall:>7.2f}"
        yield ""


def goals(found: Found, ours: str, reference: str) -> Iterator[str]:
    """One line a goal and world: met, missed or open, with the figures it rests on.

    A third of the reference's runs is asked for only where seeds spread as far as configurations do; not to be behind
    any peer, everywhere: where there is little noise that is one-seed search.
    """
    for world, group in _by_world(found):
        if ours not in group:
            continue
        if not _quiet(world):
            yield from _reached(world, group, ours, reference)
        yield from _no_worse(world, group, ours, [name for name in group if name != ours])
        yield from _honest(world, group[ours])


def behind(found: Found, ours: str, budgets: Sequence[int]) -> Iterator[str]:
    """At each budget: how many peers are ahead of us by their whole paired interval, over all families, and which.

    A budget that a pair has no checkpoint at is compared at the largest one below it.
    """
    for budget in budgets:
        ahead, compared = [], 0
        for world, group in _by_world(found):
            for name in group:
                shared = set(group[ours].runs) & set(group[name].runs) if ours in group else set()
                runs = max((at for at in shared if at <= budget), default=None)
                if name == ours or runs is None or not _worlds(group[ours], group[name]):
                    continue
                compared += 1
                difference = paired(group[ours], group[name], runs)
                if difference.low > 0:
                    ahead.append((difference.value, f"  {world} {name} at {runs}: ours - it {difference}"))
        yield f"{budget} runs: {len(ahead)} of {compared} peers by family are ahead"
        yield from (line for _, line in sorted(ahead, reverse=True))


def _cells(policy: str, group: Group, shown: Sequence[int], ours: str, reference: str) -> list[str]:
    curves = group[policy]
    cells = [str(mean(curves.at(curves.regret, runs))) if runs in curves.runs else "-" for runs in shown]
    cells.append(str(mean(_late(curves, curves.inflation))))
    for at, _ in GOALS:
        known = reference in group and at in group[reference].runs and _worlds(curves, group[reference])
        cells.append(_whole(runs_needed(curves, group[reference], at)) if known else "-")
    runs = _common(group[ours], curves) if ours in group and policy != ours else None
    cells.append("-" if runs is None else str(paired(group[ours], curves, runs)))
    return cells


def _by_world(found: Found) -> Iterator[tuple[str, Group]]:
    for world in dict.fromkeys(world for world, _ in found):
        yield world, {policy: curves for (name, policy), curves in found.items() if name == world}


def _quiet(world: str) -> bool:
    """Whether seeds spread much less than configurations, so that one seed a configuration is a good rule."""
    return "-s0.5-" in world or world in ("enduro", "pong")


def _reached(world: str, group: Group, ours: str, reference: str) -> Iterator[str]:
    for at, most in GOALS:
        if reference in group and at in group[reference].runs:
            needed = runs_needed(group[ours], group[reference], at)
            state = "met" if needed.high <= most else "missed" if needed.low > most else "open"
            yield f"{state:<7} {world}: {reference} at {at} reached with at most {most}: needs {_whole(needed)}"


def _no_worse(world: str, group: Group, ours: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        runs = _common(group[ours], group[name])
        if runs is not None:
            difference = paired(group[ours], group[name], runs)
            state = "missed" if difference.low > 0 else "open" if difference.high > BEHIND else "met"
            yield f"{state:<7} {world}: not behind {name} at {runs} by more than the interval: {difference}"


def _honest(world: str, curves: Curves) -> Iterator[str]:
    inflation = mean(_late(curves, curves.inflation))
    wide = (inflation.high - inflation.low) / 2 > WIDEST
    state = "missed" if not inflation.low <= 0 <= inflation.high else "open" if wide else "met"
    yield f"{state:<7} {world}: inflation's interval contains 0 and is at most +-{WIDEST} sigma: {inflation}"


def _late(curves: Curves, values: Floats) -> Floats:
    return curves.at(values, max((runs for runs in curves.runs if runs <= COMPARED), default=curves.runs[0]))


def _common(first: Curves, second: Curves) -> int | None:
    """The checkpoint at which two policies are compared."""
    shared = set(first.runs) & set(second.runs)
    return max((runs for runs in shared if runs <= COMPARED), default=None) if _worlds(first, second) else None


def _worlds(first: Curves, second: Curves) -> set[int]:
    return set(first.index) & set(second.index)


def _whole(needed: Estimate) -> str:
    values = ["never" if math.isinf(value) else f"{value:.0f}" for value in (needed.value, needed.low, needed.high)]
    return f"{values[0]} [{values[1]}, {values[2]}]"
