"""What a worker does with a result that the ledger refuses: another holds the run by then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines.execution import workspace
from kdsearch.engines.worker import Worker
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.recovery import Holders
from kdsearch.search.leader import leader_now
from kdsearch.tasks import RunContext, RunRequest, RunResult

ALONE = {"alpha": 0, "rate": 0.3}


@dataclass(frozen=True)
class Checkpointing(ToyTask):
    """A toy task that leaves a checkpoint; while seed 0 trains, ``lost`` is called."""

    has_teacher: bool = False
    lost: object = None

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        (context.workspace / "checkpoint.pt").write_text(f"seed {request.seed}")
        if request.seed == 0 and callable(self.lost):
            self.lost()
        return super().train(request, context)


@pytest.fixture
def study() -> kd.Study:
    task = Checkpointing(parameters=dict(ALONE))
    return toy_study(task=task, baselines={}, space={"rate": kd.uniform(0, 1)})


def opened(ledger: Ledger, study: kd.Study, seeds: int) -> StudyRecord:
    record, _ = ledger.open_study(declaration(study))
    orders = [NewConfiguration("searched", "c0", ALONE, "test")]
    orders += [NewRun(("searched", "c0"), "search", seed) for seed in range(seeds)]
    ledger.decide(record.id, lambda state: orders)
    return record


def test_a_refused_result_leaves_the_new_holders_checkpoint_alone(ledger: Ledger, study: kd.Study) -> None:
    record = opened(ledger, study, seeds=2)
    new_holder: list[Lease] = []

    def lost() -> None:
        ledger.expire(record.id, Holders(dead=[worker.name]))
        new_holder.extend(ledger.claim(record.id, "new holder"))

    losing = toy_study(task=Checkpointing(parameters=dict(ALONE), lost=lost), baselines={}, space=dict(study.space))
    worker = Worker(ledger, Loaded(losing), record)  # type: ignore[arg-type]
    try:
        worker.train_in_turn(worker.claim(1))
    finally:
        worker.close()
    (held,) = new_holder
    assert (workspace(record, held.run_id) / "checkpoint.pt").read_text() == "seed 0"
    results = ledger.results(record.id)
    (event,) = [event for event in results.events if event.kind == "discarded"]
    assert event.message == f"run {held.run_id}: a late result of attempt 1 was discarded"
    assert {run.seed: (run.state, run.objective) for run in results.runs}[0] == ("leased", None)
    assert ledger.renew(record.id, [held])[0] == {held.run_id}


def test_the_folder_of_a_run_that_is_stored_is_removed(ledger: Ledger, study: kd.Study, home: Path) -> None:
    record = opened(ledger, study, seeds=2)
    worker = Worker(ledger, Loaded(study), record)  # type: ignore[arg-type]
    try:
        worker.train_in_turn(worker.claim(2))
    finally:
        worker.close()
    assert {run.state for run in ledger.results(record.id).runs} == {"done"}
    assert [path for path in (home / "runs").rglob("*") if path.is_file()] == []


def test_nobody_leads_by_one_run(ledger: Ledger, study: kd.Study) -> None:
    record = opened(ledger, study, seeds=2)
    for objective in (0.9, 0.5):
        assert leader_now(ledger.search_state(record.id)) is None
        (lease,) = ledger.claim(record.id, "w")
        ledger.finish([Outcome(lease, "done", {"objective": objective})])
    found = leader_now(ledger.search_state(record.id))
    assert found is not None
    assert (found.name, found.n, found.mean) == ("c0", 2, pytest.approx(0.7))


def test_a_run_keeps_its_folder_between_attempts_and_loses_it_when_it_fails_for_good(
    ledger: Ledger, study: kd.Study
) -> None:
    def fails() -> None:
        raise RuntimeError("no such layer")

    record = opened(ledger, study, seeds=1)
    failing = toy_study(task=Checkpointing(parameters=dict(ALONE), lost=fails), baselines={}, space=dict(study.space))
    (run,) = ledger.results(record.id).runs
    for attempt in range(1, 4):
        worker = Worker(ledger, Loaded(failing), record)  # type: ignore[arg-type]
        try:
            if attempt > 1:
                assert worker.claim(1, joins=True) == [], "what has failed before does not train beside others"
            (lease,) = worker.claim(1)
            worker.train_in_turn([lease])
            assert worker.claim(1) == [], "it is left to other workers first"
        finally:
            worker.close()
        assert lease.attempt == attempt
        assert (workspace(record, run.id) / "checkpoint.pt").exists() == (attempt < 3)
    assert [run.state for run in ledger.results(record.id).runs] == ["failed"]
