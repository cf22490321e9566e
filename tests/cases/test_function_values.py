"""What a function returns and reports: numbers of any kind, huge ones, and processes that it forks."""

from __future__ import annotations

import math
import os
import re
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.report import build
from kdsearch.tasks import FunctionTask, RunContext, RunRequest, RunResult
from kdsearch.tasks.bound_values import _array


def trained(value: Any, folder: Path, reports: tuple[tuple[Any, Any], ...] = ()) -> RunResult:
    def train(params: Any, seed: int, report: Any) -> Any:
        for epoch, objective in reports:
            report(epoch, objective)
        return value

    return FunctionTask(train, {"x": 0.5}, chance=-2.0).train(RunRequest("student", {"x": 0.5}, 0), RunContext(folder))


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float32(0.5),
        np.float64(0.5),
        np.array(0.5),
        np.array([0.5]),
        torch.tensor(0.5),
        torch.tensor([[0.5]], requires_grad=True),
        Fraction(1, 2),
        Decimal("0.5"),
        (np.float16(0.5), torch.tensor(0.5, dtype=torch.bfloat16)),
    ],
    ids=repr,
)
def test_numbers_of_any_kind_are_values(tmp_path: Path, value: Any) -> None:
    result = trained(value, tmp_path, ((1, value),) if not isinstance(value, tuple) else ())
    assert (result.state, result.objective, type(result.objective)) == ("done", 0.5, float)
    assert result.score == (0.5 if isinstance(value, tuple) else None)
    assert result.curve["objective"] in ([], [0.5])


@pytest.mark.parametrize(
    "value",
    [
        "0.5",
        True,
        np.bool_(True),
        torch.tensor(True),
        None,
        0.5 + 1j,
        np.complex64(1),
        [0.5, 0.6],
        {"objective": 0.5},
        np.zeros(2),
        (),
        (0.5, "0.6"),
        (0.5, 0.6, 0.7),
        (0.5, None),
    ],
    ids=repr,
)
def test_what_is_no_number_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"must return a number .*, got {re.escape(repr(value))}$"):
        trained(value, tmp_path)
    if not isinstance(value, tuple):
        with pytest.raises(TypeError, match=r"called report\(epoch, objective\) with objective=.*expected a number"):
            trained(0.5, tmp_path, ((1, value),))


HUGE = [1e160, 1e200, -1e200, 10**400, -(10**400), Fraction(10**400), Decimal("1e500"), math.inf, math.nan]


@pytest.mark.parametrize(
    "value",
    [*HUGE, np.float64(1e60), torch.tensor(1e60, dtype=torch.float64), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_a_value_beyond_what_can_be_averaged_is_a_diverged_run(tmp_path: Path, value: Any) -> None:
    for returned in (value, (value, 0.5), (0.5, value)):
        result = trained(returned, tmp_path, ((1, value),))
        assert (result.state, result.objective) == ("diverged", -2.0)
        assert not math.isfinite(result.curve["objective"][0])


@pytest.mark.parametrize("epoch", [0, -1, 0.5, np.int64(3), torch.tensor(3), 2**31 - 1, 3, 1e9])
def test_epochs_may_be_any_number_that_the_ledger_holds(tmp_path: Path, epoch: Any) -> None:
    result = trained(0.5, tmp_path, ((epoch, 0.1), (epoch, 0.2)))
    assert result.curve == {"epoch": [float(epoch)] * 2, "objective": [0.1, 0.2]}
    assert result.epoch == int(epoch)


@pytest.mark.parametrize(
    "epoch",
    [3_000_000_000, -3e9, 10**400, math.nan, math.inf, "1", None, True, 1j],
    ids=lambda value: type(value).__name__,
)
def test_epochs_that_the_ledger_cannot_hold_fail_the_run_in_a_sentence(tmp_path: Path, epoch: Any) -> None:
    with pytest.raises(ValueError, match=r"with epoch=.*; expected a number from -2147483647 to 2147483647"):
        trained(0.5, tmp_path, ((epoch, 0.1),))


def odd(params: Any, seed: int, report: Any) -> Any:
    """One seed of each kind: huge values that diverge, huge ones that are values, and a plain one."""
    report(-1, 1e300)
    report(-1, -9e49)
    return {0: 1e160, 1: 10**400, 2: 9e49, 3: (-9e49, 9e49)[0]}.get(seed, 0.5 + params["x"] / 1e299)


def test_a_study_of_huge_values_ends_and_has_a_report(ledger: Ledger) -> None:
    study = kd.Study(
        "odd",
        odd,
        {"x": kd.uniform(-1e299, 1e299), "n": kd.integer(0, 2**62)},
        baselines={"b": {"x": 0.25, "n": 3}},
        search=kd.Fixed(seeds=5),
        budget=kd.Budget(runs=10),
        confirm=kd.Confirm(seeds=6, finalists=1),
        preflight_seeds=0,
        chance=-1e50,
    )
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    assert {run.state for run in results.runs if run.seed in (0, 1)} == {"diverged"}
    assert {run.objective for run in results.runs if run.seed in (2, 3)} == {9e49, -9e49}
    assert len(build(results).table("comparison").rows) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda: sys.exit(3), 3),
        (lambda: sys.exit(), 0),
        (lambda: sys.exit("no"), 1),
        (lambda: 1 / 0, 1),
        (lambda: 0.1, 0),
    ],
)
def test_a_child_of_a_run_ends_by_itself(tmp_path: Path, end: Any, code: int) -> None:
    def train(params: Any, seed: int, report: Any) -> float:
        child = os.fork()
        if child == 0:
            return float(end())
        return float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    own = os.getpid()
    try:
        result = FunctionTask(train, chance=0.0).train(RunRequest("student", {}, 0), RunContext(tmp_path))
    finally:
        if os.getpid() != own:
            os._exit(99)  # or this process would go on with the tests
    assert result.objective == code


class Unknown:
    """Bytes, of a type that does not say whether they are those of its values or addresses of objects."""

    dtype, shape, nbytes = "thing", (1,), 8

    def tobytes(self) -> bytes:
        return bytes(8)


def test_bytes_that_may_be_addresses_of_objects_tell_no_content() -> None:
    assert _array(np.array([1.5])).startswith("float64 (1,) ")
    assert _array(np.array([object()], dtype=object)) == _array(Unknown()) == _array("text") == ""
