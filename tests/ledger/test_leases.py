"""Leases on a real server: one holder a run, and a fence that late results do not pass."""

from __future__ import annotations

import threading
import time
import uuid
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from support import declaration, toy_study

from kdsearch.ledger import leases, recovery
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun
from kdsearch.ledger.recovery import Holders


@pytest.fixture
def study_id(ledger: Ledger) -> int:
    record, _ = ledger.open_study(declaration(toy_study()))
    return record.id


def queue(ledger: Ledger, study_id: int, count: int, name: str = "c0") -> None:
    orders = [NewConfiguration("searched", name, {"alpha": 0.1, "rate": 0.2}, "test")]
    orders += [NewRun(("searched", name), "search", seed) for seed in range(count)]
    ledger.decide(study_id, lambda state: orders)


def result(lease: Lease, objective: float = 0.5) -> Outcome:
    return Outcome(lease, "done", {"objective": objective, "score": 0.4})


def states(ledger: Ledger, study_id: int) -> dict[int, str]:
    return {run.seed: run.state for run in ledger.results(study_id).runs}


def test_two_workers_never_hold_one_run(ledger: Ledger, study_id: int, database_url: str) -> None:
    queue(ledger, study_id, 200)
    held: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        own = Ledger.connect(database_url)
        while batch := own.claim(study_id, f"w{number}", limit=3):
            with lock:
                held.extend(lease.run_id for lease in batch)
        own.database.dispose()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 200
    assert len(set(held)) == 200


def test_a_claim_repeated_after_a_lost_answer_finds_the_same_runs(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 5)
    claim = partial(leases.claim, study_id=study_id, token=uuid.uuid4(), worker="w", limit=2, seconds=30)
    first = ledger.database.transaction(claim)
    again = ledger.database.transaction(partial(claim, again=True))
    assert [lease.run_id for lease in again] == [lease.run_id for lease in first]
    assert list(states(ledger, study_id).values()).count("leased") == 2


