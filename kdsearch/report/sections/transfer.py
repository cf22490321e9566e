"""Whether the winner's gain on validation is there on test: new seeds on the same train list, then new data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import caption, describe_spread, items
from kdsearch.report.comparisons import Comparisons, at_look, compare
from kdsearch.report.configurations import label_of, primary_id, second_id
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Estimate, Row, Table, cut_difference
from kdsearch.report.units import Units
from kdsearch.report.wording import decimals, fixed, signed, two_digits
from kdsearch.statistics import Difference, paired_difference

ORDER, WHEN = 40, "result"


@dataclass(frozen=True)
class Transfer:
    """The winner minus another configuration on the same fresh seeds: on validation, on test, and the one minus the
    other. Intervals are those of the comparison's own look, with ``confidence``."""

    validation: Difference
    test: Difference
    excess: Difference
    confidence: float = 0.95

    @property
    def parts(self) -> tuple[Difference, Difference, Difference]:
        """Validation, test, and validation minus test."""
        return self.validation, self.test, self.excess

    @property
    def differs(self) -> bool:
        """Whether validation and test are shown to give different gains."""
        return self.excess.low > 0 or self.excess.high < 0


def transfer(selection: Selection, comparisons: Comparisons, other: int) -> Transfer | None:
    """Return the gain over ``other`` on validation and on test of the fresh seeds; ``None`` without a common seed.

    Only seeds count whose runs have both values on both sides. Fewer units than allow a verdict have no interval, so
    that nothing is claimed of them. ``None`` also where the task has no test part.
    """
    winner, comparison, units = selection.study.winner_id, comparisons.rows.get(other), comparisons.units
    if winner is None or comparison is None or not selection.has_scores:
        return None
    both = [_values(selection, id_) for id_ in (winner, other)]
    seeds = sorted(both[0].keys() & both[1].keys())
    if not seeds:
        return None
    sides = [[{seed: own[seed][part] for seed in seeds} for own in both] for part in (0, 1)]
    gaps = [{seed: own[seed][0] - own[seed][1] for seed in seeds} for own in both]
    # Two gaps that are equal up to rounding lie apart by far less than their values do.
    size = max(abs(value) for own in both for seed in seeds for value in own[seed])
    validation, test, excess = (
        _stated(units, at_look(paired_difference(*units.pairs(*pair), size=size), comparison.pair.looks))
        for pair in (*sides, gaps)
    )
    return Transfer(validation, test, excess, comparison.confidence)


def _stated(units: Units, difference: Difference) -> Difference:
    return difference if units.allow_verdict(difference.n) else replace(difference, low=math.nan, high=math.nan)


def validation_minus_test(selection: Selection, runs: list[RunRecord]) -> dict[int, float]:
    """Return objective minus score of each run that has both, by seed."""
    gaps = {}
    for run in runs:
        objective, score = selection.objective(run), selection.result(run)
        if objective is not None and score is not None:
            gaps[run.seed] = objective - score
    return gaps


def _values(selection: Selection, id_: int) -> Mapping[int, tuple[float, float]]:
    """Objective and score of a configuration's fresh runs, by seed."""
    pairs = {run.seed: (selection.objective(run), selection.result(run)) for run in selection.of(id_, "confirm")}
    return {seed: (one, two) for seed, (one, two) in pairs.items() if one is not None and two is not None}


def transfer_sentence(selection: Selection, found: Transfer, other: str) -> str:
    """Say in plain words that validation and test disagree on the gain over ``other``; for the first lines."""
    digits = two_digits(found.excess.sd) if found.excess.sd > 0 else selection.digits
    sign = selection.study.sign
    ahead = [
        _place(part, words, digits, sign) for part, words in ((found.validation, "validation"), (found.test, "test"))
    ]
    less = sign * found.excess.mean < 0
    meaning = _understated(found, digits, sign) if less else _overstated(selection, found, digits)
    return (
        f"Against {other} the winner is {ahead[0]}, {ahead[1]} (validation minus test "
        f"{signed(cut_difference(selection.metric_range, found.excess), digits)}): {meaning}."
    )


