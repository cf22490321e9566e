"""What stands beside a report's tables: what must be read first, why searches ended, what the study took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from kdsearch.ledger.records import (
    ConfigurationRecord,
    EventRecord,
    Pool,
    RunRecord,
    State,
    StudyRecord,
    StudyResults,
    runs_before_choice,
)
from kdsearch.report.captions import epoch_on_test
from kdsearch.report.configurations import Compared, compared, name_in_sentence, primary_id
from kdsearch.report.sections.preflight import gap_alarm
from kdsearch.report.selection import Selection, code_of, present, search_runs
from kdsearch.report.tables import named
from kdsearch.report.units import Units
from kdsearch.report.wording import listed, plural
from kdsearch.search.policies import subset
from kdsearch.search.searches import SearchKind, shares_of
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
        *_chance_wins(selection),
        *_all_diverged(selection),
        *_many_failed(selection),
        *_many_diverged(selection),
        *_stopped(selection),
        *_no_cost(selection),
        *_same_values(selection),
        *_chosen_on_test(selection),
        *gap_alarm(selection),
        *_beyond_range(selection),
        *_left_out(selection),
    ]


def _left_out(selection: Selection) -> list[str]:
    """Say that runs of other trainer code are not counted: after ``extend`` they may be all that is new."""
    if not selection.left_out:
        return []
    others = f"{plural(len(selection.left_out), 'ended run')} of other code hashes"
    return [f"Counted: runs of code {selection.hashes[0][:12]}. Left out: {others}; include them by --mix-code."]


def _no_result(selection: Selection) -> list[str]:
    study = selection.study
    if not selection.finished or study.winner_id is None:
        return []
    if not selection.results(study.winner_id):
        return [f"No result: {_missing(selection, study.winner_id, 'the winner')}."]
    primary = primary_id(selection)
    if primary is not None and not selection.results(primary):
        why = _missing(selection, primary, f"the {name_in_sentence(selection, primary)}")
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
    parts, failures = [], list[int]()
    for pool in pools:
        failed = [run.id for run in selection.failures if run.pool == pool]
        every = len(failed) + sum(run.pool == pool for run in (*selection.runs, *selection.left_out))
        if len(failed) > MANY_FAILED * every:
            parts.append(f"{len(failed):,} of {every:,} {pool} runs")
            failures += failed
    if not parts:
        return []
    return [
        f"Many runs failed: {' and '.join(parts)}. What is left may not stand for the rest; see kdsearch logs "
        f"{failures[0]}."
    ]


def _chance_wins(selection: Selection) -> list[str]:
    """Say that what diverges counts as better than all that was trained to its end: it leads the search."""
    chance, runs = selection.study.chance, [run for run in selection.runs if run.pool == "search"]
    values = [run.objective for run in runs if run.state == "done" and run.objective is not None]
    if not values or all(run.state != "diverged" for run in runs):
        return []
    best = selection.best(values)
    if selection.best((chance, best)) != chance or chance == best:
        return []
    return [
        f"Runs that diverged count at chance={chance:.4g}, which is better than all "
        f"{plural(len(values), 'search run')} that ended well: they lead the search. Give the study a chance that is "
        "worse than good runs, and another name."
    ]


def _all_diverged(selection: Selection) -> list[str]:
    """Say which rows rest on diverged runs alone: their mean is chance level, and no finding."""
    fresh = _fresh(selection)
    lost = [(row, n) for row, n, diverged in fresh if diverged == n]
    if not lost:
        return []
    runs = listed([f"all {plural(n, 'fresh run')} of {_the(row)}" for row, n in lost])
    level = f"They count at chance level ({selection.study.chance:.4g})"
    if lost[0][0].part != "winner":
        return [f"Runs of one kind all diverged: {runs}. {level}, so that the winner is compared with chance."]
    which = "Every fresh run" if len(lost) == len(fresh) else "Every fresh run of the winner"
    nothing = "Nothing was found" if selection.finished else "Nothing is found yet"
    return [f"{which} diverged: {runs}. {nothing}. {level}, so that differences and verdicts say nothing."]


def _many_diverged(selection: Selection) -> list[str]:
    parts = [
        f"{diverged:,} of {n:,} fresh runs of {_the(row)}"
        for row, n, diverged in _fresh(selection)
        if MANY_DIVERGED["confirm"] * n < diverged < n
    ]
    search = [run.state == "diverged" for run in selection.runs if run.pool == "search"]
    if sum(search) > MANY_DIVERGED["search"] * len(search):
        parts.append(f"{sum(search):,} of {len(search):,} search runs")
    if not parts:
        return []
    chance = selection.study.chance
    return [
        f"Many runs diverged: {listed(parts)}. They count at chance level ({chance:.4g}), so that a mean is of two "
        "kinds of runs, and its interval is rough."
    ]


def _no_cost(selection: Selection) -> list[str]:
    """Say that no run has told the cost that the study names: then nothing is compared by it."""
    cost, runs = selection.study.settings.cost, [run for run in selection.runs if run.pool == "confirm"]
    if cost is None or not runs or any(cost in run.metrics for run in runs):
        return []
    known = sorted({name for run in runs for name in run.metrics})
    told = f"they report {listed(known)}" if known else "they report no further metric"
    return [f"No run reports the metric {cost!r}, which the study names as its cost; {told}."]


def _stopped(selection: Selection) -> list[str]:
    count = len(selection.stopped)
    if not count:
        return []
    every = count + sum(run.pool == "search" for run in (*selection.runs, *selection.left_out, *selection.failures))
    return [
        f"{count:,} of {every:,} search runs were stopped by their curves and have no value. Means of the search "
        "are of the others, so that they are too good where some runs of a configuration were stopped; the fresh seeds "
        "are all trained to their end."
    ]


def _same_values(selection: Selection) -> list[str]:
    """A configuration whose fresh seeds all give one value: training may not read its seed."""
    same = []
    for row, _, _ in _fresh(selection):
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


def _beyond_range(selection: Selection) -> list[str]:
    """Of the means on fresh seeds: an interval beyond the metric's range is too wide to say much."""
    bounds, units = selection.metric_range, Units.of(selection)
    fresh = [row for row in compared(selection) if selection.results(row.id)]
    rows = [(row, units.estimate(selection.results(row.id))) for row in fresh]
    wide = [_the(row) for row, estimate in rows if estimate is not None and estimate.cut(bounds) != estimate]
    if not wide or bounds is None:
        return []
    one, several = ("interval of the mean of {} reaches", "is"), ("intervals of the means of {} reach", "are")
    reach, are = one if len(wide) == 1 else several
    return [
        f"The {reach.format(named(wide))} beyond {bounds[0]:g} to {bounds[1]:g}, where {selection.study.metric} lies, "
        f"and {are} cut there: the runs are too few, or of two kinds."
    ]


