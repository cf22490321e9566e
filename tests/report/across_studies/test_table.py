"""Studies in one table: by hand, and refused where they do not measure the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import EventRecord, StudyResults
from kdsearch.ledger.settings import StudySettings
from kdsearch.report import FORMATS, build_across_studies, render
from kdsearch.report.comparisons import EQUAL_FEW
from kdsearch.report.tables import Estimate
from kdsearch.tasks.function import FunctionTask
from tests.report.conftest import ABLATION, WINNER

Make = Callable[..., StudyResults]


def named(results: StudyResults, name: str, shift: float = 0.0, **settings: Any) -> StudyResults:
    """The same study under another name, its winner's test scores moved."""
    study = results.study
    runs = tuple(
        replace(run, score=run.score - shift) if _fresh(run) and run.score is not None else run for run in results.runs
    )
    changed = replace(study, id=2, name=f"{name}@data", settings=study.settings.changed(**{"title": name, **settings}))
    return replace(results, study=changed, runs=runs)


def _fresh(run: Any) -> bool:
    return run.configuration_id == WINNER and run.pool == "confirm"


def test_by_hand(results: Make) -> None:
    other = named(results(), "other", shift=0.03)
    seeds = sorted(run.seed for run in other.runs if _fresh(run))
    moved = {seeds[0]: 0.01, seeds[2]: -0.01}
    other = replace(
        other,
        runs=tuple(
            replace(run, score=run.score + moved.get(run.seed, 0.0), seconds=9.0)
            if _fresh(run) and run.score is not None
            else run
            for run in other.runs
        ),
    )
    (table,) = build_across_studies([results(), other]).tables
    assert [row.label for row in table.rows] == [
        "weights (#10)",
        "other (#10)",
        "weights without distillation",
        "other without distillation",
    ]
    # 0.70, 0.72, 0.74 against 0.68, 0.69, 0.70: differences 0.02, 0.03, 0.04, mean 0.03, sd 0.01. The first look
    # spends 0.80 of 5 %: half = t[0.98, 2] * 0.01 / sqrt(3) = 4.848732 * 0.0057735 = 0.027994.
    first, row = table.column("difference")[:2]
    assert first is None
    assert isinstance(row, Estimate)
    assert (row.value, row.low, row.high) == pytest.approx((0.03, 0.002006, 0.057994), abs=1e-6)
    # t = 0.03 / 0.0057735 = 5.196152 with 2 degrees of freedom: p = 1 - 5.196152 / sqrt(2 + 27) = 0.035099, / 0.8.
    assert table.column("holm_p")[1] == pytest.approx(0.035099 / 0.8, abs=1e-6)
    assert table.column("verdict") == [None, "better", "context", "context"]
    assert table.column("search_runs") == [7, 7, None, None]  # one failed
    assert table.column("seconds") == [36.0, 9.0, 36.0, 36.0]
    # The small study's runs take 36 s each: 3 teachers, 3 pre-flight, 7 search and 15 confirm runs.
    assert table.column("hours")[0] == pytest.approx(28 * 36 / 3600)
    assert [row.context for row in table.rows] == [False, False, True, True]
    # Winner minus without: 0.01, 0.02, 0.03 in the first, as in its own report; -0.01, -0.01, -0.01 in the other.
    assert (
        "Each winner minus itself without distillation, on its own fresh seeds: weights +0.0200 [-0.0080, +0.0480] "
        "(n = 3), undecided; other -0.0100 (equal differences: no interval) (n = 3), no verdict; each by its own "
        "study's rule, not adjusted over studies."
    ) in table.notes


def test_the_family_is_adjusted_and_the_first_one_named_is_compared(results: Make) -> None:
    studies = [results(), named(results(), "second", 0.02), named(results(), "third", 0.03)]
    (table,) = build_across_studies(studies).tables
    # Equal differences of three pairs are no certainty: no p, no interval, no verdict.
    assert table.column("verdict")[:3] == [None, "no verdict", "no verdict"]
    assert EQUAL_FEW in table.notes
    (turned,) = build_across_studies(studies[::-1]).tables
    assert [row.label for row in turned.rows][:3] == ["third (#10)", "second (#10)", "weights (#10)"]
    differences = [cell.value for cell in turned.column("difference")[1:3] if isinstance(cell, Estimate)]
    assert differences == pytest.approx([-0.01, -0.03])


