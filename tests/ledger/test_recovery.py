"""What comes back to the queue: runs of workers that crashed, of workers that live, and runs that never end."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from support import declaration, toy_study

from kdsearch.ledger import recovery
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.recovery import Holders


@pytest.fixture
def study_id(ledger: Ledger) -> int:
    record, _ = ledger.open_study(declaration(toy_study()))
    return record.id


def queue(ledger: Ledger, study_id: int, count: int) -> None:
    orders = [NewConfiguration("searched", "c0", {"alpha": 0.1, "rate": 0.2}, "test")]
    orders += [NewRun(("searched", "c0"), "search", seed) for seed in range(count)]
    ledger.decide(study_id, lambda state: orders)


def run(ledger: Ledger, study_id: int, seed: int = 0) -> RunRecord:
    return next(run for run in ledger.results(study_id).runs if run.seed == seed)


def execute(ledger: Ledger, statement: str) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text(statement))


def finish(ledger: Ledger, leases: list[Lease]) -> None:
    ledger.finish([Outcome(lease, "done", {"objective": 0.5, "score": 0.4}) for lease in leases])


def test_a_run_whose_workers_crash_fails_after_three_and_says_why(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 1)
    for attempt in range(3):
        assert run(ledger, study_id).state == "queued", attempt
        ledger.claim(study_id, "w")
        ledger.expire(study_id, Holders(crashed=["w"]))
    failed = run(ledger, study_id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.startswith("the worker process ended while it trained this run (killed from outside, out of")
    assert [how for _, _, how in ledger.losses_after(study_id, 0)] == 3 * ["crashed"]
    assert ledger.retry_failed(study_id) == 1


def test_runs_lost_with_their_launcher_are_not_blamed(ledger: Ledger, study_id: int) -> None:
    """A machine that is preempted again and again says nothing about its runs."""
    queue(ledger, study_id, 1)
    for _ in range(recovery.MAX_LOSSES - 1):
        assert len(ledger.claim(study_id, "w", 8)) == 1
        ledger.expire(study_id, Holders(dead=["w"]))
    assert run(ledger, study_id).state == "queued"


def test_a_run_that_failed_before_is_trained_alone(ledger: Ledger, study_id: int) -> None:
    """Of runs that were in one process when it ended, each is tried by itself: only the guilty one ends it again."""
    queue(ledger, study_id, 5)
    first = ledger.claim(study_id, "w", 2)
    ledger.expire(study_id, Holders(crashed=["w"]))
    assert [lease.seed for lease in ledger.claim(study_id, "beside others", 8, joins=True)] == [2, 3, 4]
    alone = ledger.claim(study_id, "one", 8)
    assert [(lease.seed, lease.failures) for lease in alone] == [(first[0].seed, 1)]
    assert [lease.seed for lease in ledger.claim(study_id, "two", 8)] == [first[1].seed]


def test_runs_before_a_suspect_are_claimed_without_it(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 4)
    ledger.claim(study_id, "first", 2)
    ledger.claim(study_id, "w")
    ledger.expire(study_id, Holders(crashed=["w"]))
    ledger.release(ledger.claim(study_id, "x", 8, joins=True))
    execute(ledger, "UPDATE kdsearch.run SET priority = 9 WHERE failures > 0")
    assert [lease.failures for lease in ledger.claim(study_id, "y", 8)] == [0]
    assert [lease.failures for lease in ledger.claim(study_id, "z", 8)] == [1]


def test_a_living_worker_of_this_machine_keeps_its_run_however_late_it_renews(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    ledger.lease_seconds = 0.01
    (held,) = ledger.claim(study_id, "busy")
    ledger.claim(study_id, "elsewhere")
    execute(ledger, "UPDATE kdsearch.run SET lease_until = clock_timestamp() - interval '1 hour'")
    assert len(ledger.expire(study_id, Holders(alive=["busy"]))) == 1
    assert run(ledger, study_id, held.seed).state == "leased"
    finish(ledger, [held])
    assert run(ledger, study_id, held.seed).state == "done"


def test_what_a_launcher_ended_itself_is_given_back_without_blame(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    ledger.claim(study_id, "ended")
    ledger.claim(study_id, "other")
    ledger.release_worker(study_id, "ended")
    assert [run(ledger, study_id, seed).state for seed in (0, 1)] == ["queued", "leased"]
    assert [lease.failures for lease in ledger.claim(study_id, "next")] == [0]


def test_the_limit_of_a_run_is_the_studys_own(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study(run_timeout=60)))
    queue(ledger, record.id, 2)
    ledger.claim(record.id, "w", 2)
    execute(ledger, "UPDATE kdsearch.run SET started_at = clock_timestamp() - interval '50 seconds' WHERE seed = 0")
    assert ledger.expire(record.id, Holders(alive=["w"])) == []
    execute(ledger, "UPDATE kdsearch.run SET started_at = clock_timestamp() - interval '70 seconds' WHERE seed = 0")
    assert len(ledger.expire(record.id, Holders(alive=["w"]))) == 1
    late = run(ledger, record.id)
    assert (late.state, late.error) == ("queued", "the run ran for more than 60 s, the study's run_timeout")
    assert run(ledger, record.id, 1).state == "leased"
    (event,) = [event for event in ledger.results(record.id).events if event.kind == "lease lost"]
    assert event.message.endswith("is overdue and is queued again: it ran for more than 60 s, the study's run_timeout")


@pytest.mark.parametrize(
    ("longest", "hours", "overdue"),
    [
        (None, 23.0, False),
        (None, 25.0, True),
        (10.0, 0.4, False),
        (10.0, 0.6, True),
        (900.0, 4.0, False),
        (900.0, 6.0, True),
    ],
    ids=["no run yet", "a day", "short runs", "half an hour", "long runs", "20 times the longest"],
)
def test_without_one_the_limit_follows_the_runs_so_far(
    ledger: Ledger, study_id: int, longest: float | None, hours: float, overdue: bool
) -> None:
    queue(ledger, study_id, 4)
    finish(ledger, ledger.claim(study_id, "w", 3 if longest else 2))
    execute(ledger, f"UPDATE kdsearch.run SET started_at = finished_at - {longest or 1} * interval '1 second'")
    (held,) = ledger.claim(study_id, "hung")
    execute(
        ledger,
        f"UPDATE kdsearch.run SET started_at = clock_timestamp() - {hours} * interval '1 hour' "
        f"WHERE id = {held.run_id}",
    )
    assert ledger.expire(study_id, Holders(alive=["hung"])) == ([held.run_id] if overdue else [])
    if overdue:
        assert "kd.Study(run_timeout=...)" in str(run(ledger, study_id, held.seed).error)


def test_the_shortest_limit_is_half_an_hour_and_the_error_says_so(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 4)
    finish(ledger, ledger.claim(study_id, "w", 3))
    (held,) = ledger.claim(study_id, "hung")
    execute(
        ledger,
        f"UPDATE kdsearch.run SET started_at = clock_timestamp() - interval '1 hour' WHERE id = {held.run_id}",
    )
    ledger.expire(study_id, Holders(alive=["hung"]))
    assert str(run(ledger, study_id, held.seed).error).startswith("the run ran for more than 1,800 s")


def test_an_overdue_run_fails_after_three(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study(run_timeout=60)))
    queue(ledger, record.id, 1)
    for _ in range(3):
        ledger.claim(record.id, "w")
        execute(ledger, "UPDATE kdsearch.run SET started_at = clock_timestamp() - interval '1 hour'")
        ledger.expire(record.id, Holders(alive=["w"]))
    assert run(ledger, record.id).state == "failed"


def test_ended_runs_with_a_value(ledger: Ledger, study_id: int) -> None:
    queue(ledger, study_id, 2)
    for _ in range(3):
        ledger.claim(study_id, "w")
        ledger.expire(study_id, Holders(crashed=["w"]))
    finish(ledger, ledger.claim(study_id, "w"))
    assert (ledger.ended_runs(study_id), ledger.ended_runs(study_id, failed=False)) == (2, 1)