def _fresh(selection: Selection) -> list[tuple[Compared, int, int]]:
    """Configurations that statements are made of, with results on fresh seeds: how many runs, how many diverged."""
    rows = [row for row in compared(selection) if row.part != "context" and selection.results(row.id)]
    return [(row, len(selection.of(row.id, "confirm")), selection.diverged(row.id)) for row in rows]


def _the(row: Compared) -> str:
    """How a row is called in a sentence."""
    return row.label if row.part == "baseline" else f"the {row.label}"


EVENTS: dict[SearchKind, str] = {"searched": "search ended", "without": "search without teacher ended"}
TITLES: dict[SearchKind, str] = {"searched": "Search", "without": "Search without distillation"}


def count_search_runs(results: StudyResults, kinds: Sequence[SearchKind] = ("searched", "without")) -> int:
    """Return how many runs the searches made before the winner was chosen."""
    runs = [run for run in runs_before_choice(results) if run.state != "cancelled"]
    return sum(len(search_runs(results.configurations, runs, kind)) for kind in kinds)


def search_progress(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Iterable[RunRecord]
) -> str:
    """Say how many of these ``runs`` are of each search, of how many."""
    own = [run for run in runs if run.pool == "search"]
    kinds = shares_of(study.settings)
    return progress_of(
        study, {kind: len(search_runs(configurations, own, kind) if len(kinds) > 1 else own) for kind in kinds}
    )


def progress_of(study: StudyRecord, counts: Mapping[SearchKind, int]) -> str:
    """Say how many runs each search has, of how many."""
    parts = []
    for kind, budget in shares_of(study.settings).items():
        count = counts[kind]
        of = f" of {budget.runs:,}" if budget.runs else ""
        parts.append(f"{count:,}{of} {'search runs' if kind == 'searched' else 'without distillation'}")
    return " and ".join(parts)


def ended_sentences(results: StudyResults) -> list[str]:
    """Say ``Search: 15 of 300 runs; stopped early, ...`` of each search that has ended and whose event tells why."""
    return ended_of(results.study, results.events, lambda kind: count_search_runs(results, (kind,)))


def ended_of(study: StudyRecord, events: Iterable[EventRecord], count_of: Callable[[SearchKind], int]) -> list[str]:
    """Say the same from the events, and a function that counts the runs of a search."""
    said, known = [], list(events)
    for kind, budget in shares_of(study.settings).items():
        messages = [event.message for event in known if event.kind == EVENTS[kind]]
        if messages:
            spent, runs = count_of(kind), budget.runs
            count = plural(spent, "run") if runs is None else f"{spent:,} of {plural(int(runs), 'run')}"
            why = messages[-1].partition(" ended: ")[2].replace("without teacher", "without distillation")
            said.append(f"{TITLES[kind]}: {count}; {why}.")
    return said


def modelled_sentences(modelled: int, known: int) -> list[str]:
    """Say how many of the configurations with results the model leaves out; nothing where it leaves out none."""
    if modelled >= known:
        return []
    best = subset.MODELLED * 3 // 4  # as ``subset.modelled`` takes them
    return [
        f"{modelled:,} of {known:,} configurations with results are in the model and counted here: the best "
        f"{best:,} and {modelled - best:,} others. The rest is neither ranked nor counted."
    ]


STATES: tuple[State, ...] = ("done", "diverged", "stopped", "failed", "leased", "queued", "cancelled")


def cost_line(results: StudyResults) -> str:
    """Return runs by state, training hours over all runs, devices, and code hashes with their runs."""
    states = Counter(run.state for run in results.runs)
    counts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    timed = [run for run in results.runs if run.seconds is not None]
    hours = sum(run.seconds or 0.0 for run in timed) / 3600
    devices = Counter(run.device or "unknown device" for run in timed)
    codes = Counter(code_of(run) for run in timed)
    parts = [f"Runs: {counts or 'none'}", f"training {_time(hours)}"]
    if timed:
        parts.append("on " + ", ".join(f"{name} ({count})" for name, count in devices.most_common()))
        parts.append("code " + ", ".join(f"{code[:12]} ({count})" for code, count in codes.most_common()))
    return "; ".join(parts) + "."


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
