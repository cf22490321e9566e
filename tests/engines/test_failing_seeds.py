"""A fresh seed that raises for every configuration is left out; it ends no worker."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.failures import NothingWorks, WornOut
from kdsearch.engines.population import make_worker
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun

BAD = 2**30 + 3


def test_a_seed_that_always_raises_ends_no_worker(ledger: Ledger) -> None:
    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if seed == BAD:
            raise RuntimeError("this seed again")
        return float(params["x"]) + 0.01 * (seed % 5)

    baselines = {f"x={x}": {"x": x} for x in (0.1, 0.2, 0.3, 0.4)}
    study = kd.Study(
        "seeds",
        train,
        {"x": kd.uniform(0, 1)},
        baselines=baselines,
        budget=kd.Budget(runs=12),
        confirm=kd.Confirm(seeds=6, finalists=1),
    )
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 2)
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    failed = [run for run in results.runs if run.state == "failed"]
    assert {run.seed for run in failed} == {BAD}
    assert len(failed) == 6  # winner, finalist and four baselines


@pytest.mark.parametrize(("works", "kind", "tried"), [(0, NothingWorks, 3), (3, WornOut, 20)])
def test_where_nothing_works_the_worker_gives_up_and_no_run_is_to_blame(
    ledger: Ledger, works: int, kind: type[Exception], tried: int
) -> None:
    """After 3 runs in a row that raise the same; after 20 where runs have worked in it, each at its first attempt."""
    trained: list[int] = []

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        trained.append(seed)
        if len(trained) > works:
            raise RuntimeError("the device is lost")
        return float(params["x"])

    study = kd.Study("worn", train, {"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=60))
    record, _ = ledger.open_study(declaration(study))
    new = NewConfiguration("searched", "c0", {"x": 0.5}, "sampler")
    ledger.decide(record.id, lambda state: [new, *(NewRun(("searched", "c0"), "search", seed) for seed in range(60))])
    worker = make_worker(ledger, Loaded(study), record, advance=lambda: 0)  # type: ignore[arg-type]
    with pytest.raises(
        kind, match=rf"{tried} runs in a row (ended with the same error|raised an exception) in this worker"
    ):
        worker.run_until_finished()
    assert len(trained) == works + tried
    runs = ledger.results(record.id).runs
    assert sum(run.state == "done" for run in runs) == works
    assert sum(run.state == "queued" for run in runs) == 60 - works


@pytest.mark.parametrize(("worked", "kind", "tried"), [(True, WornOut, 1), (False, NothingWorks, 3)])
def test_a_run_that_opens_all_files_fails_none_after_it(
    ledger: Ledger, worked: bool, kind: type[Exception], tried: int
) -> None:
    """Its process is replaced, unless no run of the study has ever ended: then the study is to blame."""
    trained: list[int] = []
    full = not worked

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        trained.append(seed)
        if full:
            raise OSError(errno.EMFILE, "Too many open files")
        return float(params["x"])

    study = kd.Study("files", train, {"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=20))
    record, _ = ledger.open_study(declaration(study))
    new = NewConfiguration("searched", "c0", {"x": 0.5}, "sampler")
    ledger.decide(record.id, lambda state: [new, *(NewRun(("searched", "c0"), "search", seed) for seed in range(20))])
    if worked:
        first = make_worker(ledger, Loaded(study), record, advance=lambda: 0)  # type: ignore[arg-type]
        first.train_in_turn(first.claim(1))
        first.close()
    full = True
    trained.clear()
    worker = make_worker(ledger, Loaded(study), record, advance=lambda: 0)  # type: ignore[arg-type]
    with pytest.raises(kind, match="a run that failed" if worked else "3 runs in a row"):
        worker.run_until_finished()
    assert len(trained) == tried
    runs = ledger.results(record.id).runs
    assert sum(run.error is not None for run in runs) == tried
    assert sum(run.state == "queued" for run in runs) == 20 - worked


def test_settings_that_always_raise_end_no_worker(ledger: Ledger) -> None:
    """A part of the space needs more memory than there is, say: at the end of the search only such runs are left."""

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if params["x"] > 0.7:
            raise MemoryError("too large")
        return float(params["x"]) + 0.01 * (seed % 5)

    study = kd.Study(
        "settings",
        train,
        {"x": kd.uniform(0, 1)},
        search=kd.Fixed(seeds=2),
        budget=kd.Budget(runs=60),
        confirm=kd.Confirm(seeds=2, finalists=1),
    )
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    large = {row.id for row in results.configurations.values() if row.params["x"] > 0.7}
    assert sum(run.state == "failed" for run in results.runs) >= 10
    assert all((run.state == "failed") == (run.configuration_id in large) for run in results.runs)
