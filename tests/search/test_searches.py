"""How the runs of a study are dealt to its two searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kdsearch.ledger.records import ConfigurationRecord, SearchRun
from kdsearch.ledger.settings import Limits, StudySettings
from kdsearch.search.searches import Part, SearchKind, dealt, has_without, shares_of

SPACE = {"alpha": {"kind": "uniform", "low": 0.0, "high": 1.0}, "rate": {"kind": "uniform", "low": 0.0, "high": 1.0}}
STORED: dict[str, Any] = {
    "budget": {"runs": 40, "hours": None, "gpu_hours": None},
    "without": 0.1,
    "teacher_parameters": ["alpha"],
    "idle_without_teacher": [],
    "space": SPACE,
    "dimensions": ["alpha", "rate"],
}
SETTINGS = StudySettings.from_json(STORED)


def part(kind: SearchKind, budget: dict[str, Any], ordered: int, cancelled: int = 0, seconds: float = 60.0) -> Part:
    states = ["done"] * ordered + ["cancelled"] * cancelled
    runs = [SearchRun(i, 1, "search", i, state, None, seconds=seconds) for i, state in enumerate(states)]  # type: ignore[arg-type]
    return Part(kind, Limits(**budget), runs, [], [])


@pytest.mark.parametrize(
    ("there", "wanted", "main", "without"),
    [
        # The next goes where (ordered + 1/2) / budget is smaller: 4.5 / 36 = 0.5 / 4, and of equals to the first.
        ((0, 0), 5, 5, 0),
        ((0, 0), 6, 5, 1),
        ((0, 0), 40, 36, 4),
        ((5, 0), 1, 0, 1),
        ((18, 2), 10, 9, 1),
        ((36, 1), 9, 0, 3),  # one of them is over
        ((36, 4), 9, 0, 0),
    ],
)
def test_both_searches_get_their_share_in_turn(there: tuple[int, int], wanted: int, main: int, without: int) -> None:
    parts = [part("searched", {"runs": 36}, there[0]), part("without", {"runs": 4}, there[1])]
    assert dealt(parts, wanted) == {"searched": main, "without": without}


def test_the_next_configuration_has_the_number_after_the_samplers_highest() -> None:
    rows = [
        ConfigurationRecord(1, "searched", "c0", {}, "sampler"),
        ConfigurationRecord(2, "searched", "u7", {}, "user"),
        ConfigurationRecord(3, "searched", "c4", {}, "sampler"),
        ConfigurationRecord(4, "searched", "k9", {}, "kdsearch"),
    ]
    assert Part("searched", Limits(runs=9), [], rows, []).following == 5
    assert Part("searched", Limits(runs=9), [], rows[1:2], []).following == 0


def test_what_was_taken_back_counts_as_not_ordered() -> None:
    parts = [part("searched", {"runs": 36}, 9), part("without", {"runs": 4}, 0, cancelled=3)]
    assert dealt(parts, 1) == {"searched": 0, "without": 1}


def test_limits_in_hours_are_dealt_by_their_shares_and_end_by_time() -> None:
    parts = [part("searched", {"gpu_hours": 0.9}, 20), part("without", {"gpu_hours": 0.1}, 5)]
    assert dealt(parts, 22) == {"searched": 22, "without": 0}
    # 0.9 h at 60 s a run are half used, 0.1 h at 10 s a run a third: by seconds the second is behind, not by runs.
    parts = [part("searched", {"gpu_hours": 0.9}, 27), part("without", {"gpu_hours": 0.1}, 12, seconds=10.0)]
    assert dealt(parts, 5) == {"searched": 0, "without": 5}
    spent = [part("searched", {"gpu_hours": 0.9}, 54), part("without", {"gpu_hours": 0.1}, 5)]
    assert [row.left for row in spent] == [0, None]
    assert dealt(spent, 3) == {"searched": 0, "without": 3}
    beside = [replace(row, beside=other.runs) for row, other in zip(spent, reversed(spent), strict=True)]
    assert dealt(beside, 3) == {"searched": 0, "without": 1}, "of two, a search takes no more than its time holds"


def test_before_any_run_has_ended_hours_are_dealt_by_number() -> None:
    parts = [part("searched", {"hours": 0.9}, 0), part("without", {"hours": 0.1}, 0)]
    parts = [replace(row, beside=[]) for row in parts]
    assert dealt(parts, 10) == {"searched": 9, "without": 1}


def test_of_several_limits_the_one_that_is_reached_first_is_shared() -> None:
    hours = {"searched": {"runs": 900, "gpu_hours": 0.9}, "without": {"runs": 100, "gpu_hours": 0.1}}
    parts = [part("searched", hours["searched"], 27), part("without", hours["without"], 3)]
    assert dealt(parts, 5) == {"searched": 5, "without": 0}
    parts = [part("searched", hours["searched"], 27), part("without", hours["without"], 3, seconds=100.0)]
    assert dealt(parts, 20) == {"searched": 20, "without": 0}, "3 of 100 runs, but 300 of 360 seconds"


def test_a_search_without_teacher_needs_a_share_and_something_to_search() -> None:
    assert has_without(SETTINGS)
    assert [budget.runs for budget in shares_of(SETTINGS).values()] == [36, 4]
    for changes in ({"without": 0.0}, {"teacher_parameters": []}, {"idle_without_teacher": ["rate"]}):
        settings = SETTINGS.changed(**changes)
        assert not has_without(settings)
        assert shares_of(settings) == {"searched": Limits(runs=40)}
    of_version_1 = {name: value for name, value in STORED.items() if name != "without"}
    assert not has_without(StudySettings.from_json(of_version_1))
