"""No result, many runs lost, a seed without effect, cut intervals: said before any number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kdsearch.ledger.records import StudyResults
from kdsearch.report import Estimate, build

from . import corners, drawing
from .drawing import ALONE, SECOND

Make = Callable[..., StudyResults]
WINNER, ABLATION = 10, 20


def failing(results: StudyResults, pool: str, *configurations: int) -> StudyResults:
    runs = tuple(
        replace(run, state="failed", objective=None, score=None, scores={})
        if run.pool == pool and run.configuration_id in configurations
        else run
        for run in results.runs
    )
    return replace(results, runs=runs)


def first_id(results: StudyResults, configuration: int) -> int:
    return next(run.id for run in results.runs if (run.configuration_id, run.pool) == (configuration, "confirm"))


def test_a_winner_whose_confirm_runs_all_failed_is_said_first(results: Make) -> None:
    full = failing(results(), "confirm", WINNER)
    notes = build(full).notes
    assert notes[0] == f"No result: every confirm run of the winner failed; see kdsearch logs {first_id(full, WINNER)}."
    assert not any("ended yet" in note for note in notes)


def test_an_ablation_whose_confirm_runs_all_failed_is_said_first(results: Make) -> None:
    full = failing(results(), "confirm", ABLATION)
    report = build(full)
    assert report.notes[0] == (
        "No result of the primary comparison: every confirm run of the winner without distillation failed; see "
        f"kdsearch logs {first_id(full, ABLATION)}."
    )
    texts = [*report.notes, *(note for table in report.tables for note in table.notes)]
    assert not any("ended yet" in text or "yet" in text.split() for text in texts)


def test_confirm_runs_of_other_code_are_not_called_failed(results: Make) -> None:
    full = results()
    runs = tuple(
        replace(run, code_hash="bbbb") if run.pool == "confirm" and run.configuration_id == WINNER else run
        for run in full.runs
    )
    assert build(replace(full, runs=runs)).notes[0] == (
        "No result: 3 confirm runs of the winner ended under another code hash, not counted; include by --mix-code."
    )
    gone = tuple(run for run in full.runs if run.pool != "confirm" or run.configuration_id != WINNER)
    assert build(replace(full, runs=gone)).notes[0].startswith("No result: the ledger holds no confirm run")


def test_many_failed_runs_are_the_first_note(results: Make) -> None:
    assert not any("Many runs failed" in note for note in build(results()).notes)  # 1 of 7 search runs
    notes = build(failing(results(), "search", 11)).notes
    assert notes[0].startswith("Many runs failed: 3 of 7 search runs. What is left")
    both = build(failing(failing(results(), "search", 11), "confirm", 3, 2)).notes
    assert both[0].startswith("Many runs failed: 3 of 7 search runs and 6 of 15 confirm runs.")
    searching = build(failing(results("search"), "search", 11)).notes
    assert searching[0].startswith("Many runs failed: 3 of 7 search runs.")


def test_quiet_while_confirm_runs_are_going(results: Make) -> None:
    waiting = replace(results("confirm"), runs=tuple(run for run in results("confirm").runs if run.pool != "confirm"))
    assert not any(note.startswith("No result") for note in build(waiting).notes)


def test_runs_that_diverged_are_said_from_a_tenth_of_what_is_compared_and_a_quarter_of_the_search() -> None:
    full = corners.distilling(0.02, n=11)
    assert not any("diverged" in note for note in build(corners.diverged(full, ALONE, 1)).notes), "1 of 11"
    (two,) = [note for note in build(corners.diverged(full, ALONE, 2)).notes if "Many runs diverged" in note]
    assert two.startswith("Many runs diverged: 2 of 11 fresh runs of student alone. They count at chance level (0.05)")
    finalist = build(corners.diverged(full, SECOND, 9)).notes
    assert not any("diverged" in note for note in finalist), "no statement is made of it"
    quarter = corners.diverged(full, drawing.WINNER, 2, "search")  # of 8
    assert not any("diverged" in note for note in build(quarter).notes)
    more = build(corners.diverged(quarter, SECOND, 1, "search")).notes
    assert more[0].startswith("Many runs diverged: 3 of 8 search runs.")


def test_equal_values_of_three_seeds_ask_whether_the_seed_is_used() -> None:
    def said(values: list[float]) -> bool:
        found = corners.function({drawing.WINNER: values, ALONE: corners.around(0.7, len(values))})
        return any("is the seed used?" in note for note in build(found).notes)

    assert said([0.8, 0.8, 0.8])
    assert not said([0.8, 0.8]), "two may be equal by chance"
    assert not said([0.8, 0.8, 0.81])
    assert not any(
        "is the seed used?" in note for note in build(corners.diverged(corners.distilling(0.02), ALONE, 8)).notes
    ), "chance level is no value of a seed"


def test_an_interval_is_cut_where_the_metric_ends_and_nowhere_else() -> None:
    wide = {drawing.WINNER: [0.7, 0.1], drawing.ABLATION: [0.2, 0.6], ALONE: [0.70, 0.71]}
    report = build(drawing.results(wide))
    assert report.notes[0].startswith(
        "The intervals of the means of the winner (c4) and the winner without distillation "
    )
    table = report.table("comparison")
    mean, difference = table.column("score")[0], table.column("difference")[1]
    assert isinstance(mean, Estimate)
    assert isinstance(difference, Estimate)
    assert (mean.low, mean.high, difference.low, difference.high) == (0, 1, -1, 1)
    note = "mAP lies between 0 and 1: intervals that reach beyond, as those of few or of widely spread runs do, are cut"
    assert any(
        line.startswith(note)
        and line.endswith(" there, here of winner (c4), winner without distillation and student alone.")
        for line in table.notes
    ), "of student alone the difference alone was cut"
    assert not any(line.startswith(note) for line in report.table("winner").notes)
    narrow = build(corners.distilling(0.02))
    assert not any("lies between" in line for each in narrow.tables for line in each.notes)
    own = build(corners.function(wide)).table("comparison").column("score")[0]
    assert isinstance(own, Estimate)
    assert own.low < 0, "a function's values may be anything"
    percent = drawing.results({id_: [100 * value for value in values] for id_, values in wide.items()})
    cells = build(percent).table("comparison").column("score")[0]
    assert isinstance(cells, Estimate)
    assert cells.low < 0, "values above 1 are on another scale"


def test_all_rows_that_were_cut_are_named_or_called_several() -> None:
    wide: dict[int, list[float]] = {drawing.WINNER: [0.7, 0.1], SECOND: [0.2, 0.6]}
    report = build(drawing.results({**wide, drawing.ABLATION: [0.70, 0.71]}))
    assert report.notes[0].startswith("The intervals of the means of the winner (c4) and the finalist c5 reach beyond")
    more = build(drawing.results({**wide, drawing.ABLATION: [0.2, 0.6], ALONE: [0.1, 0.9]}))
    assert more.notes[0].startswith("The intervals of the means of several rows reach beyond 0 to 1, where mAP lies")
    assert any(line.endswith("are cut there, here of several rows.") for line in more.table("comparison").notes)


def test_a_chance_level_that_wins_is_said() -> None:
    """What diverged counts at chance; where that is better than all that ended well, it leads."""
    lost = corners.diverged(corners.distilling(0.02), drawing.WINNER, 1, "search")
    assert not any("lead the search" in note for note in build(lost).notes)
    above = replace(lost, study=replace(lost.study, chance=0.99))
    (said,) = [note for note in build(above).notes if "lead the search" in note]
    assert said.startswith("Runs that diverged count at chance=0.99, which is better than all ")
    none = replace(above, runs=corners.distilling(0.02).runs)
    assert not any("lead the search" in note for note in build(none).notes)