def test_looks_at_any_of_the_studies_widen_the_intervals(results: Make) -> None:
    once = results()
    looked = EventRecord(once.study.created_at, "look", "look at 2 seeds", data={"seeds": 2})
    chosen = EventRecord(once.study.created_at, "winner", "winner chosen", data={"winner": WINNER})
    again = replace(named(once, "other", 0.03), events=(chosen, looked))
    (table,) = build_across_studies([once, again]).tables
    confidence = next(column.confidence for column in table.columns if column.key == "difference")
    assert confidence > 0.96
    assert any("looked at before (2 of them)" in note for note in table.notes)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_it(results: Make, form: str) -> None:
    text = render(build_across_studies([results(), named(results(), "other", 0.03)]), form)
    assert "other" in text
    assert "Across studies" in text or form == "csv"


def test_a_study_without_a_teacher_row_stands_alone(results: Make) -> None:
    other = results()
    other = replace(other, runs=tuple(run for run in other.runs if run.configuration_id != ABLATION))
    (table,) = build_across_studies([results(), named(other, "other", 0.03)]).tables
    assert [row.label for row in table.rows] == ["weights (#10)", "other (#10)", "weights without distillation"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"measured_on": "elsewhere"}, "same data and parts, same metric"),
        ({"title": "x"}, None),
    ],
)
def test_studies_on_other_data_are_refused(results: Make, change: dict[str, Any], expected: str | None) -> None:
    studies = [results(), named(results(), "other", **change)]
    if expected is None:
        assert build_across_studies(studies).tables
        return
    with pytest.raises(KdsearchError, match=expected):
        build_across_studies(studies)


def test_another_metric_one_study_and_no_result_are_refused(results: Make) -> None:
    other = named(results(), "other")
    with pytest.raises(KdsearchError, match="same metric"):
        build_across_studies([results(), replace(other, study=replace(other.study, metric="accuracy"))])
    no_test = replace(other, runs=tuple(replace(run, score=None) for run in other.runs))
    with pytest.raises(KdsearchError, match="weights@poses-split1 has test scores and other@data has none"):
        build_across_studies([results(), no_test])
    with pytest.raises(KdsearchError, match="two studies or more"):
        build_across_studies([results()])
    with pytest.raises(KdsearchError, match="each named once"):
        build_across_studies([results(), results()])
    with pytest.raises(KdsearchError, match=r"other@data has no result yet \(phase search\)"):
        build_across_studies([results(), named(results("search"), "other")])
    failed = replace(other, runs=tuple(replace(run, state="failed") if _fresh(run) else run for run in other.runs))
    with pytest.raises(KdsearchError, match="other@data: No result: every confirm run of the winner failed"):
        build_across_studies([results(), failed])


def test_studies_made_before_studies_told_what_they_measure_go_by_their_data(results: Make) -> None:
    def old(found: StudyResults, data: str) -> StudyResults:
        settings = {name: value for name, value in found.study.settings.to_json().items() if name != "measured_on"}
        study = replace(found.study, settings=StudySettings.from_json(settings), data_hash=data)
        return replace(found, study=study)

    first = old(results(), "data")
    assert build_across_studies([first, old(named(results(), "other"), "data")]).tables
    with pytest.raises(KdsearchError, match="same data"):
        build_across_studies([first, old(named(results(), "other"), "others")])
    with pytest.raises(KdsearchError, match=r"was launched before studies stored .*: launch it once more"):
        build_across_studies([first, named(results(), "other")])


def test_functions_that_do_not_say_what_they_measure_are_not_taken_to_be_alike(results: Make) -> None:
    with pytest.raises(KdsearchError, match=r'data_version="\.\.\."'):
        build_across_studies([results(), named(results(), "other", measured_on=None)])
    unsaid = FunctionTask(lambda params, seed, report: 0.5, chance=0.0).fingerprint()
    old = [named(results(), name, measured_on=unsaid) for name in ("one", "two")]
    with pytest.raises(KdsearchError, match=r'data_version="\.\.\."'):
        build_across_studies(old)

    def trained(params: Any, seed: int, report: Any) -> float:
        return 0.5

    said = [
        FunctionTask(trained, chance=0.0, data_version=version).evaluation_fingerprint()
        for version in ("none", "a", "a", "b")
    ]
    assert said[0] is None
    assert said[1] == said[2] != said[3]


