"""Versions of studies, folds of runs and per-query values in the ledger; a ledger from before them goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa
from support import declaration, toy_study

import kdsearch as kd
from kdsearch.data.folds import FIRST, Fold
from kdsearch.ledger import migrate
from kdsearch.ledger.database import Database
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import ChooseWinner, NewConfiguration, NewRun
from kdsearch.ledger.settings import FreshSeeds

C0 = ("searched", "c0")
OLD = """
    INSERT INTO kdsearch.study (name, phase, identity, settings, description, metric, chance, data_hash, code_hash,
                                winner_id, ablation_id, finalist_ids)
    VALUES ('old@toy', 'confirm', '{"seed": 0}', '{"confirm": {"seeds": 2, "finalists": 0}}', 'toy', 'mAP', 0.1, 'd',
            'c', 1, 1, '{1}');
    INSERT INTO kdsearch.configuration (study_id, kind, name, params, origin)
    VALUES (1, 'searched', 'c0', '{"alpha": 0.5}', 'sampler');
    INSERT INTO kdsearch.run (study_id, configuration_id, pool, seed, state, objective)
    VALUES (1, 1, 'search', 0, 'done', 0.5), (1, 1, 'confirm', 2147483648, 'done', 0.6),
           (1, 1, 'teacher', 1073741824, 'queued', NULL);
"""


def insert(ledger: Ledger, pool: str, seed: int, version: int, study: int = 1, configuration: int = 1) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO kdsearch.run (study_id, configuration_id, pool, seed, version) "
                "VALUES (:study, :configuration, :pool, :seed, :version)"
            ),
            {"study": study, "configuration": configuration, "pool": pool, "seed": seed, "version": version},
        )


@pytest.fixture
def before(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger that a program from before draws has written, opened by this one."""
    database = Database(database_url)
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "HEAD", "0002")
        migrate.upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(sa.text(OLD))
    database.dispose()
    return Ledger.connect(database_url)


def test_a_ledger_from_before_draws_reads_as_version_1(before: Ledger) -> None:
    results = before.results(1)
    assert (results.study.version, results.study.best_without_id) == (1, None)
    assert [(run.pool, run.seed, run.fold) for run in results.runs] == [
        ("search", 0, FIRST),
        ("confirm", 2**31, FIRST),
        ("teacher", 2**30, FIRST),
    ]
    assert results.queries == {}
    before.database.dispose()


def test_its_study_takes_confirm_seeds_of_its_own_range_alone(before: Ledger) -> None:
    before.decide(1, lambda state: [NewRun(1, "confirm", 2**31 + 1)])
    assert before.results(1).runs[-1].seed == 2**31 + 1
    for pool, seed in (("confirm", 2**30 + 7), ("search", 2**31 + 7), ("confirm", 7)):
        with pytest.raises(sa.exc.IntegrityError, match="confirm_seeds_are_fresh"):
            insert(before, pool, seed, version=1)
    with pytest.raises(sa.exc.IntegrityError, match="fk_run_study_id_version"):
        insert(before, "confirm", 2**30 + 7, version=2)
    with pytest.raises(sa.exc.IntegrityError, match="fk_run_study_id_version"), before.database.engine.begin() as link:
        link.execute(sa.text("UPDATE kdsearch.study SET version = 2 WHERE id = 1"))
    before.database.dispose()


def test_an_upgraded_ledger_takes_new_studies_too_and_its_old_ones_go_with_their_runs(before: Ledger) -> None:
    record, _ = before.open_study(declaration(toy_study()))
    assert record.version == 2
    before.decide(
        record.id, lambda state: [NewConfiguration(*C0, {"alpha": 0.1}, "test"), NewRun(C0, "confirm", 2**30)]
    )
    with before.database.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM kdsearch.study WHERE id = 1"))
        left = connection.execute(sa.text("SELECT study_id, version, seed FROM kdsearch.run")).all()
    assert left == [(record.id, 2, 2**30)]
    before.database.dispose()


@pytest.fixture
def study_id(ledger: Ledger) -> int:
    record, _ = ledger.open_study(declaration(toy_study()))
    return record.id


def test_a_new_study_refuses_the_seeds_of_an_older_one(ledger: Ledger, study_id: int) -> None:
    orders = [NewConfiguration(*C0, {"alpha": 0.1}, "test"), NewRun(C0, "confirm", 2**31 - 1)]
    ledger.decide(study_id, lambda state: orders)
    (run,) = ledger.results(study_id).runs
    with pytest.raises(sa.exc.IntegrityError, match="confirm_seeds_are_fresh"):
        insert(ledger, "confirm", 2**31, 2, study_id, run.configuration_id)
    with pytest.raises(sa.exc.IntegrityError, match="fk_run_study_id_version"):
        insert(ledger, "confirm", 2**31, 1, study_id, run.configuration_id)


def test_the_same_numbers_may_stand_in_both_searches_but_once_in_each(ledger: Ledger, study_id: int) -> None:
    params = {"alpha": 0, "rate": 0.2}
    both = [NewConfiguration(*C0, params, "test"), NewConfiguration("without", "w0", params, "test")]
    ledger.decide(study_id, lambda state: both)
    for kind in ("searched", "without"):
        again = [NewConfiguration(kind, "again", params, "test")]
        with pytest.raises(sa.exc.IntegrityError, match=f"uq_configuration_{kind}_params"):
            ledger.decide(study_id, lambda state, again=again: again)


