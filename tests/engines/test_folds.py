"""Runs of several folds in workers: which fold, seed and teacher a run gets, and populations of one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support import Crowd
from support import Loaded
from support import ToyTask
from support import declaration
from support import toy_study

import kdsearch as kd
from kdsearch.data import jhmdb
from kdsearch.data.folds import FIRST
from kdsearch.data.folds import Fold
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.studyfile import LoadedStudy
from kdsearch.engines.width import measured
from kdsearch.errors import DataError
from kdsearch.errors import StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.tasks import RunContext
from kdsearch.tasks import RunRequest
from kdsearch.tasks import RunResult
from kdsearch.tasks import VideoHashing
from kdsearch.tasks.base import Jobs
from kdsearch.tasks.base import Layout

SEEN: list[tuple[RunRequest, RunContext]] = []
FOLDS: list[set[Fold]] = []


class Watched(ToyTask):
    """Tells what runs were trained, and gives what each of four queries reached."""

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        SEEN.append((request, context))
        result = super().train(request, context)
        if context.keep_queries and result.score is not None:
            result.queries = [result.score] * 4
        return result


class Mixed(Crowd):
    """Tells which folds a population held at once."""

    def population(self, layout: Layout, device: str) -> object:  # type: ignore[override]
        inner = super().population(layout, device)

        class Telling:
            def train(self, jobs: Jobs, fold: Fold = FIRST) -> None:
                held = set[Fold]()
                FOLDS.append(held)
                inner.train(_Noting(jobs, held), fold)
                assert held == {fold}

        return Telling()


class _Noting:
    def __init__(self, jobs: Jobs, held: set[Fold]) -> None:
        self.jobs, self.held = jobs, held

    def claim(self, free: int) -> Sequence[object]:
        claimed = self.jobs.claim(free)
        self.held |= {job.request.fold for job in claimed}
        return claimed

    def __getattr__(self, name: str) -> object:
        return getattr(self.jobs, name)


def run(ledger: Ledger, study: kd.Study, population: int = 1) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, max(2, population))
    DebugEngine(coordinator, Loaded(study), population=population).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_a_worker_trains_what_the_ledger_says(ledger: Ledger) -> None:
    SEEN.clear()
    study = toy_study(task=Watched(folds=3), budget=kd.Budget(runs=20), confirm=kd.Confirm(seeds=4, finalists=0))
    results = run(ledger, study)
    students = {(dict_key(request.params), request.seed): (request, context) for request, context in SEEN}
    for stored in results.runs:
        params = results.configurations[stored.configuration_id].params
        if stored.pool == "teacher":
            continue
        request, context = students[dict_key(params), stored.seed]
        assert request.fold == stored.fold
        assert context.keep_queries == (stored.pool == "confirm")
        assert (request.teacher is not None) == (params["alpha"] != 0)
    teachers = [request for request, _ in SEEN if request.role == "teacher"]
    stored_teachers = [row for row in results.runs if row.pool == "teacher"]
    assert {request.fold for request in teachers} == {row.fold for row in stored_teachers}
    # The seed that a teacher trains with is its number alone, so that another fold may have the same.
    assert {request.seed for request in teachers} == {
        2_000_000 + (row.seed - 2_000_000) % 49_152 for row in stored_teachers
    }
    fresh = [row for row in results.runs if row.pool == "confirm"]
    assert {row.fold for row in fresh} == {Fold(1, 0), Fold(1, 1), Fold(1, 2), Fold(2, 0)}
    assert all(row.seed < 2**31 for row in results.runs)
    compared = {results.study.winner_id, results.study.ablation_id, results.study.best_without_id}
    kept = {row.id for row in fresh if row.configuration_id in compared}
    assert results.queries.keys() == kept
    assert all(len(values) == 4 for values in results.queries.values())


def dict_key(params: object) -> tuple[object, ...]:
    return tuple(sorted(dict(params).items()))  # type: ignore[call-overload]


def test_a_population_holds_runs_of_one_fold_and_none_is_lost(ledger: Ledger) -> None:
    FOLDS.clear()
    changes = {"budget": kd.Budget(runs=40), "confirm": kd.Confirm(seeds=5, finalists=0)}
    together = run(ledger, toy_study(task=Mixed(folds=4), search=kd.Fixed(seeds=4), **changes), population=8)
    assert together.study.phase == "finished"
    assert {row.state for row in together.runs} == {"done"}
    assert {len(held) for held in FOLDS} == {1}
    assert len(set.union(*FOLDS)) == 4 + 5  # of the search and of five fresh seeds
    alone = run(ledger, toy_study(task=ToyTask(folds=4), name="alone", search=kd.Fixed(seeds=4), **changes))

    def values(results: StudyResults) -> dict[object, object]:
        return {
            (results.configurations[row.configuration_id].name, row.pool, row.seed): row.objective
            for row in results.runs
        }

    assert values(together) == values(alone)


def test_a_layout_must_make_up_for_the_slots_that_folds_leave_empty() -> None:
    layouts = [Layout(1), Layout(4, "crowd"), Layout(8, "crowd")]
    assert measured(Crowd(times={1: 0.12, 4: 0.1, 8: 0.09}), layouts, "cpu").width == 8
    assert measured(Crowd(folds=5, times={1: 0.12, 4: 0.1, 8: 0.09}), layouts, "cpu", 1.5).width == 1
    assert measured(Crowd(folds=5, times={1: 0.12, 4: 0.07, 8: 0.06}), layouts, "cpu", 1.5).width == 8


def hashing(root: Path, **changes: object) -> kd.Study:
    space = {"alpha": kd.uniform(0, 1), "temperature": kd.log(1, 16)}
    return kd.Study("codes", VideoHashing(jhmdb(root=root)), space, **changes)  # type: ignore[arg-type]


def test_a_study_that_was_stored_before_there_were_draws_goes_on_so(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path))
    assert loaded.as_stored(ledger) is loaded  # nothing is stored: a new study has folds
    before = loaded.study.before_draws()
    assert before is not None
    ledger.open_study(declaration(before))
    found = loaded.as_stored(ledger)
    assert (found.study.stored_name, found.study.folds) == ("codes@standin-poses-split1", 0)
    ledger.open_study(declaration(loaded.study))
    assert loaded.as_stored(ledger) is loaded  # both are stored: the file means the one with folds


def test_another_study_of_the_same_older_name_is_not_gone_on_with(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path))
    before = loaded.study.before_draws()
    assert before is not None
    other = replace(before, space={"alpha": kd.uniform(0, 0.5)})
    ledger.open_study(declaration(other))
    assert loaded.as_stored(ledger) is loaded


def test_runs_listen_to_a_given_file_only_where_they_weigh_it(ledger: Ledger, tmp_path: Path) -> None:
    SEEN.clear()
    file = tmp_path / "given.pt"
    file.write_text("teacher 7 0 0")
    study = toy_study(task=Watched(), teacher=file, teacher_saw="nothing", budget=kd.Budget(runs=12))
    results = run(ledger, study)
    assert not [row for row in results.runs if row.pool == "teacher"]
    listening = {bool(request.params["alpha"]): request.teacher for request, _ in SEEN}
    assert listening == {True: file, False: None}


@pytest.mark.parametrize("text", ["", "not weights"])
def test_a_file_that_holds_no_teacher_fails_no_run_hours_later(tmp_path: Path, text: str) -> None:
    from kdsearch.errors import StudyFileError

    file, root = tmp_path / "given.pt", tmp_path / "data"
    root.mkdir()
    file.write_text(text)
    path = tmp_path / "codes.py"
    path.write_text("")
    with pytest.raises(StudyFileError, match=r"given\.pt.*teacher of this task"):
        LoadedStudy(path, hashing(root, teacher=file, teacher_saw="train")).declaration()


def test_an_older_study_keeps_its_budget_its_fresh_seeds_and_its_share(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path, confirm=kd.Confirm(seeds=40, others=20)))
    before = loaded.study.before_draws(1 / 3)
    assert before is not None
    older = replace(before, confirm=kd.Confirm(seeds=6, finalists=3), budget=kd.Budget(runs=24))
    ledger.open_study(declaration(older))
    found = loaded.as_stored(ledger).study
    assert found.identity()["task"]["data"]["validation"] == 1 / 3
    assert (found.confirm.seeds, found.confirm.finalists, found.budget.runs) == (6, 3, 24)
    record, changes = ledger.open_study(declaration(found))
    assert changes == []
    assert record.settings["confirm"]["seeds"] == 6


@pytest.mark.parametrize("changes", [{"vary": ("order", "split")}, {"vary": ("teacher",)}])
def test_what_an_older_study_could_not_say_is_a_new_one(ledger: Ledger, tmp_path: Path, changes: object) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path, **changes))  # type: ignore[arg-type]
    assert loaded.as_stored(ledger) is loaded


STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: path.stem)
def test_every_preset_of_every_study_finds_its_older_self(ledger: Ledger, file: Path) -> None:
    found = 0
    for preset in ("none", *kd.load(file, preset="none").presets):
        try:
            study = kd.load(file, preset=preset)
            before = study.before_draws()
            assert LoadedStudy(file, study).as_stored(ledger).study is study
            identity = before.identity() if before is not None else {}
        except DataError:
            continue  # data or weights that are not here
        assert "validation" in str(identity["task"]["data"])
        assert "folds" not in str(identity["task"]["data"])
        found += 1
    assert found >= 2


def test_the_question_is_part_of_what_a_study_is(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study()))
    with pytest.raises(StudyMismatch, match="question: 'nothing' in the ledger, 'best without' in the study file"):
        ledger.open_study(declaration(toy_study(question="best without")))


def test_a_teacher_a_seed_is_one_a_seed_where_the_split_is_fixed(ledger: Ledger) -> None:
    SEEN.clear()
    parameters = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order"}
    run(ledger, toy_study(task=Watched(parameters=parameters), teachers="per-seed", confirm=kd.Confirm(seeds=6)))
    fresh = {request.seed: request.teacher for request, context in SEEN if context.keep_queries and request.teacher}
    assert len(fresh) == len(set(fresh.values())) == 6
