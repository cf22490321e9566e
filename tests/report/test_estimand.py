"""What a study of version 2 says its numbers are means over, what it holds, and how far its test clips carry them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from kdsearch.ledger.records import StudyResults
from kdsearch.report import FORMATS, build, render
from kdsearch.report.captions import describe_spread
from kdsearch.report.estimand import video_sentences
from kdsearch.report.selection import select

from . import drawing
from .drawing import ABLATION, ALONE, BEST, WINNER

Make = Callable[..., StudyResults]
SCORES = {
    WINNER: [0.70, 0.72, 0.74, 0.73, 0.71, 0.73],
    ABLATION: [0.69, 0.70, 0.71, 0.71, 0.70, 0.70],
    BEST: [0.68, 0.70, 0.71, 0.70, 0.70, 0.70],
    ALONE: [0.68, 0.69],
}
HELD = "initialisation+order"


def estimand(found: StudyResults) -> str:
    (said,) = [note for note in build(found).notes if note.startswith("Estimand")]
    return said


def no_teacher(**settings: Any) -> StudyResults:
    own = {"teachers": "none", "teacher_parameters": [], "without": 0.0, **settings}
    found = drawing.results(SCORES, vary="initialisation+order+split" if settings.get("folds", 5) else HELD, **own)
    return drawing.without(found, best_without_id=None)


def test_the_words_of_the_estimand() -> None:
    assert estimand(drawing.results(SCORES)) == (
        "Estimand: the mean, over student seeds, partitions of this train list and teachers trained so, of the test "
        "mAP of the winner minus itself with teacher weights 0 and all else equal, on this test list. Other test clips "
        "are not covered."
    )
    assert estimand(drawing.results(SCORES, teachers=6)) == estimand(drawing.results(SCORES)), "so many stand for them"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"question": "best without"},
            "over student seeds, partitions of this train list and teachers trained so, of the test mAP of the winner "
            "minus the best without distillation (w3), on this test list. Other test clips are not covered.",
        ),
        (
            {"teachers": "given", "teacher_saw": "train", "vary": f"{HELD}+split"},
            "over student seeds and partitions of this train list, of the test mAP of the winner minus itself with "
            "teacher weights 0 and all else equal, for this teacher, on this test list. Other test clips are not "
            "covered. Held: the teacher.",
        ),
        (
            {"teachers": "one", "folds": 1, "vary": HELD},
            "over student seeds, of the test mAP of the winner minus itself with teacher weights 0 and all else equal, "
            "for this teacher, on this test list. Other test clips are not covered. Held: the split and the teacher.",
        ),
        (
            {"vary": f"{HELD}+split"},
            "over student seeds and partitions of this train list, of the test mAP of the winner minus itself with "
            "teacher weights 0 and all else equal, for one teacher a fold, on this test list. Other test clips are not "
            "covered. Held: the teacher's own seed.",
        ),
        (
            {"vary": f"{HELD}+teacher"},
            "over student seeds and teachers trained so, of the test mAP of the winner minus itself with teacher "
            "weights 0 and all else equal, on this test list. Other test clips are not covered. Held: the split.",
        ),
        (
            {"vary": "split+teacher"},
            "over partitions of this train list and teachers trained so, of the test mAP of the winner minus itself "
            "with teacher weights 0 and all else equal, on this test list. Other test clips are not covered. Held: "
            "initialisation and order.",
        ),
        (
            {"vary": "nothing"},
            "over runs of one seed, of the test mAP of the winner minus itself with teacher weights 0 and all else "
            "equal, for this teacher, on this test list. Other test clips are not covered. Held: initialisation and "
            "order, the split and the teacher.",
        ),
        (
            {"teachers": "per-seed", "folds": 0},
            "over student seeds and teachers trained so, of the test mAP of the winner minus itself with teacher "
            "weights 0 and all else equal, on this test list. Other test clips are not covered. Held: the split.",
        ),
    ],
)
def test_it_says_what_is_drawn_and_what_is_held(settings: dict[str, Any], expected: str) -> None:
    assert estimand(drawing.results(SCORES, **settings)) == f"Estimand: the mean, {expected}"


def test_without_a_teacher_it_is_about_the_rows() -> None:
    assert estimand(no_teacher()) == (
        "Estimand: the mean, over student seeds and partitions of this train list, of the test mAP of the winner minus "
        "the row, on this test list. Other test clips are not covered."
    )
    assert estimand(no_teacher(folds=0)) == (
        "Estimand: the mean, over seeds, of the test mAP of the winner minus the row, on this test list. Other test "
        "clips are not covered. Held: all that does not follow from the seed."
    )
    images = drawing.without(no_teacher(), description="CIFAR-10, 2000 train images")
    assert estimand(images).endswith("Other test images are not covered.")
    bare = no_teacher(folds=0)
    bare = replace(
        drawing.without(bare, metric="objective"), runs=tuple(replace(run, score=None, scores={}) for run in bare.runs)
    )
    assert estimand(bare) == (
        "Estimand: the mean, over seeds, of the objective of the winner minus the row. Held: all that does not follow "
        "from the seed."
    )
    rows = {id_: row for id_, row in bare.configurations.items() if row.kind != "baseline"}
    single = replace(drawing.without(bare, finalist_ids=()), configurations=rows)
    assert estimand(single) == (
        "Estimand: the mean, over seeds, of the objective of the winner. Held: all that does not follow from the seed."
    )


def test_version_1_says_nothing_of_it(results: Make) -> None:
    assert not any(note.startswith(("Estimand", "Context, no verdict", "Second")) for note in build(results()).notes)
    primary = next(note for note in build(results()).notes if note.startswith("Primary"))
    assert primary.startswith("Primary comparison: winner minus winner without distillation, test mAP on 3 ")


@pytest.mark.parametrize(
    ("settings", "confirm", "search"),
    [
        (
            {},
            "sd over student seeds, partitions and teachers",
            "sd over student seeds and 5 folds of one partition, one teacher a fold",
        ),
        (
            {"teachers": 8},
            "sd over student seeds, partitions and 8 teachers",
            "sd over student seeds and 5 folds of one partition, one teacher a fold",
        ),
        (
            {"folds": 1},
            "sd over student seeds, partitions and teachers",
            "sd over student seeds, one teacher for all, split held",
        ),
        (
            {"teachers": "one", "folds": 1, "vary": HELD},
            "sd over student seeds, one teacher for all, split held",
            "sd over student seeds, one teacher for all, split held",
        ),
        (
            {"teachers": "given", "vary": f"{HELD}+split"},
            "sd over student seeds and partitions, the given teacher for all",
            "sd over student seeds and 5 folds of one partition, the given teacher for all",
        ),
        (
            {"teachers": "none", "vary": f"{HELD}+split"},
            "sd over student seeds and partitions, no teacher",
            "sd over student seeds and 5 folds of one partition, no teacher",
        ),
        (
            {"vary": f"{HELD}+split"},
            "sd over student seeds and partitions, one teacher a fold",
            "sd over student seeds and 5 folds of one partition, one teacher a fold",
        ),
        (
            {"vary": f"{HELD}+teacher"},
            "sd over student seeds and teachers, split held",
            "sd over student seeds and teachers, split held",
        ),
        (
            {"vary": "nothing"},
            "sd over runs of one seed, one teacher for all, split held",
            "sd over runs of one seed, one teacher for all, split held",
        ),
        ({"teachers": 8, "folds": 0}, "sd over student seeds and 8 teachers, split held", None),
        ({"teachers": "one", "folds": 0}, "sd over student seeds with one teacher for all", None),
        ({"teachers": "per-seed", "folds": 0}, "sd over seeds with one teacher a seed", None),
        ({"teachers": "given", "folds": 0}, "sd over student seeds with the given teacher for all", None),
        ({"teachers": "none", "folds": 0}, "sd over seeds, no teacher", None),
    ],
)
def test_captions_say_what_the_sd_is_over(settings: dict[str, Any], confirm: str, search: str | None) -> None:
    found = drawing.results(SCORES, **settings)
    assert describe_spread(select(found)) == confirm
    assert f"; {confirm}; " in build(found).table("comparison").caption
    if search is not None:
        assert describe_spread(select(found), "search") == search
        running = drawing.results({}, phase="search", **settings)
        assert f"; {search}; " in build(running).table("leading").caption


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "; epochs and teacher chosen on validation, one split; n = runs, one a seed."),
        ({"teachers": "per-seed"}, "; epochs chosen on validation, one split; n = runs, one a seed."),
    ],
)
def test_the_older_recipe_is_named_in_both_versions(results: Make, settings: dict[str, str], expected: str) -> None:
    data = {"data": "jhmdb", "protocol": "split1", "validation": 0.2}
    full = results()
    identity = {**full.study.identity, "task": {"task": "video_hashing", "data": data}}
    old = replace(full, study=replace(full.study, identity=identity, settings=full.study.settings.changed(**settings)))
    report = build(old)
    assert all(table.caption.endswith(expected) for table in report.tables if table.key in ("comparison", "inflation"))
    new = build(drawing.results(SCORES, folds=0, **{"teachers": "one", **settings}))
    assert new.table("comparison").caption.endswith(expected)
    for form in FORMATS:
        assert "chosen on validation, one split" in " ".join(render(report, form).split())
    on_test = replace(old, study=replace(old.study, description="JHMDB; as the original: best epoch on test"))
    quirk = build(on_test).table("comparison").caption
    assert ("teacher chosen on validation, one split" in quirk) == (not settings)
    assert "epochs" not in quirk
    assert "one split" in quirk


@pytest.mark.parametrize(
    ("saw", "words"),
    [
        ("train", "the teacher saw the clips that validate, so gains on validation may be biased"),
        ("some", "clips that the teacher saw validate no run"),
        ("nothing", "the teacher saw none of the clips that validate"),
    ],
)
def test_each_table_says_what_a_given_teacher_saw(saw: str, words: str) -> None:
    found = drawing.results(SCORES, teachers="given", teacher_saw=saw, vary=f"{HELD}+split")
    tables = [table for table in build(found).tables if table.key != "winner"]
    assert {table.key for table in tables} == {"comparison", "inflation", "transfer", "instability"}
    assert all(f"; {words}; n = " in table.caption for table in tables)
    searching = drawing.results({}, phase="search", teachers="given", teacher_saw=saw, vary=f"{HELD}+split")
    assert words in build(searching).table("leading").caption


def with_queries(found: StudyResults, gains: list[list[float]]) -> StudyResults:
    """Each confirm seed's gain of four queries; the other arm's values rise with the query. Scores are their means."""
    queries: dict[int, list[float]] = {}
    runs = list(found.runs)
    for place, run in enumerate(runs):
        if run.pool == "confirm" and run.configuration_id in (WINNER, ABLATION):
            index = run.seed - 2**30
            moved = gains[index] if run.configuration_id == WINNER else [0.0] * 4
            queries[run.id] = [0.1 * query + gain for query, gain in enumerate(moved)]
            runs[place] = replace(run, score=sum(queries[run.id]) / 4)
    return replace(found, queries=queries, runs=tuple(runs))


def test_the_gain_over_source_videos() -> None:
    scores = {WINNER: [0.71, 0.73], ABLATION: [0.70, 0.72]}
    gains = [[0.00, 0.02, 0.01, 0.05], [0.02, 0.04, 0.03, 0.07]]
    found = with_queries(drawing.results(scores, query_groups=[4, 4, 7, 9]), gains)
    # Over seeds: 0.01 0.03 | 0.02 | 0.06, mean 0.03; sums of residuals by video -0.02, -0.01, 0.03:
    # error^2 = 3/2 * 0.0014 / 16 = 0.00013125, half = t[0.975, 2] * 0.01145644 = 0.04929308.
    assert stats.t.ppf(0.975, 2) * 0.01145644 == pytest.approx(0.0492931, abs=1e-6)
    assert video_sentences(select(found), found.queries) == [
        "Context, no verdict: over the 3 source videos of the test list the same difference, averaged over 2 seeds, is "
        "+0.0300 [-0.0193, +0.0793] (95 % interval, these seeds and teachers given)."
    ]
    assert video_sentences(select(found), found.queries)[0] in build(found).notes
    assert "+0.0300 [" in next(note for note in build(found).notes if note.startswith("Primary")), "the same difference"
    alone = drawing.without(found, settings=found.study.settings.changed(query_groups=None))
    assert "over the 4 queries of the test list" in video_sentences(select(alone), found.queries)[0]
    images = drawing.without(found, description="images")
    assert "over the 3 source groups" in video_sentences(select(images), found.queries)[0]


def test_the_gain_over_videos_gives_each_teacher_the_same_weight() -> None:
    # Two teachers, three seeds: seeds 0 and 2 share one, so that its gains are averaged first.
    scores = {WINNER: [0.71] * 3, ABLATION: [0.70] * 3}
    gains = [[0.00, 0.02, 0.01, 0.05], [0.04, 0.06, 0.05, 0.09], [0.02, 0.04, 0.03, 0.07]]
    found = with_queries(drawing.results(scores, teachers=2, query_groups=[4, 4, 7, 9]), gains)
    (said,) = video_sentences(select(found), found.queries)
    # Means 0.02, 0.06, 0.04 of the seeds: the first teacher's 0.03, the second's 0.06.
    assert "averaged over 3 seeds, is +0.0450 [" in said


def test_nothing_is_said_of_videos_where_nothing_was_kept_or_one_video_is_all() -> None:
    scores = {WINNER: [0.71, 0.73], ABLATION: [0.70, 0.72]}
    gains = [[0.0] * 4] * 2
    for settings in ({"query_groups": [1, 1, 1, 1]}, {"query_groups": [1, 2]}):
        found = with_queries(drawing.results(scores, **settings), gains)
        assert video_sentences(select(found), found.queries) == []
    bare = drawing.results(scores)
    assert video_sentences(select(bare), {}) == []
    whole = with_queries(drawing.results(scores), gains)
    assert video_sentences(select(whole), whole.queries)
    weighted = replace(whole, runs=tuple(replace(run, score=(run.score or 0.0) + 0.01) for run in whole.runs))
    assert video_sentences(select(weighted), whole.queries) == [], "their mean is another number than the score"
    assert video_sentences(select(no_teacher()), {1: [0.1, 0.2]}) == []
