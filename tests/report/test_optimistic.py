"""A study that asks for the best epoch on test is captioned so."""

from __future__ import annotations

from collections.abc import Callable

from kdsearch.ledger.records import StudyResults
from kdsearch.report import FORMATS, build, render
from kdsearch.tasks.video_hashing.task import QUIRKS

Make = Callable[..., StudyResults]


def test_captions_say_best_epoch_on_test(results: Make) -> None:
    report = build(results(description=f"poses, split 1; as the original: {QUIRKS['best_epoch_on_test']}"))
    for key in ("comparison", "instability", "published"):
        assert "test mAP at the best epoch on test (optimistic), fresh confirm seeds" in report.table(key).caption
    for form in FORMATS:
        text = " ".join(render(report, form).split())
        assert "epoch chosen on validation" not in text
        assert "Picking the epoch on test would have claimed" not in text
    assert [column.key for column in report.table("instability").columns][-1] == "best_run"
    assert "stands at the best epoch on test already" in report.table("instability").notes[0]


def test_other_studies_keep_the_epoch_chosen_on_validation(results: Make) -> None:
    assert "at the epoch chosen on validation" in build(results()).table("comparison").caption
