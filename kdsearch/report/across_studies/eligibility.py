"""Several studies on the same data in one table: which may be compared, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from kdsearch.errors import KdsearchError
from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.ledger.settings import NOT_STORED
from kdsearch.report.build import changed_margin, failed_runs, other_runs
from kdsearch.report.captions import describe_recipe, describe_teacher_data
from kdsearch.report.configurations import uses_teacher
from kdsearch.report.notes import alarms
from kdsearch.report.selection import OWN, Selection, select
from kdsearch.report.units import Units
from kdsearch.report.wording import listed

_UNSAID = sha256(b"none").hexdigest()[:16]
"""The fingerprint of a function whose user says nothing of its data, in ledgers of before."""


@dataclass(frozen=True)
class Side:
    """One study of the table: everything of it, what may be counted, and its name in the table."""

    results: StudyResults
    selection: Selection
    title: str

    @property
    def winner(self) -> int:
        """The chosen configuration; every study that stands here has one."""
        assert self.selection.study.winner_id is not None
        return self.selection.study.winner_id

    @property
    def label(self) -> str:
        """The row's name."""
        return f"{self.title} ({self.selection.name(self.winner)})"

    @property
    def without_method(self) -> bool:
        """Whether a study that has a method found no use for it: its winner's weights of it are all 0."""
        return bool(self.selection.study.settings.teacher_parameters) and not uses_teacher(self.selection, self.winner)

    @property
    def hours(self) -> float:
        """Training time of all its runs together: teachers, search, confirmation."""
        return sum(run.seconds or 0.0 for run in self.results.runs) / 3600

    def describe(self, *more: str) -> str:
        """Say what data and recipe the study has, and how long it trained."""
        study, selection = self.selection.study, self.selection
        words = [data_line(study), *more, *describe_recipe(selection), *describe_teacher_data(selection)]
        return f"{'; '.join(words)}; {self.hours:.2f} hours of training."


def sides(results: Sequence[StudyResults], mix_code: bool, *, alike: bool = True) -> list[Side]:
    """The studies in the order they were named.

    Raises ``KdsearchError`` where one has no result, is named twice, or is measured otherwise than the first: other
    data, parts or metric, or epochs chosen on test in one and on validation in the other (unless they are not to be
    ``alike``); and where their runs are of different trainer code, unless ``mix_code``. Functions that do not say what
    their data are go by metric and label, and ``sentences`` says so.
    """
    titles = [result.study.settings.title or result.study.name for result in results]
    found = [
        # Presets of one study file have one title.
        Side(result, select(result, mix_code=mix_code), title if titles.count(title) == 1 else result.study.name)
        for result, title in zip(results, titles, strict=True)
    ]
    names = [side.selection.study.name for side in found]
    if len(names) < 2 or len(set(names)) < len(names):
        raise KdsearchError(f"expected two studies or more, each named once; got {', '.join(names) or 'none'}")
    for side in found:
        _check_result(side.selection)
    for side in found[1:] if alike else ():
        _check_measured(found[0].selection, side.selection)
    if not mix_code:
        _check_code(found)
    return found


def sentences(found: Sequence[Side]) -> list[str]:
    """What must be read before the table: what each study's own report says of failures, code and data."""
    notes = changed_margin(found[0].selection)  # the others' margins make no verdict here
    for side in found:
        said = [*alarms(side.selection), *failed_runs(side.selection), *other_runs(side.selection, side.results)]
        notes += [f"{side.title}: {sentence}" for sentence in said]
    unsaid = [side.title for side in found if side.selection.is_function and not _says_data(side.selection)]
    if unsaid:
        notes.append(
            f"{listed(unsaid)} {'does' if len(unsaid) == 1 else 'do'} not say what data a run reads: that all studies "
            "here are measured on the same is taken from whoever names them together, for their metric has one name. "
            'Say it by kd.tasks.FunctionTask(..., data_version="...") or kd.tasks.Command(..., data_version="...").'
        )
    codes = {code for side in found for code in side.selection.hashes}
    if len(codes) > 1:
        notes.append(f"Runs of {len(codes)} code hashes stand in this table: see which code each study ran.")
    return notes


