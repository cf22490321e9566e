"""What early values say of the final ones: by hand, drawn with a known truth, and on the recorded JHMDB table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.drawing import study

import kdsearch as kd
from kdsearch.ledger.records import ConfigurationRecord, RunRecord, StudyResults
from kdsearch.report.render import render_table
from kdsearch.report.sections.curves import section, sets_schedule
from kdsearch.report.selection import select
from kdsearch.report.tables import Estimate, Table

RECORDED = Path(__file__).parents[2] / "benchmarks" / "planner" / "jhmdb.npz"
EPOCHS = 16
Curves = Mapping[int, Sequence[tuple[Sequence[float], Sequence[float]]]]
"""Epochs and objectives of each run, by configuration."""

EARLY = (0, 0, 0, 0, 4, 4, 4, 4)
FINAL = (10, 10, 10, 14, 10, 14, 14, 14)


def stored(
    curves_of: Curves, params: Callable[[int], Mapping[str, Any]] = lambda id_: {}, **settings: Any
) -> StudyResults:
    """A study whose search has these runs; seeds count from 0."""
    space = {"patience": kd.integer(1, 10).identity()}
    found = study("search", **{"folds": None, "teachers": "none", "space": space, **settings})
    records = {
        id_: ConfigurationRecord(id_, "searched", f"c{id_}", {"epochs": EPOCHS, "patience": 3, **params(id_)})
        for id_ in curves_of
    }
    runs = [
        RunRecord(
            1000 * id_ + seed, id_, "search", seed, "done", max(values, default=0.5), score=0.3377, code_hash="aaaa",
            curve={"epoch": list(epochs), "objective": list(values), "score": [0.3377] * len(values)},
        )
        for id_, own in curves_of.items()
        for seed, (epochs, values) in enumerate(own)
    ]  # fmt: skip
    return StudyResults(found, records, tuple(runs))


R_CONFIGURATIONS, R_SEEDS = 30.75 / 73, 0.75
"""Of ``by_hand``: W = [[2, 1.5], [1.5, 2]], cov(means) = [[96, 48], [48, 96]] / 23, B = cov(means) - W / 2."""


def by_hand() -> dict[int, list[tuple[Sequence[float], Sequence[float]]]]:
    """Two runs of 24 configurations, three of each as in tests/statistics/test_early.py."""
    found: dict[int, list[tuple[Sequence[float], Sequence[float]]]] = {}
    for index, (early, final) in enumerate(3 * list(zip(EARLY, FINAL, strict=True))):
        turn = -1 if index % 8 == 7 else 1
        found[index] = [((4, 8, 16), (early + s, early + s - 1, final + turn * s)) for s in (1.0, -1.0)]
    return found


def cell(table: Table, key: str, row: int = 0) -> Estimate:
    found = table.column(key)[row]
    assert isinstance(found, Estimate)
    return found


def table_of(results: StudyResults) -> Table:
    found = section(select(results))
    assert found is not None
    return found


def test_a_table_by_hand() -> None:
    table = table_of(stored(by_hand()))
    # Nothing is evaluated by 1/8; at 1/2 the best so far is still that of 1/4.
    assert [row.label for row in table.rows] == ["1/4, all", "1/4, better half", "1/2, all", "1/2, better half"]
    for row in (0, 2):
        assert cell(table, "between", row).value == pytest.approx(R_CONFIGURATIONS)
        assert cell(table, "within", row).value == pytest.approx(R_SEEDS)
    assert table.rows[0].cells[:2] == (24, 48)
    notes = " ".join(table.notes)
    assert "no ground for stopping" in notes
    assert "of the full schedule, 16 epochs" in notes
    assert "evaluated by 1/8 of their schedule" in notes
    assert "0.3377" not in render_table(table, width=100)


@pytest.mark.parametrize(
    ("teachers", "vary", "shared"),
    [
        ("none", "initialisation+split", "fold does"),
        ("several", "initialisation+split+teacher", "fold and its teacher do"),
        ("per-seed", "initialisation+teacher", "teacher does"),
    ],
)
def test_what_is_taken_out_is_named_as_the_study_has_it(teachers: str, vary: str, shared: str) -> None:
    folds = 5 if "split" in vary else 0
    table = table_of(stored(by_hand(), lambda id_: {"vary": vary}, teachers=teachers, folds=folds))
    assert f"What a {shared} to all configurations alike is taken out." in table.notes


def test_a_better_half_of_few_has_no_figure() -> None:
    table = table_of(stored({id_: own for id_, own in by_hand().items() if id_ < 15}))
    assert table.column("between")[1] is None
    assert table.column("within")[1] is None
    assert "it has 7 configurations with two runs, 8 are needed" in table.notes[0]
    assert "no ground for stopping" in table.notes[0]


def test_no_table_without_curves_or_with_few_configurations() -> None:
    whole = {id_: own for id_, own in by_hand().items() if id_ < 8}
    assert section(select(stored({id_: own for id_, own in whole.items() if id_ < 7}))) is None
    assert section(select(stored({**whole, 7: whole[7][:1]}))) is None
    assert section(select(stored({id_: [((), ()), ((), ())] for id_ in range(12)}))) is None
    assert section(select(stored({id_: [((16,), (1.0 + id_,))] * 2 for id_ in range(12)}))) is None
    assert section(select(stored({}))) is None


def test_a_run_that_patience_ended_keeps_its_best_at_shares_of_the_full_schedule() -> None:
    # Ended at 6 of 16 epochs with its best at 2: within 1/8, and its value at every share.
    ended: Curves = {
        id_: [((2, 4, 6), (value, value - 2, value - 3)) for value in (id_ + 1.0, id_ - 1.0)] for id_ in range(16)
    }
    table = table_of(stored(ended))
    assert [row.label for row in table.rows][::2] == ["1/8, all", "1/4, all", "1/2, all"]
    for row in (0, 2, 4):
        assert cell(table, "between", row).value == pytest.approx(1)
        assert cell(table, "within", row).value == pytest.approx(1)
    # Of a schedule of 6 epochs the first evaluation is beyond 1/4.
    shorter = table_of(stored(ended, lambda _: {"epochs": 6}))
    assert [row.label for row in shorter.rows][::2] == ["1/2, all"]


def test_epochs_of_a_function_that_count_something_else_give_way_to_the_longest_run() -> None:
    results = stored(by_hand(), lambda _: {"epochs": 1000})
    assert [row.label for row in table_of(results).rows][::2] == ["1/8, all", "1/4, all", "1/2, all"]
    own = {**results.study.identity, "task": {"task": "function"}}
    table = table_of(replace(results, study=replace(results.study, identity=own)))
    assert [row.label for row in table.rows][::2] == ["1/4, all", "1/2, all"]


def test_runs_that_diverged_or_left_no_curve_are_said_and_count_nowhere() -> None:
    results = stored({**by_hand(), 24: [((), ())]})
    lost = RunRecord(
        9999, 7, "search", 9, "diverged", 0.05, code_hash="aaaa", curve={"epoch": [4.0], "objective": [99.0]}
    )
    table = table_of(StudyResults(results.study, results.configurations, (*results.runs, lost)))
    assert cell(table, "between").value == pytest.approx(R_CONFIGURATIONS)
    notes = " ".join(table.notes)
    assert "1 run diverged and ended by that" in notes
    assert "1 run left no curve" in notes


def drawn(better: float, k: int = 60, slope: float = 0.0) -> tuple[Curves, Callable[[int], Mapping[str, Any]]]:
    """True early values that follow the end, among the upper half with the correlation ``better``; patience adds."""
    generator = np.random.default_rng(8)
    final = np.sort(generator.normal(size=k))
    final[: k // 2] *= 4
    loose = np.where(final > np.median(final), math.sqrt(1 / better**2 - 1) * final[k // 2 :].std(), 0.05)
    early = final - 20 + loose * generator.normal(size=k)
    patience = generator.integers(1, 11, k)
    final = final + slope * np.log(patience)
    made = {}
    for id_ in range(k):
        noise = 0.2 * generator.normal(size=(6, 2))
        made[id_] = [((4, 16), (early[id_] + a, final[id_] + b)) for a, b in noise]
    return made, lambda id_: {"patience": int(patience[id_])}


def test_early_values_that_rank_all_but_the_better_half() -> None:
    table = table_of(stored(*drawn(0.15, k=240)))
    assert cell(table, "between", 1).low < 0.15 < cell(table, "between", 1).high
    assert cell(table, "between").low > cell(table, "between", 1).high
    text = table.notes[0]
    assert "Among the better half, they say little of the end" in text
    assert "Poor configurations alone make early values look informative." in text
    assert "no ground for stopping" in text


def test_early_values_that_rank_everywhere() -> None:
    table = table_of(stored(*drawn(0.99)))
    assert cell(table, "between").low > 0.95
    assert "Among the better half, they rank them nearly as the end does" in table.notes[0]
    assert "Stopping runs by such values would have lost little" in table.notes[0]
    assert "no effect is seen given the value at 1/4" in table.notes[1]


def test_patience_that_ends_runs_before_they_are_good() -> None:
    table = table_of(stored(*drawn(0.99, slope=1.0)))
    assert cell(table, "given.patience").low > 0.5
    assert "higher patience end better" in table.notes[1]
    assert "those with lower patience look better early than they end" in table.notes[1]
    backwards = table_of(stored(*drawn(0.99, slope=-1.0)))
    assert "lower patience end better" in backwards.notes[1]


def test_named_schedules_are_switches_and_idle_parameters_are_left_out() -> None:
    made, _ = drawn(0.99)
    space = {
        "schedule": kd.categorical(["plateau", "cosine"]).identity(),
        "warmup": kd.when(kd.integer(0, 5), schedule="cosine").identity(),
        "weight_decay": kd.log(1e-5, 1e-2).identity(),
    }
    by_schedule = stored(
        made,
        lambda id_: {"schedule": "cosine" if id_ % 3 == 0 else "plateau", "warmup": id_ % 5, "weight_decay": 1e-3},
        space=space,
    )
    table = table_of(by_schedule)
    assert [column.title for column in table.columns[6:]] == ["r, schedule cosine", "r, warmup"]
    assert cell(table, "given.warmup").n == 20
    assert cell(table, "given.schedule.cosine").n == 60


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("patience", True),
        ("warmup_epochs", True),
        ("lr_decay", True),
        ("learning_rate_schedule", True),
        ("weight_decay", False),
        ("learning_rate", False),
        ("temperature", False),
    ],
)
def test_names_of_parameters_that_set_the_schedule(name: str, sets: bool) -> None:
    assert sets_schedule(name) is sets


def test_the_recorded_jhmdb_table_tells_what_its_simulation_said() -> None:
    """129 configurations with 16 seeds; figures: docs/early_values.md."""
    with np.load(RECORDED, allow_pickle=False) as archive:
        names = ("configuration", "pool", "curve", "curve_epoch")
        of, pool, values, epochs = (archive[name].tolist() for name in names)
        meta = json.loads(archive["meta"].tobytes())
    rows, search = meta["configurations"], meta["pools"].index("search")
    made: dict[int, list[tuple[Sequence[float], Sequence[float]]]] = {}
    for index in np.flatnonzero(np.array(pool) == search):
        length = sum(epoch > 0 for epoch in epochs[index])
        made.setdefault(of[index], []).append((epochs[index][:length], values[index][:length]))
    table = table_of(stored(made, lambda id_: {**rows[id_]["params"], "epochs": 120}))
    every = [cell(table, "between", row).value for row in (0, 2, 4)]
    seeds = [cell(table, "within", row).value for row in (0, 2, 4)]
    np.testing.assert_allclose(every, [0.81, 0.90, 0.95], atol=0.02)
    np.testing.assert_allclose(seeds, [0.11, 0.43, 0.78], atol=0.02)
    assert cell(table, "given.patience", 2).low > 0.3
