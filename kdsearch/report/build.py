"""From the ledger's records to a report."""

from __future__ import annotations

from kdsearch.ledger.records import StudyRecord, StudyResults, searched
from kdsearch.report.answer import answer
from kdsearch.report.answered import Answer
from kdsearch.report.captions import data_line, min_effect, plural
from kdsearch.report.estimand import estimand_sentences, video_sentences
from kdsearch.report.notes import alarms, cost_line, ended_sentences
from kdsearch.report.primary import primary_sentence, second_sentences
from kdsearch.report.ranges import cut_table
from kdsearch.report.sections.added import TITLE as ADDED
from kdsearch.report.sections.added import added
from kdsearch.report.sections.comparison import comparison
from kdsearch.report.sections.curves import curves
from kdsearch.report.sections.inflation import inflation
from kdsearch.report.sections.instability import instability
from kdsearch.report.sections.leading import leading
from kdsearch.report.sections.preflight import preflight
from kdsearch.report.sections.published import published
from kdsearch.report.sections.transfer import gain_transfer
from kdsearch.report.sections.variance_components import sources
from kdsearch.report.sections.winner import winner
from kdsearch.report.selection import Selection, select
from kdsearch.report.tables import Report
from kdsearch.search.orphans import LOST_PAIR, REPLACED
from kdsearch.search.searches import shares_of

AFTER_CHOICE = (
    comparison, winner, inflation, gain_transfer, published, preflight, instability, sources, curves, added,
)  # fmt: skip
DURING_SEARCH = (leading, preflight)


def build(results: StudyResults, *, mix_code: bool = False) -> Report:
    """Build the report of a study from one consistent read of its ledger.

    Before the winner is chosen it holds search objectives alone, no test score. Runs of one code hash are counted (the
    one with the most confirm runs) unless ``mix_code``. Diverged runs count at chance level, failed runs not at all.
    """
    selection = select(results, mix_code=mix_code)
    study = results.study
    sections = DURING_SEARCH if selection.searching else AFTER_CHOICE
    tables = tuple(cut_table(selection, table) for section in sections if (table := section(selection)) is not None)
    title = study.settings.title or study.name
    return Report(
        title=f"{title} ({study.name})" if title != study.name else title,
        study=study.name,
        description=data_line(study),
        notes=(*alarms(selection), f"{data_line(study)}.", *_state(selection, results), *warnings(selection, results)),
        tables=tables,
        closing=(cost_line(results),),
        answer=answer(selection),
    )


def answer_of(results: StudyResults) -> Answer | None:
    """Return the answer of a finished study, as ``kdsearch status`` shows it; ``None`` while there is none."""
    return answer(select(results))


def _state(selection: Selection, results: StudyResults) -> list[str]:
    study = selection.study
    notes = []
    if study.settings.preset:
        notes.append(f"Preset {study.settings.preset}.")
    notes += ended_sentences(results)
    searched = selection.searched()
    if study.phase == "teacher":
        notes.append(f"{_going(study)}: nothing is searched yet, there is no result.{_go_on(study)}")
    elif study.phase == "search":
        unseen = ": test scores are not shown before the winner is chosen" if selection.has_scores else ""
        notes.append(f"{_going(study)}: {_ended(selection)} have ended. No result yet{unseen}.{_go_on(study)}")
    elif study.winner_id is None:
        look = f"; see why with kdsearch logs {selection.failures[-1].id}" if selection.failures else ""
        notes.append(
            f"The study ended without a winner: there is no result. kdsearch status counts its runs by state{look}."
        )
    else:
        notes += _confirmed(selection, results)
    if selection.searching and study.phase != "teacher" and not searched:
        notes.append("No search run has finished yet: nothing to show.")
    return notes


def _going(study: StudyRecord) -> str:
    """Whether a study that has not ended goes on, and in which phase."""
    if study.stop_requested:
        return f"The study was stopped in phase {study.phase}"
    return f"The study still runs (phase {study.phase})"


def _go_on(study: StudyRecord) -> str:
    return " Launch it again to go on." if study.stop_requested else ""


def _ended(selection: Selection) -> str:
    """How many runs of each search have ended, of how many."""
    parts = shares_of(selection.study.settings)
    search = [run for run in selection.runs if run.pool == "search"]
    if len(parts) == 1:
        most = parts["searched"].runs
        return f"{len(search)}{f' of {most}' if most else ''} search runs"
    words = []
    for kind, budget in parts.items():
        count = sum(searched(selection.configurations, run, kind) for run in search)
        of = f" of {budget.runs}" if budget.runs else ""
        words.append(f"{count}{of} {'search runs' if kind == 'searched' else 'without distillation'}")
    return " and ".join(words)