def test_a_claim_whose_answer_is_lost_on_the_way_takes_no_more(
    ledger: Ledger, study_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(ledger, study_id, 5)
    real, lost = leases.claim, list[Lease]()

    def cut(*given: Any, **options: Any) -> list[Lease]:
        found = real(*given, **options)
        if not lost:
            lost.extend(found)
            raise sa.exc.OperationalError("claim", {}, Exception("the server closed the connection"))
        return found

    monkeypatch.setattr(leases, "claim", cut)
    assert ledger.claim(study_id, "w", limit=2) == lost
    assert list(states(ledger, study_id).values()).count("leased") == 2
    assert len(ledger.claim(study_id, "w", limit=2)) == 2, "the next one is another claim"


def test_results_are_stored_once(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    held = ledger.claim(study_id, "w", limit=2)
    accepted = ledger.finish([result(lease, 0.1 * lease.seed) for lease in held])
    assert accepted == {lease.run_id for lease in held}
    # The same worker asks again, its first answer lost: accepted, and nothing changes.
    assert ledger.finish([result(held[0], 0.9)]) == {held[0].run_id}
    assert [run.objective for run in ledger.results(study_id).runs] == [0.0, 0.1]


def test_a_late_result_of_a_lost_lease_is_discarded(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    (late,) = ledger.claim(study_id, "slow")
    assert ledger.expire(study_id, Holders(dead=["slow"])) == [late.run_id]
    (current,) = ledger.claim(study_id, "fast")
    assert current.run_id == late.run_id
    assert ledger.finish([result(late, 0.99)]) == set()
    assert ledger.finish([result(current, 0.11)]) == {current.run_id}
    assert ledger.finish([result(late, 0.99)]) == set()
    (run,) = ledger.results(study_id).runs
    assert (run.state, run.objective, run.attempt) == ("done", 0.11, 2)


def test_renewal_keeps_a_lease_and_tells_of_lost_ones(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    ledger.lease_seconds = 0.4
    kept, lost = ledger.claim(study_id, "w", limit=2)
    time.sleep(0.5)  # the server has now been up for longer than a lease
    assert ledger.renew(study_id, [kept]) == ({kept.run_id}, False)
    assert ledger.expire(study_id) == [lost.run_id]
    assert ledger.renew(study_id, [kept, lost])[0] == {kept.run_id}


def test_who_has_lost_a_lease_can_do_nothing_with_it(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    (late,) = ledger.claim(study_id, "slow")
    ledger.expire(study_id, Holders(dead=["slow"]))
    (current,) = ledger.claim(study_id, "fast")
    ends = sa.text("SELECT lease_until FROM kdsearch.run WHERE id = :id")

    def lease_until() -> object:
        with ledger.database.engine.connect() as connection:
            return connection.execute(ends, {"id": late.run_id}).scalar()

    before = lease_until()
    assert ledger.renew(study_id, [late])[0] == set()
    assert lease_until() == before, "the loser must not keep the lease of the new holder alive"
    ledger.release([late])
    assert ledger.fail(study_id, late, "an exception of the loser") is None
    assert states(ledger, study_id) == {0: "leased"}
    assert ledger.renew(study_id, [current])[0] == {current.run_id}
    assert lease_until() != before
    (run,) = ledger.results(study_id).runs
    assert (run.error, run.attempt) == (None, 2)


def test_leases_stand_while_the_server_is_younger_than_a_lease(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    ledger.claim(study_id, "w")
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.run SET lease_until = clock_timestamp() - interval '1 hour'"))
    ledger.lease_seconds = 1e6
    assert ledger.expire(study_id) == []
    ledger.lease_seconds = 0.01
    assert len(ledger.expire(study_id)) == 1


def test_an_exception_is_retried_and_given_up_after_three(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    outcomes = []
    for _ in range(3):
        (lease,) = ledger.claim(study_id, "w")
        outcomes.append(ledger.fail(study_id, lease, "Traceback\nValueError: no"))
    assert outcomes == ["queued", "queued", "failed"]
    assert ledger.claim(study_id, "w") == []
    (run,) = ledger.results(study_id).runs
    assert run.error is not None
    assert run.error.endswith("ValueError: no")
    assert ledger.retry_failed(study_id) == 1
    assert len(ledger.claim(study_id, "w")) == 1


def test_a_worker_that_vanishes_ten_times_fails_the_run(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    for _ in range(recovery.MAX_LOSSES):
        assert len(ledger.claim(study_id, "w")) == 1
        ledger.expire(study_id, Holders(dead=["w"]))
    assert states(ledger, study_id) == {0: "failed"}


def test_runs_handed_back_do_not_count_as_lost(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    for _ in range(15):
        ledger.release(ledger.claim(study_id, "w"))
    ledger.claim(study_id, "w")
    ledger.expire(study_id, Holders(dead=["w"]))
    assert states(ledger, study_id) == {0: "queued"}


@pytest.mark.parametrize("error", ["bad byte \x00", "half a pair \ud800", "", "\n"])
def test_any_text_of_an_exception_can_be_stored(ledger: Ledger, study_id: int, error: str) -> None:
    queue(ledger, study_id, 1)
    (lease,) = ledger.claim(study_id, "w")
    assert ledger.fail(study_id, lease, error) == "queued"


def test_a_worker_may_pass_over_runs_that_failed_in_it(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    first, second = ledger.results(study_id).runs
    (lease,) = ledger.claim(study_id, "w", limit=5, passed_over=[first.id])
    assert lease.run_id == second.id


def test_released_runs_go_back_to_the_queue(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 3)
    held = ledger.claim(study_id, "w", limit=3)
    ledger.release(held)
    assert set(states(ledger, study_id).values()) == {"queued"}
    assert ledger.finish([result(held[0])]) == set()


def test_a_run_waits_for_its_teacher(ledger: Ledger, study_id: int) -> None:
    orders = [
        NewConfiguration("teacher", "teacher", {}, "test"),
        NewConfiguration("searched", "c0", {"alpha": 0.1}, "test"),
        NewRun(("searched", "c0"), "search", 0, needs=("seed", 7)),
        NewRun(("teacher", "teacher"), "teacher", 7),
    ]
    ledger.decide(study_id, lambda state: orders)
    (teacher,) = ledger.claim(study_id, "w", limit=5)
    assert teacher.pool == "teacher"
    assert ledger.claim(study_id, "w", limit=5) == []
    ledger.finish([Outcome(teacher, "done", {"objective": 0.7, "artifact": "weights.pt"})])
    (student,) = ledger.claim(study_id, "w", limit=5)
    assert student.teacher_artifact == "weights.pt"


@pytest.mark.parametrize("end", ["diverged", "failed"])
def test_no_student_begins_on_a_teacher_that_did_not_end_well(ledger: Ledger, study_id: int, end: str) -> None:
    orders = [
        NewConfiguration("teacher", "teacher", {}, "test"),
        NewConfiguration("searched", "c0", {"alpha": 0.1}, "test"),
        NewRun(("searched", "c0"), "search", 0, needs=("seed", 7), priority=-1),
        NewRun(("searched", "c0"), "search", 1),
        NewRun(("teacher", "teacher"), "teacher", 7),
    ]
    ledger.decide(study_id, lambda state: orders)
    teacher, alone = sorted(ledger.claim(study_id, "w", limit=5), key=lambda lease: lease.pool, reverse=True)
    assert (teacher.pool, alone.seed) == ("teacher", 1)
    if end == "diverged":
        ledger.finish([Outcome(teacher, "diverged", {"objective": 0.1, "artifact": "weights.pt"})])
    else:
        ledger.fail(study_id, teacher, "ValueError: no")
        for _ in range(leases.MAX_FAILURES - 1):
            (again,) = ledger.claim(study_id, "w", limit=5)
            ledger.fail(study_id, again, "ValueError: no")
    assert {run.state for run in ledger.results(study_id).runs if run.pool == "teacher"} == {end}
    assert ledger.claim(study_id, "w", limit=5) == []


def test_nothing_is_claimed_once_a_stop_is_asked(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    (lease,) = ledger.claim(study_id, "w")
    ledger.request_stop(study_id)
    assert ledger.claim(study_id, "w") == []
    assert ledger.renew(study_id, [lease]) == ({lease.run_id}, True)
    ledger.request_stop(study_id, stop=False)
    assert len(ledger.claim(study_id, "w")) == 1


@pytest.mark.parametrize(
    ("pool", "seed"), [("search", 2**30), ("teacher", 2**30 + 5), ("confirm", 3), ("confirm", 2**31)]
)
def test_the_database_keeps_confirm_seeds_apart(ledger: Ledger, study_id: int, pool: str, seed: int) -> None:
    queue(ledger, study_id, 1)
    configuration = next(row for row in ledger.results(study_id).configurations.values() if row.kind == "searched")
    with pytest.raises(sa.exc.IntegrityError, match="confirm_seeds_are_fresh"):
        ledger.decide(study_id, lambda state: [NewRun(configuration.id, pool, seed)])  # type: ignore[arg-type]


def test_the_same_configuration_and_seed_is_one_run(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    configuration = next(row for row in ledger.results(study_id).configurations.values() if row.kind == "searched")
    ledger.decide(study_id, lambda state: [NewRun(configuration.id, "search", 0)])
    assert len(ledger.results(study_id).runs) == 1
    with ledger.database.engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(
            sa.text(
                "INSERT INTO kdsearch.run (study_id, configuration_id, pool, seed) VALUES (:study, :conf, 'search', 0)"
            ),
            {"study": study_id, "conf": configuration.id},
        )
