"""Numbers at an edge of the space, and the commands that train the winner."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import kdsearch as kd
from kdsearch.ledger.records import RunRecord
from kdsearch.report import answer_of
from kdsearch.report.answer import edge_side, edges, edges_of, export_command, train_command
from kdsearch.report.selection import select
from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

from . import corners
from .corners import changed, distilling, with_params
from .drawing import WINNER


@pytest.mark.parametrize(
    ("dimension", "value", "side"),
    [
        (kd.uniform(0, 1), 0.02, "lower"),
        (kd.uniform(0, 1), 0.021, None),
        (kd.uniform(0, 1), 0.98, "upper"),
        (kd.uniform(0, 1), 0.979, None),
        # 1e-3 to 10 is four decades, of which 2 % are 0.08: up to 10^-2.92, and from 10^0.92 on
        (kd.log(1e-3, 10), 10**-2.921, "lower"),
        (kd.log(1e-3, 10), 10**-2.919, None),
        (kd.log(1e-3, 10), 10**0.921, "upper"),
        (kd.log(1e-3, 10), 9.0, "upper"),
        (kd.log(1e-3, 10), 8.0, None),
        (kd.integer(1, 10), 10, "upper"),
        (kd.integer(1, 10), 9, None),
        (kd.integer(1, 100), 2, "lower"),
        (kd.integer(1, 1024, log=True), 1, "lower"),
        (kd.integer(1, 1024, log=True), 2, None),
        (kd.integer(0, 1), 1, None),
        (kd.categorical(["a", "b"]), "b", None),
        (kd.uniform(0.5, 1), 0, None),
        (kd.when(kd.log(1, 16), mode="soft"), 16.0, "upper"),
    ],
)
def test_an_edge_is_two_percent_of_the_range_on_its_scale(
    dimension: Dimension, value: Scalar, side: str | None
) -> None:
    assert edge_side(dimension, value) == side


def test_what_nothing_reads_is_at_no_edge() -> None:
    space: dict[str, Dimension] = {
        "mode": kd.categorical(["soft", "hard"]),
        "temperature": kd.when(kd.log(1, 16), mode="soft"),
    }
    soft = edges_of(space, {"mode": "soft", "temperature": 16}, "winner", space)
    assert [edge.description for edge in soft] == ["temperature at its upper edge 16"]
    assert edges_of(space, {"mode": "hard", "temperature": 16}, "winner", space) == []


def test_the_answer_names_the_numbers_of_the_winner_and_of_the_best_without() -> None:
    answer = answer_of(corners.at_edges())
    assert answer is not None
    assert answer.edge == (
        "At an edge of the space, winner c4: alpha 0.985, near its upper edge 1, patience at its upper edge 10; best "
        "without distillation (w3): patience at its lower edge 1: widen the space if there is room beyond."
    )
    quiet = answer_of(distilling(0.02))
    assert quiet is not None
    assert (quiet.edge, quiet.edges) == ("", ()), "alpha is 0 without distillation, where it is at no edge"
    off = answer_of(with_params(distilling(0.02), WINNER, alpha=0))
    assert off is not None
    assert off.edges == ()


def test_what_is_idle_without_distillation_is_at_no_edge_where_the_winner_does_without() -> None:
    space = {"alpha": kd.uniform(0, 1), "temperature": kd.log(1, 16), "patience": kd.integer(1, 10)}
    found = distilling(0.02)
    settings = found.study.settings.changed(
        space={name: dimension.identity() for name, dimension in space.items()}, dimensions=list(space),
        teacher_parameters=["alpha"], idle_without_teacher=["temperature"], without=0.0,
    )  # fmt: skip
    found = changed(found, settings=settings, best_without_id=None)
    off = select(with_params(found, WINNER, alpha=0, temperature=16.0, patience=10))
    assert [edge.description for edge in edges(off)] == ["patience at its upper edge 10"]
    on = select(with_params(found, WINNER, alpha=0.5, temperature=16.0, patience=10))
    assert [edge.description for edge in edges(on)] == [
        "temperature at its upper edge 16",
        "patience at its upper edge 10",
    ]


def test_the_command_sets_what_is_searched_and_read() -> None:
    found = changed(distilling(0.02), source_file="/nowhere/a study.py")
    assert train_command(select(found)) == (
        "kdsearch train '/nowhere/a study.py' --preset none --seed 0 --set alpha=0.25 --set patience=6"
    )
    preset = changed(found, settings=found.study.settings.changed(preset="cpu"))
    assert "--preset cpu --seed 0" in str(train_command(select(preset)))
    assert train_command(select(distilling(0.02))) is None, "a study from no file"
    exact = with_params(found, WINNER, alpha=0.1 + 0.2)
    assert "--set alpha=0.30000000000000004" in str(train_command(select(exact)))
    words = with_params(found, WINNER, alpha="a b", patience=True)
    parts = shlex.split(str(train_command(select(words))))
    assert parts[-3:] == ["alpha=a b", "--set", "patience=true"]


def test_a_file_without_presets_needs_none_named_and_lies_below_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "studies" / "mine.py"
    file.parent.mkdir()
    file.write_text("study = kd.Study('mine', train, {})")
    found = select(changed(distilling(0.02), source_file=str(file)))
    assert str(train_command(found)).startswith(f"kdsearch train {file} --seed 0 ")
    monkeypatch.chdir(tmp_path)
    assert str(train_command(found)).startswith("kdsearch train studies/mine.py --seed 0 ")
    file.write_text("study = kd.Study('mine', train, {}, presets={})")
    assert str(train_command(found)).startswith("kdsearch train studies/mine.py --preset none --seed 0 ")


def test_a_number_that_somebody_added_is_set_too() -> None:
    command = str(train_command(select(corners.added_winner())))
    assert command.endswith("--set alpha=0.25 --set patience=6 --set width=16")
    answer = answer_of(corners.added_winner())
    assert answer is not None
    assert answer.numbers == "Winner c4: alpha=0.25, patience=6, width=16."


def test_kept_weights_can_be_written() -> None:
    found = distilling(0.02)
    assert export_command(select(found)) is None

    def kept(run: RunRecord, index: int) -> RunRecord:
        mine = (run.configuration_id, run.pool) == (WINNER, "confirm")
        return replace(run, artifact="weights") if mine and run.id % 1000 == index else run

    first = replace(found, runs=tuple(kept(run, 0) for run in found.runs))
    assert export_command(select(first)) == "kdsearch export model weights@poses-split1-5folds -o winner.pt"
    other = replace(found, runs=tuple(kept(run, 1) for run in found.runs))
    assert export_command(select(other)) is None, "the command writes the first seed's"
