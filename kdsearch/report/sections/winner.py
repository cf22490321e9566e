"""The winner's numbers beside those without distillation and the baselines', and how it was chosen."""

from __future__ import annotations

from kdsearch.report.captions import objective_words, plural, short_data
from kdsearch.report.compared import compared, name_of
from kdsearch.report.formats.cells import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Row, Table
from kdsearch.space import active
from kdsearch.statistics import Shrinkage, shrink, summarize

IDLE = "idle"


def winner(selection: Selection) -> Table | None:
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
            tuple(IDLE if name in idle[row.id] else row.record.params.get(name) for row in shown),
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
            Column(f"configuration_{row.id}", row.label, "parameter", spare=row.part == "baseline") for row in shown
        ),
        rows=rows,
        notes=(*(unread if any(idle.values()) else ()), *_chosen(selection)),
        stub="parameter",
    )


def _chosen(selection: Selection) -> list[str]:
    study = selection.study
    assert study.winner_id is not None
    samples = selection.searched()
    own = samples.get(study.winner_id, [])
    estimate = shrink(list(samples.values()))
    notes = []
    seeds, believed = _decided(selection, len(own))
    if seeds:
        if own:
            summary = summarize(own)
            of = f" of the {len(own)} counted here" if len(own) != seeds else ""
            sd = f" ± {fixed(summary.sd, selection.digits)}" if summary.n > 1 else ""
            believed = [*believed, f"raw mean{of} {fixed(summary.mean, selection.digits)}{sd}"]
        told = f": {', '.join(believed)}" if believed else ""
        notes.append(
            f"{name_of(selection, study.winner_id)} was chosen on the {objective_words(study, selection.has_scores)} "
            f"of {plural(seeds, 'search seed')}, before any confirm seed ran{told}."
        )
    if not own:
        lost = "No search run of the winner is among the runs that this report counts."
        return [*notes, lost, *_best_without(selection)]
    notes.append(
        f"Search: {plural(len(samples), 'configuration')}, {plural(sum(map(len, samples.values())), 'run')}; "
        f"{_spreads(estimate, selection.digits)}."
    )
    return [*notes, *_best_without(selection)]


def _best_without(selection: Selection) -> list[str]:
    """Say how the best without distillation was chosen, as the event of the choice has it."""
    id_ = selection.study.best_without_id
    data = selection.choice.data.get("without") if selection.choice is not None else None
    if id_ is None or data is None:
        return []
    value, sd = data.get("estimate"), data.get("estimate_sd")
    believed = "" if value is None else f": {_words(selection, float(value), sd)}"
    same = ", the numbers of the winner," if id_ == selection.study.winner_id else ""
    return [
        f"{data['name']}{same} was chosen in the same way among {plural(int(data['candidates']), 'setting')} without "
        f"distillation, on {plural(int(data['search_seeds']), 'search seed')}{believed}."
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
    """Return the search seeds that the choice rested on and what was believed then, as its event holds both.

    Where no event tells, all that is ``counted`` was there, and the same model is asked again.
    """
    data = selection.choice.data if selection.choice is not None else {}
    if "search_seeds" not in data:
        rows = selection.standings() if counted else []
        return counted, [_words(selection, row.estimate, row.sd) for row in rows if row.id == selection.study.winner_id]
    if data.get("estimate") is None:
        return int(data["search_seeds"]), []
    return int(data["search_seeds"]), [_words(selection, float(data["estimate"]), data.get("estimate_sd"))]


def _words(selection: Selection, estimate: float, sd: float | None) -> str:
    believed = f"estimate {fixed(estimate, selection.digits)}"
    return believed if sd is None else f"{believed} (posterior sd {fixed(float(sd), selection.digits)})"
