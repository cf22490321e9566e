"""``kdsearch show``: one configuration, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from figures.known import HIDDEN, known

from kdsearch.cli.show import lines
from kdsearch.errors import KdsearchError


def test_the_winner_with_its_parameters_runs_and_command() -> None:
    found = known()
    text = "\n".join(lines(replace(found, study=replace(found.study, source_file="known.py"))))
    winner = found.configurations[found.study.winner_id or 0]
    head, *rest = text.splitlines()
    assert head == f"{winner.name} of known@poses-split1: the winner"
    assert rest[0].startswith("search: 0.")
    assert rest[0].endswith("mAP on validation (n = 3)")
    assert rest[1].startswith("believed: 0.")
    assert rest[2].startswith("fresh seeds: 0.")
    assert rest[2].endswith("test mAP (n = 6)")
    assert f"  lr         {winner.params['lr']:.6g}" in rest
    assert f"--set lr={winner.params['lr']}" in text
    assert str(HIDDEN)[:6] not in text
    rows = [line.split() for line in rest if line.startswith("  ") and line.split()[1] in ("search", "fresh")]
    assert [row[1] for row in rows] == ["search"] * 3 + ["fresh"] * 6


def test_a_number_that_is_not_read_is_said() -> None:
    found = known()
    name = next(row.name for row in found.configurations.values() if row.params["optimizer"] == "adam")
    text = "\n".join(lines(found, name))
    assert "  momentum   not read: its condition does not hold" in text
    assert "momentum=" not in text


def test_before_the_choice_the_leader_and_no_score() -> None:
    found = known("search")
    text = "\n".join(lines(found))
    assert ": a configuration of the search" in text
    assert "score" not in text
    assert "fresh" not in text
    with pytest.raises(KdsearchError, match="no configuration leads yet"):
        list(lines(replace(found, runs=())))


def test_an_unknown_name_is_said_with_what_is_near() -> None:
    with pytest.raises(KdsearchError, match=r"has no configuration 'c400'; near it: c4.*kdsearch export runs"):
        list(lines(known(), "c400"))
    assert "a baseline" in next(iter(lines(known(), "usual")))
