"""Reports of awkward studies: rounding, losses, diverged runs, numbers that nothing reads, equal differences."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import kdsearch as kd
from kdsearch.ledger.records import StudyResults
from kdsearch.report import answer_of, build, render, status
from kdsearch.report.comparisons import compare
from kdsearch.report.configurations import void_primary
from kdsearch.report.sections.transfer import transfer
from kdsearch.report.selection import select
from kdsearch.statistics.verdicts import equal_needed

from . import corners, drawing
from .drawing import ABLATION, ALONE, PAPER, WINNER

BASE = [0.71, 0.73, 0.72, 0.70, 0.74, 0.715]
NOISE = [0.013, -0.007, 0.0031, 0.0017, -0.011, 0.0023]


def constant_gain(gain: float, noise: list[float] | None = None) -> StudyResults:
    """Distillation adds a constant; test is validation and a noise of the seed that it shares."""
    shift = NOISE if noise is None else noise
    validation = {WINNER: [value + gain for value in BASE], ABLATION: BASE}
    test = {id_: [one + other for one, other in zip(values, shift, strict=True)] for id_, values in validation.items()}
    return drawing.results({**test, ALONE: [0.6] * 6}, objectives=validation)


@pytest.mark.parametrize("noise", [NOISE, [0.0] * 6, [-one for one in NOISE]])
def test_rounding_claims_nothing_of_transfer(noise: list[float]) -> None:
    full = constant_gain(0.037, noise)
    selection = select(full)
    found = transfer(selection, compare(selection), ABLATION)
    assert found is not None
    assert found.validation.mean == pytest.approx(0.037)
    assert (found.excess.mean, found.excess.sd, found.differs) == (0.0, 0.0, False)
    answer = answer_of(full)
    assert answer is not None
    assert not any("validation minus test" in remark for remark in answer.remarks)
    tables = {table["key"]: table for table in json.loads(render(build(full), "json"))["tables"]}
    cell = next(iter(tables["transfer"]["rows"][2]["cells"].values()))
    assert cell["value"] == 0


def test_a_small_gain_that_is_no_rounding_stays() -> None:
    selection = select(constant_gain(1e-9))
    found = transfer(selection, compare(selection), ABLATION)
    assert found is not None
    assert found.validation.mean == pytest.approx(1e-9)


@pytest.mark.parametrize(
    ("validation", "test", "meaning"),
    [
        (-0.04, -0.01, "validation shows a larger loss than test."),
        (-0.04, 0.01, "validation shows a loss, and test a gain."),
        (-0.04, 0.0, "validation shows a loss, and test none."),
        (0.0, 0.04, "validation understates the gain."),
        (0.0, -0.04, "new data show a loss, validation none."),
    ],
)
def test_a_loss_is_called_a_loss(validation: float, test: float, meaning: str) -> None:
    noise = corners.around(0.0, scale=0.5)
    scores = {WINNER: [0.72 + test + one for one in noise], ABLATION: [0.72] * 8, ALONE: corners.around(0.7)}
    objectives = {WINNER: [0.8 + validation - one for one in noise], ABLATION: [0.8] * 8}
    answer = answer_of(drawing.results(scores, objectives=objectives))
    assert answer is not None
    assert answer.remarks[-1].endswith(meaning)


def test_transfer_has_the_decimals_of_the_metric() -> None:
    def percent(values: list[float]) -> list[float]:
        return [100 * value for value in values]

    ours, theirs = percent(corners.around(0.74)), percent(corners.around(0.72, start=3))
    objectives = {WINNER: percent(corners.around(0.78, start=1)), ABLATION: percent(corners.around(0.75, start=6))}
    report = build(drawing.results({WINNER: ours, ABLATION: theirs}, objectives=objectives))
    lines = {line.split("|")[1].strip(): line for line in render(report, "md").splitlines() if line.startswith("| on ")}
    assert "+2.00" in lines["on test: new seeds, new data"]
    assert "+2.0000" not in lines["on test: new seeds, new data"]
    # in shares, four decimals as ever
    assert "+0.0200" in render(build(corners.distilling(0.02)), "md").split("Transfer of the gain")[1]


def test_where_every_run_diverged_nothing_was_found() -> None:
    full = drawing.results({id_: corners.around(0.72) for id_ in (WINNER, ABLATION)})
    first = build(corners.diverged(corners.diverged(full, WINNER, 8), ABLATION, 8)).notes
    assert first[0] == (
        "Every fresh run diverged: all 8 fresh runs of the winner (c4) and all 8 fresh runs of the winner without "
        "distillation. Nothing was found. They count at chance level (0.05), so that differences and verdicts say "
        "nothing."
    )
    assert not any("two kinds of runs" in note for note in first)
    one = build(corners.diverged(corners.diverged(full, WINNER, 8), ABLATION, 2)).notes
    assert one[0].startswith("Every fresh run of the winner diverged: all 8 fresh runs of the winner (c4). Nothing was")
    assert one[1].startswith("Many runs diverged: 2 of 8 fresh runs of the winner without distillation.")
    other = build(corners.diverged(full, ABLATION, 8)).notes
    assert other[0].startswith("Runs of one kind all diverged: all 8 fresh runs of the winner without distillation. ")
    assert other[0].endswith("so that the winner is compared with chance.")
    assert not any("Nothing was found" in note for note in other)


def conditional(kind: str, alpha: float) -> StudyResults:
    """``alpha`` is read where ``kind`` is kd alone, and 0 is without distillation."""
    space = {"kind": kd.categorical(["kd", "none"]), "alpha": kd.when(kd.uniform(0, 1), kind="kd")}
    found = corners.distilling(0.02)
    settings = found.study.settings.changed(
        space={name: dimension.identity() for name, dimension in space.items()},
        dimensions=list(space),
        teacher_parameters=["alpha"],
        without_values={"alpha": 0},
    )
    found = replace(found, study=replace(found.study, settings=settings))
    found = corners.with_params(found, WINNER, kind=kind, alpha=alpha)
    return corners.with_params(found, ABLATION, kind=kind, alpha=0)


def test_a_number_that_the_winner_does_not_read_is_no_use_of_distillation() -> None:
    found = conditional("none", 0.5)
    answer = answer_of(found)
    assert answer is not None
    assert answer.sentence.startswith(
        "The search found no use for distillation: the configuration that it chose does without"
    )
    why = void_primary(select(found))
    assert why is not None
    assert "does without distillation already (alpha is not read)" in why
    labels = [row.label for row in build(found).table("comparison").rows]
    assert not any("without distillation" in label for label in labels)
    used = answer_of(conditional("kd", 0.5))
    assert used is not None
    assert used.sentence.startswith("Distillation helps")


def equal_rows(**more: Any) -> StudyResults:
    """The winner ahead by 0.0399 of two baselines, on each of six seeds."""
    base = [0.70, 0.71, 0.72, 0.69, 0.70, 0.73]
    scores = {WINNER: base, ALONE: [one - 0.0399 for one in base], PAPER: [one - 0.0399 for one in base]}
    return corners.function(scores, **more)


def test_equal_differences_say_that_the_number_of_seeds_holds_them_back() -> None:
    table = build(equal_rows()).table("comparison")
    assert table.column("verdict")[1:] == ["undecided", "undecided"]
    holm = table.column("holm_p")[1:]
    # 2 / 2**6 = 0.03125; a first look spends 0.8 of alpha; two baselines
    assert holm == pytest.approx([2 * 0.03125 / 0.8] * 2, rel=1e-3)
    # after a look at six, 2 / 2**8 = 0.0078 is 0.0349, and twice that too much; 2 / 2**9 = 0.0039 is 0.0205
    assert (
        "student alone: undecided only for the number of seeds; the same difference on each of 6 seeds: 9 seeds in all "
        "would decide." in table.notes
    )
    assert not any("not distinguishable" in note for note in table.notes)
    (family,) = [note for note in table.notes if note.startswith("Holm p")]
    assert family.startswith("Holm p: t test (where all differences of a row are equal, the exact test of sign flips ")
    usual = build(corners.only_baseline_of_two()).table("comparison").notes
    assert any(note.startswith("Holm p: t test, adjusted") for note in usual)


@pytest.mark.parametrize(("seeds", "verdict"), [(8, "undecided"), (9, "better")])
def test_so_many_seeds_do_decide_when_they_are_there(seeds: int, verdict: str) -> None:
    base = [0.70 + 0.01 * index for index in range(seeds)]
    ahead = [one - 0.0399 for one in base]
    found = corners.function({WINNER: base, ALONE: ahead, PAPER: ahead})
    first = min(run.seed for run in found.runs if run.pool == "confirm")
    late = drawing.CHOSEN_AT + timedelta(hours=3)
    runs = tuple(
        replace(run, finished_at=late) if run.pool == "confirm" and run.seed >= first + 6 else run for run in found.runs
    )
    table = build(replace(found, runs=runs, events=(*found.events, drawing.look(6, 2)))).table("comparison")
    assert table.column("verdict")[1:] == [verdict, verdict]


def test_equal_needed_by_hand() -> None:
    # 2 / 2**6 / 0.8 = 0.039; for one of two 2 * 2 / 2**7 / 0.8 = 0.039, and 0.078 with six
    assert (equal_needed(()), equal_needed((), family=2)) == (6, 7)
    assert (equal_needed((6,)), equal_needed((6,), family=2)) == (8, 9)


def test_an_option_like_file_is_a_path_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (str(tmp_path / "-z.py"), "-z.py"):
        answer = answer_of(corners.changed(corners.distilling(0.02), source_file=source))
        assert answer is not None
        assert answer.train is not None
        assert shlex.split(answer.train)[:3] == ["kdsearch", "train", "./-z.py"]
    usual = answer_of(corners.changed(corners.distilling(0.02), source_file=str(tmp_path / "z.py")))
    assert usual is not None
    assert usual.train is not None
    assert shlex.split(usual.train)[2] == "z.py"


def test_status_of_a_study_that_was_extended_and_not_launched() -> None:
    confirm = {"seeds": 8, "finalists": 1, "others": None}
    done = corners.distilling(0.02, confirm=confirm)
    assert not any("xtended" in note for note in status(done).notes)
    more = corners.distilling(0.02, confirm={**confirm, "seeds": 10})
    notes = status(more).notes
    assert notes[1] == "Extended to 10 fresh seeds, 8 ended; launch again. Until then the answer is that of 8."
    assert not any("Left" in note for note in notes)
    launched = status(replace(more, study=replace(more.study, phase="confirm"))).notes
    assert any(note.startswith("Left: about") for note in launched)
    assert not any("xtended" in note for note in launched)


def test_status_gives_no_time_where_nobody_works() -> None:
    confirm = {"seeds": 10, "finalists": 1, "others": None}
    found = corners.distilling(0.02, confirm=confirm, phase="confirm")
    (left,) = [note for note in status(found, working=False).notes if note.startswith("Left")]
    # two seeds for winner, ablation, best without, student alone, the finalist; ten of paper; a teacher for each seed
    assert left == "Left: about 30 runs; no worker holds a run now: if no launch is going on, launch again."
    assert any(" at the pace of " in note for note in status(found, working=True).notes)


def test_one_equal_seed_is_level() -> None:
    found = drawing.results({WINNER: [0.1 + 0.2], ABLATION: [0.3]}, objectives={WINNER: [0.3], ABLATION: [0.3]})
    selection = select(found)
    gain = transfer(selection, compare(selection), ABLATION)
    assert gain is not None
    assert (gain.test.mean, gain.excess.mean, math.isnan(gain.excess.low)) == (0.0, 0.0, True)
