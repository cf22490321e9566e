"""What must be read before any number: no result, many runs lost, a seed without effect, a choice made on test."""

from __future__ import annotations

from kdsearch.ledger.records import Pool
from kdsearch.report.captions import epoch_on_test
from kdsearch.report.captions import listed
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import plural
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.compared import primary_id
from kdsearch.report.compared import spoken
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.gap import Gap
from kdsearch.report.ranges import cut
from kdsearch.report.ranges import metric_range
from kdsearch.report.ranges import named
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.units import Units
from kdsearch.statistics import summarize

MANY_FAILED = 0.2
MANY_DIVERGED: dict[Pool, float] = {"confirm": 0.1, "search": 0.25}
"""A search tries what diverges; of a configuration that is compared few runs should."""

SAME_FROM = 3
"""Two equal values may be chance, as of an accuracy on few images."""


def alarms(selection: Selection) -> list[str]:
    """Return the sentences that stand before all others; none where all is well."""
    return [
        *_no_result(selection),
        *_all_diverged(selection),
        *_many_failed(selection),
        *_many_diverged(selection),
        *_same_values(selection),
        *_chosen_on_test(selection),
        *_no_gap(selection),
        *_beyond_range(selection),
    ]


def _no_result(selection: Selection) -> list[str]:
    study = selection.study
    if not selection.finished or study.winner_id is None:
        return []
    if not selection.results(study.winner_id):
        return [f"No result: {_missing(selection, study.winner_id, 'the winner')}."]
    primary = primary_id(selection)
    if primary is not None and not selection.results(primary):
        why = _missing(selection, primary, f"the {spoken(selection, primary)}")
        return [f"No result of the primary comparison: {why}."]
    return []


def _missing(selection: Selection, configuration_id: int, name: str) -> str:
    """Say why a configuration of a finished study has no confirm run that counts."""
    failed = [run for run in selection.failures if (run.configuration_id, run.pool) == (configuration_id, "confirm")]
    other = [run for run in selection.left_out if (run.configuration_id, run.pool) == (configuration_id, "confirm")]
    if other:
        count = plural(len(other), "confirm run")
        return f"{count} of {name} ended under another code hash, not counted; include by --mix-code"
    if failed:
        return f"every confirm run of {name} failed; see kdsearch logs {failed[0].id}"
    return f"the ledger holds no confirm run of {name} that ended"


def _many_failed(selection: Selection) -> list[str]:
    pools: tuple[Pool, ...] = ("search", "confirm")
    parts, example = [], 0
    for pool in pools:
        failures = [run.id for run in selection.failures if run.pool == pool]
        failed = len(failures)
        ended = sum(run.pool == pool for run in (*selection.runs, *selection.left_out))
        if failed > MANY_FAILED * (failed + ended):
            parts.append(f"{failed:,} of {failed + ended:,} {pool} runs")
            example = example or failures[0]
    if not parts:
        return []
    return [
        f"Many runs failed: {' and '.join(parts)}. What is left may not stand for the rest; see kdsearch logs "
        f"{example}."
    ]


def _all_diverged(selection: Selection) -> list[str]:
    """Say which rows rest on diverged runs alone: their mean is chance level, and no finding."""
    fresh = _fresh(selection)
    lost = [row for row in fresh if _every_diverged(selection, row)]
    if not lost:
        return []
    runs = [f"all {plural(len(selection.of(row.id, 'confirm')), 'fresh run')} of {_the(row)}" for row in lost]
    level = f"They count at chance level ({selection.study.chance:.4g})"
    if lost[0].part != "winner":
        return [f"Runs of one kind all diverged: {listed(runs)}. {level}, so that the winner is compared with chance."]
    which = "Every fresh run" if len(lost) == len(fresh) else "Every fresh run of the winner"
    nothing = "Nothing was found" if selection.finished else "Nothing is found yet"
    return [f"{which} diverged: {listed(runs)}. {nothing}. {level}, so that differences and verdicts say nothing."]


