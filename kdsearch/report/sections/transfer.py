"""Whether the winner's gain on validation is there on test: new seeds on the same train list, then new data."""

from __future__ import annotations

from kdsearch.report.captions import caption, items, spread_words
from kdsearch.report.compared import label_of, primary_id, second_id
from kdsearch.report.comparisons import judge
from kdsearch.report.digits import places
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.report.transfer import Transfer, transfer


def gain_transfer(selection: Selection) -> Table | None:
    """Return the winner's gain over itself without distillation, and over the best without, on validation and on test.

    ``None`` where there is no test part, nothing without distillation, or no common fresh seed.
    """
    outcome = judge(selection)
    ids = [id_ for id_ in (primary_id(selection), second_id(selection)) if id_ is not None]
    found = {id_: gain for id_ in ids if (gain := transfer(selection, outcome, id_)) is not None}
    if not found:
        return None
    rows = ("on validation: new seeds, same train list", "on test: new seeds, new data", "validation minus test")
    return Table(
        key="transfer",
        title="Transfer of the gain",
        caption=caption(
            selection,
            f"gain: {selection.study.metric} of the winner minus that of the configuration named, on validation and on "
            "test of the same runs, fresh confirm seeds",
            spread=spread_words(selection).replace("sd over", "intervals over", 1),
            counts=f"n = {'teachers' if outcome.units.shared else 'seeds'} in common",
        ),
        columns=tuple(
            Column(f"gain_{id_}", f"over {label_of(selection, id_)}", "difference", confidence=gain.confidence)
            for id_, gain in found.items()
        ),
        rows=tuple(
            Row(name, tuple(Estimate.between(gain.parts[place]) for gain in found.values()), context=place == 2)
            for place, name in enumerate(rows)
        ),
        notes=(_counts(found), *_meaning(selection, found)),
        stub="gain",
        digits=_digits(selection, found),
    )


def _digits(selection: Selection, found: dict[int, Transfer]) -> int:
    """Decimals by the spread of the differences and the size of the metric, as where the metric itself is shown."""
    spreads = [part.sd for gain in found.values() for part in gain.parts]
    return places(spreads, list(selection.results(selection.study.winner_id or -1).values()))


def _counts(found: dict[int, Transfer]) -> str:
    counts = list(dict.fromkeys(str(gain.test.n) for gain in found.values()))
    return f"n = {', '.join(counts)}. Differences are paired, intervals are t and those of the comparison's own look."


def _meaning(selection: Selection, found: dict[int, Transfer]) -> list[str]:
    shown = any(gain.differs for gain in found.values())
    words = (
        "Validation minus test: above 0, validation promises more of the winner than test holds, as where a choice "
        f"fits the {items(selection.study)} that validate."
    )
    return [words if shown else f"{words} Here no such difference is shown."]
