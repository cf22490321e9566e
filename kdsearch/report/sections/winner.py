"""The winner's numbers beside those without distillation and the baselines', and how it was chosen."""

from __future__ import annotations

from kdsearch.report.captions import objective_name, short_data
from kdsearch.report.configurations import compared, value_of
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Row, Table
from kdsearch.report.wording import fixed, plural
from kdsearch.space import active
from kdsearch.statistics import Shrinkage, shrink, summarize

ORDER, WHEN = 20, "result"

IDLE = "idle"


def section(selection: Selection) -> Table | None:
    """Return one row a parameter, one column a configuration; ``None`` before a winner is chosen."""
    shown = [row for row in compared(selection) if row.part != "context"]
    if selection.study.winner_id is None or not shown:
        return None
    space = selection.study.settings.space
    idle = {row.id: set(space) - set(active(space, row.record.params)) for row in shown}
    names = list(dict.fromkeys([*space, *(name for row in shown for name in row.record.params)]))
    # Searched parameters first; what is fixed and equal everywhere is context.
    moving = [name for name in names if name in space or len({row.record.params.get(name) for row in shown}) > 1]
    ordered = [*moving, *(name for name in names if name not in moving)]
    rows = tuple(
        Row(
            name,
            tuple(IDLE if name in idle[row.id] else value_of(row.record.params, name) for row in shown),
            context=name not in moving,
        )
        for name in ordered
    )
    unread = [f"{IDLE}: nothing reads this number there, for what it depends on has another value."]
    return Table(
        key="winner",
        title="Winner",
        caption=f"{short_data(selection.study)}; parameters; one column a configuration, no runs behind these numbers.",
        columns=tuple(
            Column(f"configuration_{row.id}", row.label, "parameter", optional=row.part == "baseline") for row in shown
        ),
        rows=rows,
        notes=(*(unread if any(idle.values()) else ()), *_chosen(selection)),
        row_header="parameter",
    )


def _chosen(selection: Selection) -> list[str]:
    study = selection.study
    assert study.winner_id is not None
    samples, digits = selection.searched(), selection.digits
    own = samples.get(study.winner_id, [])
    notes = []
    seeds, numbers = _decided(selection, len(own))
    if seeds:
        if own:
            summary = summarize(own)
            of = f" of the {len(own)} counted here" if len(own) != seeds else ""
            sd = f" ± {fixed(summary.sd, digits)}" if summary.n > 1 else ""
            numbers = [*numbers, f"raw mean{of} {fixed(summary.mean, digits)}{sd}"]
        on = f"{objective_name(selection)} of {plural(seeds, 'search seed')}, before any confirm seed ran"
        estimate = f": {', '.join(numbers)}" if numbers else ""
        notes.append(f"{selection.name(study.winner_id)} was chosen on the {on}{estimate}.")
    if own:
        notes.append(
            f"Search: {plural(len(samples), 'configuration')}, {plural(sum(map(len, samples.values())), 'run')}; "
            f"{_spreads(shrink(list(samples.values())), digits)}."
        )
    else:
        notes.append("No search run of the winner is among the runs that this report counts.")
    return [*notes, *_best_without(selection)]


def _best_without(selection: Selection) -> list[str]:
    """Say how the best without distillation was chosen, as the event of the choice has it."""
    id_ = selection.study.best_without_id
    data = selection.choice.data.get("without") if selection.choice is not None else None
    if id_ is None or data is None:
        return []
    value, sd = data.get("estimate"), data.get("estimate_sd")
    estimate = "" if value is None else f": {_estimate(selection, float(value), sd)}"
    same = ", the numbers of the winner," if id_ == selection.study.winner_id else ""
    among = plural(int(data["candidates"]), "configuration")
    return [
        f"{data['name']}{same} was chosen in the same way among {among} without distillation, on "
        f"{plural(int(data['search_seeds']), 'search seed')}{estimate}."
    ]


def _spreads(estimate: Shrinkage, digits: int) -> str:
    if not estimate.noise_known:  # what ``shrink`` then holds is a guess: half noise, half signal
        return (
            "no configuration has two of them: sd over seeds not known, sd of true means between the configurations "
            "that were tried not known"
        )
    over = f"sd over seeds {fixed(estimate.sd, digits)}"
    if round(estimate.tau, digits) == 0:
        return f"{over}, next to which differences between the configurations that were tried cannot be seen"
    return f"{over}, sd of true means between the configurations that were tried {fixed(estimate.tau, digits)}"


def _decided(selection: Selection, counted: int) -> tuple[int, list[str]]:
    """Return the search seeds that the choice rested on and the estimate of then, as its event holds both.

    Where no event has them, all that is ``counted`` was there, and the same model is fitted again.
    """
    data = selection.choice.data if selection.choice is not None else {}
    if "search_seeds" not in data:
        rows = [row for row in selection.standings() if row.id == selection.study.winner_id] if counted else []
        return counted, [_estimate(selection, row.estimate, row.sd) for row in rows]
    value = data.get("estimate")
    known = [] if value is None else [_estimate(selection, float(value), data.get("estimate_sd"))]
    return int(data["search_seeds"]), known


def _estimate(selection: Selection, value: float, sd: float | None) -> str:
    text = f"estimate {fixed(value, selection.digits)}"
    return text if sd is None else f"{text} (posterior sd {fixed(float(sd), selection.digits)})"