def _every_diverged(selection: Selection, row: Compared) -> bool:
    return all(run.state == "diverged" for run in selection.of(row.id, "confirm"))


def _many_diverged(selection: Selection) -> list[str]:
    parts = []
    for row in _fresh(selection):
        if _every_diverged(selection, row):
            continue
        runs = selection.of(row.id, "confirm")
        diverged = sum(run.state == "diverged" for run in runs)
        if diverged > MANY_DIVERGED["confirm"] * len(runs):
            parts.append(f"{diverged:,} of {len(runs):,} fresh runs of {_the(row)}")
    search = [run for run in selection.runs if run.pool == "search"]
    diverged = sum(run.state == "diverged" for run in search)
    if diverged > MANY_DIVERGED["search"] * len(search):
        parts.append(f"{diverged:,} of {len(search):,} search runs")
    if not parts:
        return []
    chance = selection.study.chance
    return [
        f"Many runs diverged: {listed(parts)}. They count at chance level ({chance:.4g}), so that a mean is of two "
        "kinds of runs, and its interval is rough."
    ]


def _same_values(selection: Selection) -> list[str]:
    """A configuration whose fresh seeds all give one value: training may not read its seed."""
    same = []
    for row in _fresh(selection):
        runs = [run for run in selection.of(row.id, "confirm") if run.state == "done"]
        summary = summarize(present([selection.result(run) for run in runs]))
        if summary.n >= SAME_FROM and summary.sd == 0:
            same.append(f"all {summary.n} fresh seeds of {_the(row)}")
    if not same:
        return []
    said = listed(same)
    return [f"{said[:1].upper()}{said[1:]} give the same value: is the seed used?"]


def _chosen_on_test(selection: Selection) -> list[str]:
    if not selection.has_scores or selection.searching or not epoch_on_test(selection.study):
        return []
    return [
        "The test part was read for a choice: each score stands at the run's best epoch on test, as this study asks "
        "for, and is optimistic."
    ]


def _no_gap(selection: Selection) -> list[str]:
    """The pre-flight's own finding, where it saw too little to distil."""
    event = next((event for event in selection.events if event.kind == "preflight"), None)
    if event is None or not event.data.get("warning"):
        return []
    found = Gap.stored(event.data, min_effect(selection))
    numbers = found.numbers(selection.digits) if found else fixed(float(event.data["difference"]), selection.digits)
    what = objective_title(selection.study, selection.has_scores)
    return [
        f"The pre-flight found hardly a gap to distil: teacher minus student alone is {numbers} {what}. Without a "
        "better teacher there is little to gain."
    ]


def _beyond_range(selection: Selection) -> list[str]:
    """Of the means on fresh seeds: an interval beyond the metric's range is too wide to say much."""
    bounds, units = metric_range(selection), Units.of(selection)
    fresh = [row for row in compared(selection) if selection.results(row.id)]
    rows = [(row, units.estimate(selection.results(row.id))) for row in fresh]
    wide = [_the(row) for row, estimate in rows if estimate is not None and cut(bounds, estimate) != estimate]
    if not wide or bounds is None:
        return []
    one, several = ("interval of the mean of {} reaches", "is"), ("intervals of the means of {} reach", "are")
    reach, are = one if len(wide) == 1 else several
    return [
        f"The {reach.format(named(wide))} beyond {bounds[0]:g} to {bounds[1]:g}, where {selection.study.metric} lies, "
        f"and {are} cut there: the runs are too few, or of two kinds."
    ]


def _fresh(selection: Selection) -> list[Compared]:
    """Compared configurations that statements are made of, with results on fresh seeds."""
    return [row for row in compared(selection) if row.part != "context" and selection.results(row.id)]


def _the(row: Compared) -> str:
    """How a row is called in a sentence."""
    return row.label if row.part == "baseline" else f"the {row.label}"