def queue(ledger: Ledger, study_id: int, folds: list[Fold]) -> None:
    orders = [NewConfiguration(*C0, {"alpha": 0.1, "rate": 0.2}, "test")]
    orders += [NewRun(C0, "search", seed, fold=fold) for seed, fold in enumerate(folds)]  # type: ignore[misc]
    ledger.decide(study_id, lambda state: orders)


def test_a_run_has_the_same_fold_for_planner_and_report(ledger: Ledger, study_id: int) -> None:
    folds = [Fold(0, 3), Fold(12, 4), FIRST]
    queue(ledger, study_id, folds)
    assert [run.fold for run in ledger.search_state(study_id).runs] == folds
    assert [run.fold for run in ledger.results(study_id).runs] == folds


def test_per_query_values_are_read_of_what_is_compared_first_alone(ledger: Ledger, study_id: int) -> None:
    names = ["c0", "c1", "c2"]
    orders = [NewConfiguration("searched", name, {"alpha": 0.1 * i}, "test") for i, name in enumerate(names)]
    orders += [NewConfiguration("without", "w0", {"alpha": 0}, "test")]
    ledger.decide(study_id, lambda state: orders)
    ids = {row.name: row.id for row in ledger.results(study_id).configurations.values()}
    choice = ChooseWinner(ids["c0"], ids["c1"], (ids["c2"],), best_without=ids["w0"])
    runs = [NewRun(ids[name], "confirm", 2**30) for name in (*names, "w0")]
    runs += [
        NewRun(ids["c0"], "search", 0),
        NewRun(ids["c0"], "confirm", 2**30 + 1),
        NewRun(ids["c0"], "confirm", 2**30 + 2),
    ]
    ledger.decide(study_id, lambda state: [*runs, choice])  # type: ignore[list-item]
    assert ledger.study_by_id(study_id).best_without_id == ids["w0"]
    held = ledger.claim(study_id, "w", limit=9)
    values = {lease.run_id: [0.5, lease.run_id, 0.1] for lease in held}
    outcomes = [Outcome(lease, "done", {"objective": 0.5, "queries": values[lease.run_id]}) for lease in held[:-2]]
    # Results of one transaction may have them or not: an older worker, a task without queries.
    outcomes += [
        Outcome(held[-2], "done", {"objective": 0.5}),
        Outcome(held[-1], "done", {"objective": 0.5, "queries": []}),
    ]
    ledger.finish(outcomes)
    read = ledger.results(study_id)
    compared = {ids["c0"], ids["c1"], ids["w0"]}
    expected = {run.id for run in read.runs if run.pool == "confirm" and run.configuration_id in compared}
    assert set(read.queries) == expected - {held[-2].run_id, held[-1].run_id}
    assert len(read.queries) == 3
    for id_, queries in read.queries.items():
        assert queries == pytest.approx(values[id_], abs=1e-7), "single precision"
    assert ledger.results(study_id, curves=False).queries == read.queries


NEW = {
    "folds": 5,
    "without": 0.1,
    "question": "itself",
    "idle_without_teacher": [],
    "query_groups": [0, 0, 1],
    "teacher_saw": None,
}


def test_a_study_of_version_1_does_not_learn_what_came_after_it(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    old = {name: value for name, value in record.settings.to_json().items() if name not in NEW}
    old["confirm"] = {"seeds": 4, "finalists": 2}
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.study SET version = 1"))
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE kdsearch.study SET settings = :settings"),
            {"settings": json.dumps(old)},
        )
    larger = toy_study(confirm=kd.Confirm(seeds=6, finalists=2))
    asked = declaration(larger)
    again, changes = ledger.open_study(replace(asked, settings=asked.settings.changed(**NEW)))
    assert again.version == 1
    assert changes == ["confirm.seeds: 4 before, 6 now"]
    assert again.settings.to_json() == {**old, "confirm": {"seeds": 6, "finalists": 2}}


def test_a_new_study_keeps_the_larger_number_of_seeds_of_the_others(ledger: Ledger) -> None:
    few = kd.Confirm(seeds=8, finalists=2, others=4)
    record, _ = ledger.open_study(declaration(toy_study(confirm=few)))
    assert record.settings.confirm == FreshSeeds(8, 2, 4)
    ledger.change_settings(record.id, {"confirm": {"seeds": 10, "finalists": 2, "others": 6}}, "extended")
    again, _ = ledger.open_study(declaration(toy_study(confirm=few)))
    assert again.settings.confirm == FreshSeeds(10, 2, 6)
    again, changes = ledger.open_study(declaration(toy_study(confirm=kd.Confirm(seeds=10, finalists=2))))
    assert again.settings.confirm == FreshSeeds(10, 2, None), "no number: as many as seeds"
    assert changes == ["confirm.others: 6 before, None now"]


def test_the_share_without_a_teacher_stays_as_the_searches_began(ledger: Ledger) -> None:
    first = toy_study(budget=kd.Budget(runs=20, without=0.2))
    record, _ = ledger.open_study(declaration(first))
    again, changes = ledger.open_study(declaration(toy_study(budget=kd.Budget(runs=40, without=0.0))))
    assert again.id == record.id
    assert (again.settings.without, again.settings.budget.runs) == (0.2, 40)
    assert [change.split(":")[0] for change in changes] == ["budget.runs"]
