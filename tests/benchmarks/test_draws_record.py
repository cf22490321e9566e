"""The benchmark of draws: records that are not finished, the whole output, the goals, the journal of a recording."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdsearch.errors import KdsearchError
from tests.benchmarks.draws import __main__ as benchmark
from tests.benchmarks.draws import coverage, outcomes, recorded, replay, synthetic, tables, work

# Record


def test_a_record_that_is_not_finished_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    arrays, _ = synthetic.arrays(synthetic.Truth(), 16, 20, 10, 0)
    whole = recorded.of(arrays)
    assert whole.left_out == ""
    assert (whole.drawn.shape, whole.fixed.shape) == ((16, 20, 4), (16, 10, 4))
    assert whole.drawn[3, 7] == pytest.approx(
        [arrays[f"drawn_{metric}"][3, arm, 7] for arm in (0, 1) for metric in ("objective", "score")]
    )
    arrays["drawn_score"][4:, :, 13] = np.nan  # the run that was going when it was killed, and what follows it
    for name in ("drawn_score", "drawn_objective"):
        arrays[name][:, :, 14:] = np.nan
    arrays["fixed_objective"][2:, 1, 8] = np.nan
    arrays["fixed_objective"][5, 0, 3] = np.nan
    np.savez_compressed(tmp_path / "part.npz", **arrays)
    part = recorded.read(tmp_path / "part.npz")
    assert part.draws == tuple(range(13))
    assert part.partitions == ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
    assert part.fixed.shape == (16, 8, 4)  # without seed 3, which all settings but one have, and seed 8
    assert np.isfinite(part.drawn).all()
    assert np.isfinite(part.fixed).all()
    assert part.left_out.startswith(f"{16 * 2 * 30 - 16 * 2 * 21} of {16 * 2 * 30} runs are missing")


def test_records_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KdsearchError, match=r"draws\.record makes it"):
        recorded.read(tmp_path / "draws.npz")
    arrays, _ = synthetic.arrays(synthetic.Truth(), 8, 5, 3, 0)
    with pytest.raises(KdsearchError, match="another space"):
        recorded.of({**arrays, "space": np.array(["a", "b", "c", "d", "e"])})
    arrays["fixed_score"][:, :, 1:] = np.nan
    with pytest.raises(KdsearchError, match="expected at least 3 with 2 and 2"):
        recorded.of(arrays)


# Output


def test_the_whole_output_from_a_small_record(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, _ = synthetic.arrays(synthetic.Truth(), 12, 10, 4, 0)
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "results.txt")
    given = ["--record", str(tmp_path / "small.npz"), "--replays", "4", "--budgets", "30", "40", "--studies", "400"]
    benchmark.main([*given, "--processes", "1", "--write"])
    printed = capsys.readouterr().out
    assert (tmp_path / "results.txt").read_text() == printed
    assert printed.startswith(
        "python -m tests.benchmarks.draws --replays 4 --budgets 30 40 --studies 400 --processes 1\n"
    )
    assert "12 settings with and without distillation, 10 draws x 1 seed, one fixed draw x 4 seeds" in printed
    assert "synthetic values, no training" in printed
    assert "fixed 3 teachers and 30 runs, drawn 5 teachers and 20 runs" in printed
    assert all(f"\n{title}" in printed for title in tables.TITLES.values())
    assert printed.count("\nmet   ") + printed.count("\nmissed") == 2 + 3 + 4
    assert str(tmp_path) not in printed


def test_one_partition_is_analysed_without_searches(tmp_path: Path, capsys: Any) -> None:
    arrays, _ = synthetic.arrays(synthetic.Truth(), 8, 5, 4, 0)
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    benchmark.main(["--record", str(tmp_path / "small.npz"), "--studies", "200", "--processes", "1"])
    printed = capsys.readouterr().out
    assert "Searches are not replayed" in printed
    assert "Correlation over settings" in printed
    basis = replay.Basis.of(recorded.of(arrays))
    with pytest.raises(ValueError, match="two whole partitions"):
        replay.replay(basis, replay.Spending.of(basis.record), 2)


def test_goals_are_met_or_missed_by_their_intervals() -> None:
    def figure(low: float, high: float) -> outcomes.Figure:
        found = outcomes.Estimate((low + high) / 2, low, high)
        return outcomes.Figure(found, found)

    row = coverage.Coverage(40, 1, "draws", 0.006, 0.951, 0.96)
    figures = {
        "bias": {"drawn": figure(-0.004, 0.009)},
        "regret": {"drawn - fixed": figure(-0.004, -0.001)},
        "worse": {"drawn - fixed": figure(0.01, 0.2)},
    }
    lines = list(tables.goals([120], [figures], {1.0: (row,), 2.0: (dataclasses.replace(row, covers=0.928),)}))
    assert [line[:6].strip() for line in lines] == ["met", "met", "missed", "met", "missed", "see"]
    assert "drawn - fixed below, 120 runs" in lines[3]
    figures["bias"]["drawn"] = figure(-0.004, 0.0101)
    figures["regret"]["drawn - fixed"] = figure(-0.004, 0.001)
    lines = list(tables.goals([120], [figures], {}))
    assert lines[0].startswith("missed")
    assert "met" in lines[1]
    assert "not above by more than the interval" in lines[1]


# Journal


def counted(unit: work.Unit) -> dict[str, Any]:
    """A unit of work that notes each time it is done."""
    number, folder = unit
    with (Path(folder) / "done").open("a") as file:
        file.write(f"{number}\n")
    return {"square": number**2}


def done(folder: Path) -> list[int]:
    return sorted(int(line) for line in (folder / "done").read_text().split())


def test_a_journal_goes_on_after_a_half_written_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_one_thread", lambda: None)  # these units need no torch
    units = [(number, str(tmp_path)) for number in range(4)]
    journal = tmp_path / "below" / "journal.jsonl"
    first = work.run(counted, units[:3], journal, 1)
    assert first == {unit: {"square": unit[0] ** 2} for unit in units[:3]}
    lines = journal.read_text().splitlines()
    half = next(line for line in lines if json.loads(line)["unit"][0] == 2)
    others = [line for line in lines if line != half]
    journal.write_text("".join(f"{line}\n" for line in others) + half[:-9])  # as a kill leaves it
    assert set(work.journalled(journal)) == set(units[:2])
    again = work.run(counted, units, journal, 1)
    assert again == {unit: {"square": unit[0] ** 2} for unit in units}
    assert list(again) == units
    assert done(tmp_path) == [0, 1, 2, 2, 3], "what was whole is not done again"


def test_of_two_results_of_a_unit_the_last_counts(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert work.journalled(journal) == {}
    rows = [{"unit": ["student", ["a", 1]], "result": {"score": score}} for score in (0.5, 0.7)]
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"unit": ["stu')
    assert work.journalled(journal) == {("student", ("a", 1)): {"score": 0.7}}