def mean_notes(found: Sequence[Side]) -> list[str]:
    """What the intervals of means are, of each study where they are not of one kind."""
    notes = {side.title: Units.of(side.selection).mean_note for side in found}
    if len(set(notes.values())) == 1:
        return [next(iter(notes.values()))]
    return [f"{title}: {note[:1].lower()}{note[1:]}" for title, note in notes.items()]


def _check_result(selection: Selection) -> None:
    study = selection.study
    if not selection.finished:
        raise KdsearchError(
            f"{study.name} has no result yet (phase {study.phase}): launch it to its end, then compare; see kdsearch "
            f"status {study.name}"
        )
    if study.winner_id is None:
        raise KdsearchError(f"{study.name} ended without a winner; see kdsearch status {study.name}")
    if not selection.results(study.winner_id):
        raise KdsearchError(f"{study.name}: {' '.join(alarms(selection))}")


def _check_measured(first: Selection, other: Selection) -> None:
    for selection in (first, other):
        stored = [side.study.settings.measured_on != NOT_STORED for side in (first, other)]
        if selection.study.settings.measured_on == NOT_STORED and any(stored):
            raise KdsearchError(
                f"{selection.study.name} was launched before studies stored what they are measured on: launch it "
                "once more, which trains nothing, and compare again"
            )
        if not _says_data(selection) and not (first.is_function and other.is_function):
            own = OWN.get(selection.own_word, OWN["function"])
            raise KdsearchError(
                f"{selection.study.name} does not say what its {selection.own_word} is measured on; expected "
                f'kd.tasks.{own}, data_version="..."), the same words and label where the data are '
                "the same"
            )
    one, two = first.study, other.study
    if one.minimizes != two.minimizes:
        low, high = (one, two) if one.minimizes else (two, one)
        raise KdsearchError(f"{low.name} minimizes and {high.name} maximizes: they are not of one metric")
    if first.has_scores != other.has_scores:
        with_test, without = (one, two) if first.has_scores else (two, one)
        raise KdsearchError(
            f"{with_test.name} has test scores and {without.name} has none: studies in one table are "
            "measured alike; return objective and score in both"
        )
    alike = _measured_on(first) == _measured_on(other)
    if not (_says_data(first) and _says_data(other)):
        alike = _label(one) == _label(two)
    if not alike or one.metric != two.metric:
        raise KdsearchError(
            "studies in one table are measured alike: same data and parts, same metric, epochs chosen on "
            f"validation, or on test, in both. {one.name} is of: {one.metric}, {data_line(one)}. {two.name} is of: "
            f"{two.metric}, {data_line(two)}. Declare both on the same data, for instance by presets of one name"
        )


def _measured_on(selection: Selection) -> str | None:
    stored = selection.study.settings.measured_on
    return selection.study.data_hash if stored == NOT_STORED else stored


def _says_data(selection: Selection) -> bool:
    """Whether a study says what it is measured on; only a function may not."""
    return _measured_on(selection) not in (None, _UNSAID)


def _label(study: StudyRecord) -> str:
    """The short name of data and protocol in a stored study's name."""
    return study.name.partition("@")[2].partition("+")[0]


def _check_code(found: Sequence[Side]) -> None:
    """Functions of users are each its own code; kdsearch's trainer is to be one."""
    own = [side.selection for side in found if not side.selection.is_function]
    codes = {selection.study.name: ", ".join(code[:12] for code in selection.hashes) for selection in own}
    if len(set(codes.values())) > 1:
        each = "; ".join(f"{name}: {code}" for name, code in codes.items())
        raise KdsearchError(
            f"these studies' runs are of different trainer code ({each}), so that a difference may be the code's; "
            "launch the older ones anew under another name, or compare them all the same with --mix-code"
        )