def _understated(found: Transfer, digits: int, sign: float) -> str:
    """What it means that test shows more of the winner than validation."""
    validation, test = (_sign(part, digits, sign) for part in (found.validation, found.test))
    if validation >= 0:
        return "validation understates the gain"
    if test < 0:
        return "validation shows a larger loss than test"
    return f"validation shows a loss, and test {'a gain' if test else 'none'}"


def _overstated(selection: Selection, found: Transfer, digits: int) -> str:
    """What it means that validation shows more of the winner than test."""
    things = items(selection.study)
    validates = f"validation {things}" if things != "data" else "validation data"
    validation, test = (_sign(part, digits, selection.study.sign) for part in (found.validation, found.test))
    if validation > 0:
        if test < 0:
            return f"the choice fits the {validates}, not new ones"
        return f"part of the gain belongs to the {validates}, not to new ones"
    return "new data show a larger loss than validation does" if validation else "new data show a loss, validation none"


def _sign(gain: Difference, digits: int, sign: float) -> int:
    """Whether it is a gain, a loss, or level as written."""
    shown = sign * round(gain.mean, digits)
    return (shown > 0) - (shown < 0)


def _place(gain: Difference, where: str, digits: int, sign: float) -> str:
    if _sign(gain, digits, sign) == 0:
        return f"level on {where}"
    return f"{'ahead' if sign * gain.mean > 0 else 'behind'} on {where} by {fixed(abs(gain.mean), digits)}"


def section(selection: Selection) -> Table | None:
    """Return the winner's gain over itself without distillation, and over the best without, on validation and on test.

    ``None`` where there is no test part, nothing without distillation, or no common fresh seed.
    """
    comparisons = compare(selection)
    ids = [id_ for id_ in (primary_id(selection), second_id(selection)) if id_ is not None]
    found = {id_: gain for id_ in ids if (gain := transfer(selection, comparisons, id_)) is not None}
    if not found:
        return None
    # Decimals by the spread of the differences and the size of the metric, as where the metric itself is shown.
    spreads = [part.sd for gain in found.values() for part in gain.parts]
    results = list(selection.results(selection.study.winner_id or -1).values())
    n = ", ".join(dict.fromkeys(str(gain.test.n) for gain in found.values()))
    rows = ("on validation: new seeds, same train list", "on test: new seeds, new data", "validation minus test")
    return Table(
        key="transfer",
        title="Transfer of the gain",
        caption=caption(
            selection,
            f"gain: {selection.study.metric} of the winner minus that of the configuration named, on validation and on "
            "test of the same runs, fresh confirm seeds",
            spread=describe_spread(selection).replace("sd over", "intervals over", 1),
            counts=f"n = {comparisons.units.word}s in common",
        ),
        columns=tuple(
            Column(f"gain_{id_}", f"over {label_of(selection, id_)}", "difference", confidence=gain.confidence)
            for id_, gain in found.items()
        ),
        rows=tuple(
            Row(name, tuple(Estimate.between(gain.parts[index]) for gain in found.values()), context=index == 2)
            for index, name in enumerate(rows)
        ),
        notes=(
            f"n = {n}. Differences are paired, intervals are t and those of the comparison's own look.",
            _meaning(selection, found),
        ),
        row_header="gain",
        digits=decimals(spreads, results),
    )


def _meaning(selection: Selection, found: dict[int, Transfer]) -> str:
    shown, side = any(gain.differs for gain in found.values()), "below" if selection.minimizes else "above"
    words = (
        f"Validation minus test: {side} 0, validation promises more of the winner than test holds, as where a choice "
        f"fits the {items(selection.study)} that validate."
    )
    return words if shown else f"{words} Here no such difference is shown."
