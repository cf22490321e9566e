"""Further metrics of the compared configurations on fresh seeds, and which of them nothing beats in result and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.report.captions import caption
from kdsearch.report.configurations import Compared, compared
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Row, Table
from kdsearch.report.units import Units

ORDER, WHEN = 55, "result"


def section(selection: Selection) -> Table | None:
    """Return the mean of each further metric on confirm seeds; ``None`` where runs have none."""
    rows = [row for row in compared(selection) if selection.results(row.id)]
    names = list(dict.fromkeys(name for row in rows for run in selection.of(row.id, "confirm") for name in run.metrics))
    if not names:
        return None
    units, cost = Units.of(selection), selection.study.settings.cost
    shown = [name for name in names if name == cost] + [name for name in names if name != cost]
    unbeaten = _unbeaten(selection, rows, cost) if cost in names else {}
    columns = (
        Column("n", "n", "count"),
        *(Column(f"metric.{name}", name, "estimate") for name in shown),
        *((Column("unbeaten", "unbeaten", "text"),) if cost in names else ()),
    )
    return Table(
        key="further",
        title="Further metrics",
        caption=caption(selection, "further metrics, fresh confirm seeds"),
        columns=columns,
        rows=tuple(
            Row(
                row.label,
                (
                    len(selection.results(row.id)),
                    *(units.estimate(metric_of(selection, row.id, name)) for name in shown),
                    *((_said(unbeaten, row.id),) if cost in names else ()),
                ),
                context=row.part == "context",
            )
            for row in rows
        ),
        notes=(*_notes(selection, cost if cost in names else None), units.mean_note),
    )


def metric_of(selection: Selection, id_: int, name: str) -> dict[int, float]:
    """A further metric of a configuration's fresh runs, by seed."""
    return {run.seed: run.metrics[name] for run in selection.of(id_, "confirm") if name in run.metrics}


def _said(unbeaten: Mapping[int, bool], id_: int) -> str | None:
    return None if id_ not in unbeaten else "yes" if unbeaten[id_] else "no"


def _unbeaten(selection: Selection, rows: Sequence[Compared], cost: str | None) -> dict[int, bool]:
    """Whether no other configuration equals or beats one in both means, and beats it in one; of those with a cost."""
    means: dict[int, tuple[float, float]] = {}
    for row in rows:
        costs, results = metric_of(selection, row.id, str(cost)).values(), selection.results(row.id).values()
        if costs:
            means[row.id] = selection.study.sign * sum(results) / len(results), -sum(costs) / len(costs)

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and all(ours >= theirs for ours, theirs in zip(one, other, strict=True))

    return {id_: not any(beats(other, own) for other in means.values()) for id_, own in means.items()}


def _notes(selection: Selection, cost: str | None) -> list[str]:
    notes = ["These metrics took part in no choice, and have no verdict."]
    if cost is not None:
        better = "lower" if selection.minimizes else "higher"
        notes.append(
            f"unbeaten: no other row has a {better} mean {selection.study.metric} at a lower mean {cost}. These are "
            "means, whose intervals overlap where the next seeds might change it."
        )
    return notes
