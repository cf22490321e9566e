"""The answer of a finished study: verdict, winner, how to train it, and what the verdict averages over."""

from __future__ import annotations

from kdsearch.report.answered import Answer
from kdsearch.report.captions import items, listed, recipe_words, spread_words
from kdsearch.report.command import export_command, searched_numbers, train_command
from kdsearch.report.compared import has_without, name_of
from kdsearch.report.comparisons import Outcome, judge
from kdsearch.report.drawn import drawn
from kdsearch.report.edges import edges
from kdsearch.report.estimand import held_words
from kdsearch.report.finding import Finding, finding, flips_sentence, said_other, scale_sentence
from kdsearch.report.funded import funding_sentences, itself_sentences
from kdsearch.report.notes import alarms
from kdsearch.report.selection import Selection
from kdsearch.report.transfer import transfer, transfer_sentence


def answer(selection: Selection) -> Answer | None:
    """Return what a study found; ``None`` while confirm runs are to end, and where no run of the winner counts."""
    winner = selection.study.winner_id
    if not selection.finished or winner is None or not selection.results(winner):
        return None
    outcome = judge(selection)
    found = finding(selection, outcome)
    return Answer(
        sentence=found.sentence,
        verdict=found.verdict,
        winner=name_of(selection, winner),
        parameters=searched_numbers(selection),
        average=_average(selection),
        train=train_command(selection),
        export=export_command(selection),
        remarks=tuple(_remarks(selection, outcome, found)),
        edges=edges(selection),
        comparison=found.numbers,
        alarmed=bool(alarms(selection)),
    )


def _remarks(selection: Selection, outcome: Outcome, found: Finding) -> list[str]:
    remarks: list[str] = []
    if found.other is not None:
        remarks += funding_sentences(selection, found.other)
        remarks += itself_sentences(selection, outcome, found.other)
        remarks += flips_sentence(outcome.rows[found.other])
        remarks += scale_sentence(selection, outcome.rows[found.other])
    if found.other is not None and has_without(selection):
        gain = transfer(selection, outcome, found.other)
        if gain is not None and gain.differs:
            remarks.append(transfer_sentence(selection, gain, said_other(selection, found.other)))
    if not has_without(selection) and selection.is_function:
        remarks.append(
            "The study file does not say what its function is without distillation. To compare the winner with itself "
            'without it, name that in the study: kd.Study(..., without={"alpha": 0}).'
        )
    return remarks


def _average(selection: Selection) -> str:
    """The estimand in short: what varies, what is held, what is not covered."""
    covered = f"other test {items(selection.study)} are not covered" if selection.has_scores else ""
    if selection.study.version == 1:
        parts = [spread_words(selection).removeprefix("sd over "), *recipe_words(selection), covered]
        return f"Averages over {'; '.join(filter(None, parts))}."
    found = drawn(selection)
    over = ["student seeds" if found.draws.folds or found.teachers != "none" else "seeds"] if found.trains else []
    over += ["new validation splits of the train list"] if found.split else []
    over += ["newly trained teachers"] if found.teacher or found.teachers == "per-seed" else []
    held = held_words(selection)
    parts = [listed(over) or "runs of one seed", f"held: {held}" if held else "", covered]
    return f"Averages over {'; '.join(filter(None, parts))}."