def _confirmed(selection: Selection, results: StudyResults) -> list[str]:
    study = selection.study
    if study.winner_id is None or not selection.results(study.winner_id):
        if selection.finished:
            return []  # the alarms say why
        return ["The winner is chosen, but none of its confirm runs has ended yet: there is no result."]
    notes = [primary_sentence(selection), *second_sentences(selection), *estimand_sentences(selection)]
    notes += video_sentences(selection, results.queries)
    if not selection.finished:
        ended = sum(run.pool == "confirm" for run in selection.runs)
        going = (
            "The study was stopped before all confirm runs ended"
            if study.stop_requested
            else "Confirm runs are still going"
        )
        notes.append(
            f"{going} ({plural(ended, 'run')} ended): all numbers below may change, verdicts are open.{_go_on(study)}"
        )
    return notes


def warnings(selection: Selection, results: StudyResults) -> list[str]:
    """Return what is to be known of the runs that are counted: failures, a changed margin, late runs, code, data."""
    notes = [*failed_runs(selection), *changed_margin(selection)]
    notes += late_runs(selection)
    notes += [*replaced_teachers(selection, results), *lost_pairs(selection)]
    return [*notes, *other_runs(selection, results)]


def late_runs(selection: Selection) -> list[str]:
    """Say how many search runs ended after the choice, and how many that were added are still to come."""
    ended, waiting = selection.late, selection.late_waiting
    if ended:
        more = f" {waiting:,} more of them {'has' if waiting == 1 else 'have'} not ended yet." if waiting else ""
        return [f"{plural(ended, 'search run')} came after the choice: shown under '{ADDED}', in no other table.{more}"]
    if not waiting:
        return []
    have = "has" if waiting == 1 else "have"
    return [f"{plural(waiting, 'search run')} added after the choice {have} not ended yet: see '{ADDED}'."]


def replaced_teachers(selection: Selection, results: StudyResults) -> list[str]:
    """Say how many teachers of fresh seeds were lost and gave way to another: results are of those that trained."""
    told = [event.data for event in selection.events if event.kind == REPLACED and event.data.get("pool") == "confirm"]
    lost = {data["teacher"] for data in told}
    if not lost:
        return []
    every = lost | {run.needs for run in results.runs if run.pool == "confirm" and run.needs is not None}
    return [
        f"{len(lost)} of {plural(len(every), 'teacher')} of fresh seeds diverged or failed, and another was trained in "
        "its place before any student listened to it."
    ]


def lost_pairs(selection: Selection) -> list[str]:
    """Say which fresh seeds have no pair because their teacher was lost: what is left is of teachers that trained."""
    lost = {run.needs for run in selection.failures if run.pool == "confirm" and run.needs is not None}
    told = {event.data.get("teacher"): event.message for event in selection.events if event.kind == LOST_PAIR}
    return [f"{message[:1].upper()}{message[1:]}." for teacher, message in told.items() if teacher in lost]


def failed_runs(selection: Selection) -> list[str]:
    """Say how many runs failed."""
    if not selection.failures:
        return []
    failed, first = plural(len(selection.failures), "run"), selection.failures[0].id
    return [f"{failed} failed, not counted; see kdsearch logs {first}."]


def changed_margin(selection: Selection) -> list[str]:
    """Say that the margin of the verdicts is another now."""
    now = selection.study.settings.min_effect
    if now == min_effect(selection):
        return []
    return [
        f"min_effect was {min_effect(selection):g} when the winner was chosen and is {now:g} now: verdicts go by "
        "what it was."
    ]


def other_runs(selection: Selection, results: StudyResults) -> list[str]:
    """Say which runs are of other trainer code or other data."""
    notes = []
    if selection.left_out:
        others = plural(len(selection.left_out), "ended run")
        notes.append(
            f"Counted: runs of code {selection.hashes[0][:12]}. Left out: {others} of other code hashes; "
            "include them by --mix-code."
        )
    elif len(selection.hashes) > 1:
        notes.append(f"Runs of {len(selection.hashes)} code hashes are mixed in these tables, as asked by --mix-code.")
    foreign = {run.data_hash for run in selection.runs if run.data_hash} - {results.study.data_hash}
    if foreign:
        count = sum(run.data_hash in foreign for run in selection.runs)
        notes.append(f"Warning: {plural(count, 'run')} read other data than the study was made with.")
    return notes