def test_different_trainer_code_is_refused_unless_asked_for(results: Make) -> None:
    other = named(results(), "other")
    other = replace(other, runs=tuple(replace(run, code_hash="bbbb") for run in other.runs))
    with pytest.raises(KdsearchError, match=r"different trainer code \(weights@poses-split1: aaaa; other@data: bbbb\)"):
        build_across_studies([results(), other])
    report = build_across_studies([results(), other], mix_code=True)
    assert any(note.startswith("Runs of 2 code hashes stand in this table") for note in report.notes)
    # A user's functions are each its own code, and may stand together once they say what they are measured on.
    identity = {**other.study.identity, "task": {"task": "function"}}
    function = replace(other, study=replace(other.study, identity=identity))
    assert build_across_studies([results(), function]).tables


def test_missing_failed_and_diverged_runs_are_said(results: Make) -> None:
    first, other = results(), named(results(), "other", 0.03)
    seeds = sorted(run.seed for run in other.runs if _fresh(run))

    def changed(run: Any) -> Any:
        if not _fresh(run) or run.seed == seeds[1]:
            return run
        if run.seed == seeds[0]:
            return replace(run, state="failed", score=None, objective=None)
        return replace(run, state="diverged")

    broken = replace(other, runs=tuple(map(changed, other.runs)))
    report = build_across_studies([first, broken])
    (table,) = report.tables
    assert any(note.startswith("other: 2 runs failed, not counted") for note in report.notes)
    assert table.column("n") == [3, 2, 3, 3]
    assert table.column("pairs")[1] == 2
    assert table.rows[1].note == "1/2 diverged"
    assert any(note.startswith("Diverged runs count at chance level (0.05)") for note in table.notes)
    away = replace(
        other, runs=tuple(replace(run, seed=run.seed + 100) if run.pool == "confirm" else run for run in other.runs)
    )
    (table,) = build_across_studies([first, away]).tables
    assert table.column("difference")[1] is None
    assert "other: no fresh seed ended in both, so there is no difference." in table.notes
    assert table.column("pairs")[1] is None


def test_every_undecided_row_has_its_sentence(results: Make) -> None:
    second, third = named(results(), "second"), named(results(), "third")
    moves = {0: 0.05, 1: -0.05, 2: 0.01}
    seeds = sorted(run.seed for run in third.runs if _fresh(run))
    third = replace(
        third,
        runs=tuple(
            replace(run, score=run.score + moves[seeds.index(run.seed)]) if _fresh(run) and run.score else run
            for run in third.runs
        ),
    )
    (table,) = build_across_studies([results(), second, third]).tables
    said = [note for note in table.notes if "not distinguishable from the first" in note]
    assert [note.split(":")[0] for note in said] == ["third"]
    assert EQUAL_FEW in table.notes, "the second is the first once more, which gives no verdict"
    assert said[0].endswith("not distinguishable from the first; 3 seeds are too few to tell how many resolve 0.01.")


@pytest.mark.parametrize(("teachers", "under"), [("none", "recipe and budget"), ("one", "recipe, budget and teacher")])
def test_a_teacher_is_spoken_of_where_one_study_has_one(results: Make, teachers: str, under: str) -> None:
    settings = results().study.settings.changed(teachers="none")
    first = replace(results(), study=replace(results().study, settings=settings))
    (table,) = build_across_studies([first, named(results(), "second", teachers=teachers)]).tables
    assert (
        f"What is compared are these winners: of one search each, under the {under} of its study. Another search of "
        "the same method may find another winner."
    ) in table.notes


def test_a_winner_that_does_without_its_method_is_said(results: Make) -> None:
    other = named(results(), "other", 0.03)
    idle = {
        id_: replace(record, params={**record.params, "alpha": 0, "representation_weight": 0})
        if id_ == WINNER
        else record
        for id_, record in other.configurations.items()
    }
    (table,) = build_across_studies([results(), replace(other, configurations=idle)]).tables
    assert table.rows[1].note == "without its method"
    assert any("the search found no use for distillation" in note for note in table.notes)
    assert [row.label for row in table.rows] == ["weights (#10)", "other (#10)", "weights without distillation"]
    lost = replace(results(), study=replace(results().study, ablation_id=None))
    (table,) = build_across_studies([lost, named(results(), "third")]).tables
    assert [row.note for row in table.rows][:2] == ["", ""], "it has its method, only no row without it"


def test_presets_of_one_study_are_told_apart(results: Make) -> None:
    one = results()
    two = replace(one, study=replace(one.study, name="weights@poses-split1+full"))
    (table,) = build_across_studies([one, two]).tables
    assert [row.label for row in table.rows][:2] == [
        "weights@poses-split1 (#10)",
        "weights@poses-split1+full (#10)",
    ]
