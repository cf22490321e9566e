"""Numbers that commands print and take: small objectives, seeds of other pools."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kdsearch.cli.progress import _note
from kdsearch.cli.train import train
from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import LeaderRecord
from kdsearch.search.remaining import Remaining
from kdsearch.statistics import summarize


def test_the_live_view_shows_small_objectives() -> None:
    found = summarize([1.0e-6, 1.1e-6, 1.2e-6])
    leader = LeaderRecord(
        9, 4, "c4", 3, found.mean, found.sd, 1e-6, 1e-7, ranked=1, out=0, modelled=3, known=3, digits=7
    )
    progress: Any = SimpleNamespace(leader=leader, phase="search", counts={})
    assert _note(progress, Remaining(0, None)) == "leader c4: 1.10e-06 ± 1.0e-07 (n=3, objective)"
    won: Any = SimpleNamespace(leader=replace(leader, n=1, mean=0.7, raw_sd=math.nan), phase="confirm", counts={})
    assert _note(won, Remaining(0, None)) == "winner c4: 0.7000 (n=1, objective)"


def test_train_takes_no_seed_of_another_pool() -> None:
    for seed in (1_000_000, 2**30, 10**30):
        with pytest.raises(KdsearchError, match="search seeds lie below 1,000,000"):
            train("any.py", seed)
