"""Sentences that few studies have, each by the study that has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import ConfigurationRecord, EventRecord, StudyResults
from kdsearch.report import answer_of, build, build_across_studies
from kdsearch.search.orphans import REPLACED

from . import corners, drawing
from .corners import around, changed, distilling
from .drawing import ALONE, SECOND, TEACHER, WINNER

Make = Callable[..., StudyResults]


def notes(found: StudyResults, table: str = "") -> tuple[str, ...]:
    report = build(found)
    return report.table(table).notes if table else report.notes


def test_a_preset_is_named() -> None:
    found = distilling(0.02)
    assert "Preset cpu." in notes(changed(found, settings=found.study.settings.changed(preset="cpu")))
    assert not any(note.startswith("Preset") for note in notes(found))


def test_words_and_switches_are_written_as_they_are() -> None:
    answer = answer_of(corners.with_params(distilling(0.02), WINNER, alpha="soft", patience=True))
    assert answer is not None
    assert answer.numbers == "Winner c4: alpha=soft, patience=True."


def test_a_function_whose_winner_does_without_what_the_file_names() -> None:
    found = corners.with_params(corners.named(), WINNER, alpha=0.1)
    (void,) = [note for note in notes(found) if note.startswith("There is no primary")]
    assert void == (
        "There is no primary comparison: the winner does without distillation already (alpha = 0.1), so the winner "
        "without distillation is the winner itself: the search found no use for distillation."
    )
    answer = answer_of(found)
    assert answer is not None
    assert answer.sentence.startswith(
        "The search found no use for distillation: the configuration that it chose does with"
    )


def test_flips_of_an_undecided_baseline_are_not_held_against_holm() -> None:
    gains = [0.4, 0.011, 0.012, 0.010, 0.013, 0.012, 0.011, 0.014]
    found = corners.function({WINNER: [0.5 + gain for gain in gains], ALONE: [0.5] * 8})
    answer = answer_of(found)
    assert answer is not None
    assert answer.verdict == "undecided"
    assert not any("sign flips" in line for line in answer.remarks), "its p is not adjusted for other baselines"


def test_teachers_that_were_replaced_are_counted() -> None:
    event = EventRecord(drawing.CHOSEN_AT, REPLACED, "replaced", data={"teacher": 901, "pool": "confirm"})
    found = distilling(0.02, events=[event])
    own = [run.id for run in found.runs if run.pool == "confirm"]
    runs = tuple(replace(run, needs=1000 + own.index(run.id) % 8) if run.id in own else run for run in found.runs)
    assert (
        "1 of 9 teachers of fresh seeds diverged or failed, and another was trained in its place before it taught "
        "any student."
    ) in notes(replace(found, runs=runs))


def test_a_long_search_shows_its_first_ten() -> None:
    found = drawing.results({}, phase="search")
    rows, runs = dict(found.configurations), list(found.runs)
    for index in range(12):
        record = ConfigurationRecord(100 + index, "searched", f"c{index}", rows[SECOND].params, "sampler")
        rows[record.id] = replace(record, params={**record.params, "alpha": index / 12})
        runs += drawing.runs(found.study, rows[record.id], "search", [0.6 + 0.01 * index, 0.605 + 0.01 * index])
    table = build(replace(found, configurations=rows, runs=tuple(runs))).table("leading")
    assert "Shown: the first 10 of 14." in table.notes
    assert len(table.rows) == 10


def test_a_teacher_at_its_last_epoch_stands_below_its_best() -> None:
    found = changed(distilling(0.02), description="JHMDB poses, 609 clips; teacher pose_conv width 96, last epoch")
    assert notes(found, "preflight")[1].endswith(
        "Fresh seeds have teachers of their own. The gap is understated: the student stands at its best epoch on these "
        "clips, the teacher at its last."
    )
    images = changed(found, description="CIFAR-10, 2000 images; teacher resnet, last epoch")
    assert "stands at its best epoch on these images, the" in notes(images, "preflight")[1]


@pytest.mark.parametrize("missing", ["teacher", "preflight"])
def test_nothing_is_said_of_a_gap_that_was_not_measured(missing: str) -> None:
    found = changed(distilling(0.02), description="JHMDB poses, 609 clips; teacher pose_conv width 96, last epoch")
    half = replace(found, runs=tuple(run for run in found.runs if run.pool != missing))
    assert not any("The gap is" in note for note in notes(half, "preflight"))


def test_a_single_teacher_of_one_seed_measures_the_gap(results: Make) -> None:
    full = results()
    settings = full.study.settings.changed(teachers="per-seed")
    one = tuple(run for run in full.runs if run.configuration_id != TEACHER or run.id == 1)
    said = notes(replace(full, runs=one, study=replace(full.study, settings=settings)), "preflight")
    assert "Each student seed has its own teacher; this one measures the gap." in said


def test_equal_teachers_and_students_give_no_interval_and_say_so() -> None:
    event = corners.preflight_event(difference=0.0, warning=True, teacher=[0.7, 0.7], student=[0.7, 0.7])
    assert notes(distilling(0.02, events=[event]), "preflight")[0] == (
        "Verdict: hardly a gap to distil: teacher minus student alone is +0.0000; where values are equal there is no "
        "interval."
    )


def test_studies_beside_each_other_in_the_corners(results: Make) -> None:
    other = changed(results(), name="other@poses-split1", settings=results().study.settings.changed(title="other"))
    with pytest.raises(KdsearchError, match=r"other@poses-split1 ended without a winner; see kdsearch status other@"):
        build_across_studies([results(), changed(other, winner_id=None)])
    first = replace(results(), runs=tuple(run for run in results().runs if run.seed != 2**31))
    (table,) = build_across_studies([first, other]).tables
    assert "other: 2 of its 3 seeds ended in the first study too." in table.notes


def test_the_noise_of_the_helper_adds_up_to_nothing() -> None:
    assert sum(around(0.0)) == pytest.approx(0)
