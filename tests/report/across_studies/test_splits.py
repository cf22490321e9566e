"""One study on several official splits: which studies are one but for their split, and what the table says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kdsearch as kd
from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import StudyResults
from kdsearch.ledger.studies import to_json
from kdsearch.report import FORMATS, Estimate, build_across_studies, render
from kdsearch.report.across_studies.splits import differ_in_split, split_of

from .. import drawing
from ..drawing import ABLATION, ALONE, BEST, PAPER, WINNER

Make = Callable[..., StudyResults]


def on_split(number: int, shift: float = 0.0, **settings: Any) -> StudyResults:
    """Means 0.72, 0.71, 0.70 and 0.68 of winner, itself without, best without and the student alone, plus a shift."""
    spread = [-0.01, 0.0, 0.01]
    means = {WINNER: 0.72, ABLATION: 0.71, BEST: 0.70, ALONE: 0.68}
    scores = {id_: [mean + shift + each for each in spread] for id_, mean in means.items()}
    if number == 1:
        scores[PAPER] = [0.6, 0.6, 0.6]  # the others have none
    found = drawing.results(scores, **settings)
    return with_data(
        drawing.without(
            found, id=number, name=f"weights@poses-split{number}-5folds", description=f"JHMDB clips, split {number}"
        ),
        protocol=f"split{number}",
    )


def with_data(found: StudyResults, **changes: Any) -> StudyResults:
    task = found.study.identity["task"]
    data = {**task["data"], **changes}
    settings = found.study.settings.changed(measured_on=repr(data))
    return drawing.without(found, identity={**found.study.identity, "task": {**task, "data": data}}, settings=settings)


def three(**settings: Any) -> list[StudyResults]:
    return [on_split(2, 0.02, **settings), on_split(1, **settings), on_split(3, 0.01, **settings)]


def test_means_and_their_sd_by_hand() -> None:
    report = build_across_studies(three())
    (table,) = report.tables
    assert report.title == "Over splits"
    assert [column.title for column in table.columns] == ["split1", "split2", "split3", "over splits"]
    labels = ["winner", "winner without distillation", "best without distillation", "student alone"]
    assert [row.label for row in table.rows] == labels, "paper was run on one split alone"
    assert table.rows[0].note == "n = 3, 3, 3"
    winner = [cell for cell in table.rows[0].cells if isinstance(cell, Estimate)]
    assert [cell.value for cell in winner] == pytest.approx([0.72, 0.74, 0.73, 0.73])
    assert winner[0].sd == pytest.approx(0.01)
    assert winner[3].sd == pytest.approx(0.01)  # of 0.72, 0.74, 0.73
    assert winner[3].n == 3
    assert winner[3].low != winner[3].low, "no interval over splits"
    assert not any(column.key in ("verdict", "t_p", "difference") for column in table.columns)


def test_it_says_why_there_is_no_verdict_and_what_each_split_found() -> None:
    report = build_across_studies(three())
    (table,) = report.tables
    assert (
        "Descriptive, without a verdict: the lists of the splits overlap, for clips that are tested in one train in "
        "another, so their means are not independent, and an sd over so few has no interval. Each split's own "
        "comparison stands above and in its own report."
    ) in table.notes
    assert (
        "Each split has a search of its own, so that its winner has other parameters than those of the other splits."
        in table.notes
    )
    assert "split2 (weights@poses-split2-5folds): JHMDB clips, split 2; 0.23 hours of training." in table.notes
    assert table.caption == (
        "test mAP at the epoch chosen on validation, fresh confirm seeds; each column is one study, searched by itself "
        "on its split; within a split, sd over student seeds, partitions and teachers; n = runs, one a seed; over "
        "splits: sd of the splits' means."
    )
    found = [note for note in report.notes if "Primary" in note]
    assert [note.split(":")[0] for note in found] == ["split1", "split2", "split3"]
    assert all("on 3 common fresh seeds: +0.0100 (equal differences: no interval)" in note for note in found)
    for form in FORMATS:
        assert "Descriptive, without a verdict" in " ".join(render(report, form).split())


def test_two_of_three_splits_are_said() -> None:
    (table,) = build_across_studies(three()[:2]).tables
    assert ("The field reports the mean over all 3 splits: without split3 this is another number.") in table.notes
    assert not any("The field reports" in note for note in build_across_studies(three()).tables[0].notes)


def test_a_winner_without_teacher_is_itself_without_distillation() -> None:
    one, two, other = three()
    rows = dict(one.configurations)
    rows[WINNER] = replace(rows[WINNER], params={**rows[WINNER].params, "alpha": 0})
    idle = replace(one, configurations=rows, runs=tuple(r for r in one.runs if r.configuration_id != ABLATION))
    (table,) = build_across_studies([idle, two, other]).tables
    without = next(row for row in table.rows if row.label == "winner without distillation")
    second = without.cells[1]
    assert isinstance(second, Estimate)
    assert second.value == pytest.approx(0.74), "the winner's own"
    assert "The winner of split2 uses no teacher: it is itself without distillation." in table.notes


def test_notes_of_diverged_runs_older_recipes_and_teachers() -> None:
    one, two, other = three()
    said = "Diverged runs count at chance level (0.05, 0.05, 0.05)."
    assert said not in build_across_studies([one, two, other]).tables[0].notes
    lost = replace(one, runs=tuple(replace(r, state="diverged") if _first(r) else r for r in one.runs))
    (table,) = build_across_studies([lost, two, other]).tables
    assert said in table.notes
    assert table.rows[0].note == "n = 3, 3, 3; 3 diverged"
    assert table.rows[1].note == "n = 3, 3, 3"
    (older,) = build_across_studies(three(folds=0, teachers="one")).tables
    assert any(
        note.startswith("split1 (") and "; epochs and teacher chosen on validation, one split; " in note
        for note in older.notes
    )
    (given,) = build_across_studies(three(teachers="given", teacher_saw="train")).tables
    assert any("; the teacher saw the clips that validate, so gains" in note for note in given.notes)
    (shared,) = build_across_studies(three(teachers=2)).tables
    assert shared.notes[-1].startswith("Interval of a mean: 95 %, over the teachers' means")


def _first(run: Any) -> bool:
    return run.configuration_id == WINNER and run.pool == "confirm"


def test_what_is_one_study_but_for_its_split() -> None:
    assert differ_in_split(three())
    assert differ_in_split(three()[:2])
    assert not differ_in_split(three()[:1])
    assert not differ_in_split([on_split(1), on_split(1)])
    assert not differ_in_split([on_split(1), with_data(on_split(2), folds=4)])
    assert not differ_in_split([on_split(1), with_data(on_split(2), protocol="seed")])
    other = on_split(2)
    changed = drawing.without(other, identity={**other.study.identity, "seed": 1})
    assert not differ_in_split([on_split(1), changed])
    preset = drawing.without(other, identity={**other.study.identity, "preset": "second"})
    assert differ_in_split([on_split(1), preset]), "a preset is how a study file names another split"
    files = drawing.without(other, identity={**other.study.identity, "data": "other files"})
    assert not differ_in_split([on_split(1), files])


def test_presets_of_the_jhmdb_study_are_its_official_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    file = Path(__file__).resolve().parents[3] / "studies" / "jhmdb_weights.py"
    studies = [kd.load(file, preset=preset) for preset in ("cpu", "split2", "split3")]
    assert [study.stored_name for study in studies] == [
        "jhmdb_weights@standin-poses-split1-5folds+cpu",
        "jhmdb_weights@standin-poses-split2-5folds+split2",
        "jhmdb_weights@standin-poses-split3-5folds+split3",
    ]
    assert len({(str(study.budget), str(study.confirm)) for study in studies}) == 1
    found = [
        drawing.without(on_split(1 + place), identity=to_json(study.identity())) for place, study in enumerate(studies)
    ]
    assert [split_of(result.study) for result in found] == ["split1", "split2", "split3"]
    assert differ_in_split(found)


def test_lists_of_action_data_are_part_of_their_fingerprint() -> None:
    def hmdb51(split: int, fingerprint: str) -> StudyResults:
        found = with_data(on_split(split), data="hmdb51", split=split, protocol=None)
        return drawing.without(found, identity={**found.study.identity, "data": fingerprint})

    assert split_of(hmdb51(3, "c").study) == "split3"
    assert differ_in_split([hmdb51(1, "a"), hmdb51(2, "b")])
    assert [column.title for column in build_across_studies([hmdb51(2, "b"), hmdb51(1, "a")]).tables[0].columns][
        :2
    ] == [
        "split1",
        "split2",
    ]


def test_data_without_official_splits_have_none(results: Make) -> None:
    assert split_of(results().study) is None, "this task names no data"
    assert split_of(with_data(on_split(1), protocol=None, split=None).study) is None


def test_other_studies_on_other_splits_are_refused_as_before() -> None:
    changed = drawing.without(on_split(2), identity={**on_split(2).study.identity, "seed": 1})
    with pytest.raises(KdsearchError, match="same data and parts"):
        build_across_studies([on_split(1), changed])
    other_code = replace(on_split(2), runs=tuple(replace(run, code_hash="bbbb") for run in on_split(2).runs))
    with pytest.raises(KdsearchError, match="different trainer code"):
        build_across_studies([on_split(1), other_code])
    assert build_across_studies([on_split(1), other_code], mix_code=True).tables
