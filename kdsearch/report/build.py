"""From the ledger's records to a report."""

from __future__ import annotations

from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.report.answer import answer
from kdsearch.report.estimand import estimand_sentences, video_sentences
from kdsearch.report.finding import primary_sentence, second_sentences
from kdsearch.report.notes import alarms, cost_line, ended_sentences, search_progress
from kdsearch.report.sections import sections
from kdsearch.report.sections.post_hoc import TITLE as POST_HOC
from kdsearch.report.selection import Selection, select
from kdsearch.report.tables import Answer, Report
from kdsearch.report.wording import plural
from kdsearch.search.orphans import LOST_PAIR, REPLACED
from kdsearch.statistics.float_errors import usual_float_errors


def build(results: StudyResults, *, mix_code: bool = False) -> Report:
    """Build the report of a study from one consistent read of its ledger.

    Before the winner is chosen it holds search objectives alone, no test score. Runs of one code hash are counted (the
    one with the most confirm runs) unless ``mix_code``. Diverged runs count at chance level, failed runs not at all.
    """
    with usual_float_errors():
        return _build(results, mix_code)


def _build(results: StudyResults, mix_code: bool) -> Report:
    selection = select(results, mix_code=mix_code)
    study = results.study
    found = [section(selection) for section in sections(searching=selection.searching)]
    title = study.settings.title or study.name
    return Report(
        title=f"{title} ({study.name})" if title != study.name else title,
        study=study.name,
        description=data_line(study),
        notes=(*alarms(selection), f"{data_line(study)}.", *_state(selection, results), *warnings(selection, results)),
        tables=tuple(table.cut(study.metric, selection.metric_range) for table in found if table is not None),
        closing=(cost_line(results),),
        answer=answer(selection),
    )


def answer_of(results: StudyResults) -> Answer | None:
    """Return the answer of a finished study, as ``kdsearch status`` shows it; ``None`` while there is none."""
    with usual_float_errors():
        return answer(select(results))


def _state(selection: Selection, results: StudyResults) -> list[str]:
    study = selection.study
    notes = [f"Preset {study.settings.preset}."] if study.settings.preset else []
    notes += ended_sentences(results)
    going = f"The study was stopped in phase {study.phase}" if study.stop_requested else ""
    going = going or f"The study still runs (phase {study.phase})"
    if study.phase == "teacher":
        notes.append(f"{going}: nothing is searched yet, there is no result.{_go_on(study)}")
    elif study.phase == "search":
        unseen = ": test scores are not shown before the winner is chosen" if selection.has_scores else ""
        ended = search_progress(study, selection.configurations, (*selection.runs, *selection.stopped))
        notes.append(f"{going}: {ended} have ended. No result yet{unseen}.{_go_on(study)}")
    elif study.winner_id is None:
        look = f"; see why with kdsearch logs {selection.failures[-1].id}" if selection.failures else ""
        notes.append(
            f"The study ended without a winner: there is no result. kdsearch status counts its runs by state{look}."
        )
    else:
        notes += _confirmed(selection, results)
    if selection.searching and study.phase != "teacher" and not selection.searched():
        notes.append("No search run has finished yet: nothing to show.")
    return notes


def _go_on(study: StudyRecord) -> str:
    return " Launch it again to go on." if study.stop_requested else ""


def _confirmed(selection: Selection, results: StudyResults) -> list[str]:
    study = selection.study
    if study.winner_id is None or not selection.results(study.winner_id):
        if selection.finished:
            return []  # the alarms say why
        return ["The winner is chosen, but none of its confirm runs has ended yet: there is no result."]
    notes = [primary_sentence(selection), *second_sentences(selection), *estimand_sentences(selection)]
    notes += video_sentences(selection, results.queries)
    if not selection.finished:
        ended = plural(sum(run.pool == "confirm" for run in selection.runs), "run")
        stopped = "The study was stopped before all confirm runs ended" if study.stop_requested else ""
        going = stopped or "Confirm runs are still going"
        notes.append(f"{going} ({ended} ended): all numbers below may change, verdicts are open.{_go_on(study)}")
    return notes


def warnings(selection: Selection, results: StudyResults) -> list[str]:
    """Return what is to be known of the runs that are counted: failures, a changed margin, late runs, code, data."""
    notes = [*failed_runs(selection), *changed_margin(selection), *late_runs(selection)]
    return [*notes, *replaced_teachers(selection, results), *lost_pairs(selection), *other_runs(selection, results)]


def late_runs(selection: Selection) -> list[str]:
    """Say how many search runs ended after the choice, and how many that were added are still to come."""
    ended, waiting = selection.post_hoc_searched(ended=True), selection.post_hoc_searched(ended=False)
    have = "has" if waiting == 1 else "have"
    if ended:
        came = f"{plural(ended, 'search run')} came after the choice: shown under '{POST_HOC}', in no other table."
        return [f"{came} {waiting:,} more of them {have} not ended yet." if waiting else came]
    if waiting:
        return [f"{plural(waiting, 'search run')} added after the choice {have} not ended yet: see '{POST_HOC}'."]
    return []


def replaced_teachers(selection: Selection, results: StudyResults) -> list[str]:
    """Say how many teachers of fresh seeds were lost and gave way to another: results are of those that trained."""
    events = [event.data for event in selection.events if event.kind == REPLACED]
    lost = {data["teacher"] for data in events if data.get("pool") == "confirm"}
    if not lost:
        return []
    every = lost | {run.needs for run in results.runs if run.pool == "confirm" and run.needs is not None}
    return [
        f"{len(lost)} of {plural(len(every), 'teacher')} of fresh seeds diverged or failed, and another was trained in "
        "its place before it taught any student."
    ]


def lost_pairs(selection: Selection) -> list[str]:
    """Say which fresh seeds have no pair because their teacher was lost: what is left is of teachers that trained."""
    lost = {run.needs for run in selection.failures if run.pool == "confirm" and run.needs is not None}
    messages = {event.data.get("teacher"): event.message for event in selection.events if event.kind == LOST_PAIR}
    return [f"{message[:1].upper()}{message[1:]}." for teacher, message in messages.items() if teacher in lost]


def failed_runs(selection: Selection) -> list[str]:
    """Say how many runs failed."""
    if not selection.failures:
        return []
    failed, first = plural(len(selection.failures), "run"), selection.failures[0].id
    return [f"{failed} failed, not counted; see kdsearch logs {first}."]


def changed_margin(selection: Selection) -> list[str]:
    """Say that the margin of the verdicts is another now."""
    now, was = selection.study.settings.min_effect, selection.min_effect
    if now == was:
        return []
    return [f"min_effect was {was:g} when the winner was chosen and is {now:g} now: verdicts go by what it was."]


def other_runs(selection: Selection, results: StudyResults) -> list[str]:
    """Say which runs that are counted are of other trainer code or other data."""
    notes = []
    if len(selection.hashes) > 1 and not selection.left_out:
        notes.append(f"Runs of {len(selection.hashes)} code hashes are mixed in these tables, as asked by --mix-code.")
    foreign = {run.data_hash for run in selection.runs if run.data_hash} - {results.study.data_hash}
    if foreign:
        count = sum(run.data_hash in foreign for run in selection.runs)
        notes.append(f"Warning: {plural(count, 'run')} read other data than the study was made with.")
    return notes
