"""What is settled when a study file is read: given weights, the question, and studies begun before there were folds."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import NOISY, Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.data import clips, jhmdb
from kdsearch.engines import artifacts
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.engines.teacher import given_weights
from kdsearch.errors import DataError, StudyFileError, StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.tasks import ImageClassification, RunContext, RunRequest, RunResult, VideoHashing

SINCE = {"folds", "without", "question", "idle_without_teacher", "query_groups", "teacher_saw"}

FILE = """
import kdsearch as kd
from kdsearch.data import jhmdb
from kdsearch.tasks import VideoHashing

study = kd.Study(
    "codes",
    VideoHashing(jhmdb(root={root!r})),
    {{"alpha": kd.uniform(0, 1), "temperature": kd.log(1, 16)}},
    {more}
)
"""


def hashing(root: Path, **changes: Any) -> kd.Study:
    space = {"alpha": kd.uniform(0, 1), "temperature": kd.log(1, 16)}
    return kd.Study("codes", VideoHashing(jhmdb(root=root)), **{"space": space, **changes})


def written(folder: Path, more: str = "") -> Path:
    """A study file in this folder, on synthetic data."""
    (folder / "data").mkdir(parents=True)
    path = folder / "codes.py"
    path.write_text(FILE.format(root=str(folder / "data"), more=more))
    return path


class Watched(ToyTask):
    """Tells which weights its students were given, and what they held then; ``meanwhile`` is called at each run."""

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        if request.teacher is not None:
            HELD.append((request.teacher, request.teacher.read_text()))
        for act in MEANWHILE:
            act()
        return super().train(request, context)


HELD: list[tuple[Path, str]] = []
MEANWHILE: list[Any] = []


def run(ledger: Ledger, study: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_a_given_file_is_looked_for_beside_the_study_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = written(tmp_path / "mine", 'teacher="t.pt", teacher_saw="train", presets={"other": {"teacher": "o.pt"}},')
    beside, here = path.parent / "t.pt", elsewhere / "t.pt"
    with pytest.raises(StudyFileError) as refused:
        load(path, "none")
    assert f"at {beside} (beside the study file) or at {here} (in the working directory), found none" in str(
        refused.value
    )
    here.write_text("here")
    assert load(path, "none").study.teacher_file == here
    beside.write_text("beside")
    found = load(path, "none").study
    assert found.teacher_file == beside
    monkeypatch.chdir(tmp_path)
    assert found.teacher_file == beside, "it is found once"
    (path.parent / "o.pt").write_text("of the preset")
    assert load(path, "other").study.teacher_file == path.parent / "o.pt"


def test_a_study_without_a_file_looks_in_the_working_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyFileError, match=f"expected a file of weights at {tmp_path}/t.pt .in the working d.*none"):
        hashing(tmp_path, teacher="t.pt", teacher_saw="train")
    (tmp_path / "t.pt").write_text("weights")
    assert hashing(tmp_path, teacher="t.pt", teacher_saw="train").teacher_file == tmp_path / "t.pt"


def test_runs_listen_to_the_file_that_the_study_was_begun_with(ledger: Ledger, tmp_path: Path) -> None:
    HELD.clear()
    file = tmp_path / "given.pt"
    file.write_text("teacher 7 0 0")
    study = toy_study(task=Watched(), teacher=file, teacher_saw="nothing", budget=kd.Budget(runs=12))
    MEANWHILE[:] = [lambda: file.write_text("teacher 8 0 0 of another day")]
    try:
        results = run(ledger, study)
    finally:
        MEANWHILE.clear()
    assert results.study.phase == "finished"
    assert {run.state for run in results.runs} == {"done"}
    assert not [row for row in results.runs if row.pool == "teacher"]
    content = results.study.identity["teachers"]["file"]
    assert set(HELD) == {(artifacts.folder() / f"{content}.pt", "teacher 7 0 0")}
    assert len(HELD) < len(results.runs), "only those that weigh it"
    with pytest.raises(StudyMismatch, match=r"teachers\.file"):
        ledger.open_study(declaration(study))


def test_a_file_that_changed_before_it_was_kept_ends_the_worker_and_fails_no_run(
    ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "given.pt"
    file.write_text("teacher 7 0 0")
    study = toy_study(teacher=file, teacher_saw="nothing", budget=kd.Budget(runs=12))
    record, _ = ledger.open_study(declaration(study))
    before = study.teacher_content
    file.write_text("teacher 8 0 0 of another day")
    with pytest.raises(StudyFileError) as refused:
        DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    assert f"expected content {before}, came {study.teacher_content}" in str(refused.value)
    states = {row.state for row in ledger.results(record.id).runs}
    assert "failed" not in states
    assert "queued" in states, "it waits for the file"


def test_a_damaged_copy_is_made_anew(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "given.pt"
    file.write_text("teacher 7 0 0")
    study = toy_study(teacher=file, teacher_saw="nothing")
    copy = given_weights(study, study.identity())
    copy.write_text("half a fi")
    assert given_weights(study, study.identity()) == copy
    assert copy.read_text() == "teacher 7 0 0"


@pytest.mark.parametrize("text", ["", "not weights"])
def test_a_file_that_holds_no_teacher_fails_no_run_hours_later(home: Path, tmp_path: Path, text: str) -> None:
    file, root = tmp_path / "given.pt", tmp_path / "data"
    root.mkdir()
    file.write_text(text)
    path = tmp_path / "codes.py"
    path.write_text("")
    with (
        pytest.warns(UserWarning, match="cannot be read"),
        pytest.raises(StudyFileError, match=r"given\.pt.*teacher of this task"),
    ):
        LoadedStudy(path, hashing(root, teacher=file, teacher_saw="train")).declaration()
    assert not list(artifacts.folder().iterdir())


def test_a_launch_keeps_the_file_and_names_it_in_the_description(home: Path, tmp_path: Path) -> None:
    import torch

    file, root = tmp_path / "given.pt", tmp_path / "data"
    root.mkdir()
    own = hashing(root)
    task = own.task
    assert isinstance(task, VideoHashing)
    torch.save({"state": task.build("teacher", task.data.num_classes).state_dict()}, file)
    path = tmp_path / "codes.py"
    path.write_text("")
    declared = LoadedStudy(path, hashing(root, teacher=file, teacher_saw="train")).declaration()
    (copy,) = artifacts.folder().iterdir()
    assert copy.read_bytes() == file.read_bytes()
    assert copy.name == f"{declared.identity['teachers']['file']}.pt"
    assert "20 frames, from given.pt; 48 bits" in declared.description
    assert "last epoch" not in declared.description
    assert "20 frames, last epoch; 48 bits" in own.description == task.description


@pytest.mark.parametrize("space", ["", '"patience": kd.integer(1, 9)'])
def test_a_question_about_a_search_that_has_nothing_to_search_is_refused(tmp_path: Path, space: str) -> None:
    path = written(tmp_path)
    text = path.read_text().replace("kd.log(1, 16)}", f"kd.log(1, 16), {space}}}")
    path.write_text(text)
    assert load(path, "none").study.question == "itself"
    path.write_text(text.replace("    \n)", '    question="best without",\n)'))
    if space:
        assert load(path, "none").study.question == "best without"
        return
    with pytest.raises(StudyFileError) as refused:
        load(path, "none")
    assert "(representation_weight, alpha) is 0, and of the space (alpha, temperature) none is left" in str(
        refused.value
    )


def older(ledger: Ledger, study: kd.Study) -> StudyRecord:
    """The row of this study as a program from before draws has written it."""
    record, _ = ledger.open_study(declaration(study))
    settings = {name: value for name, value in record.settings.to_json().items() if name not in SINCE}
    settings["confirm"] = {name: settings["confirm"][name] for name in ("seeds", "finalists")}
    with ledger.database.engine.begin() as connection:
        statement = sa.text("UPDATE kdsearch.study SET version = 1, settings = :settings WHERE id = :id")
        connection.execute(statement, {"settings": json.dumps(settings), "id": record.id})
    return ledger.study_by_id(record.id)


def test_a_study_that_was_stored_before_there_were_draws_goes_on_so(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path))
    assert loaded.as_stored(ledger) is loaded  # nothing is stored: a new study has folds
    before = loaded.study.older()
    assert before is not None
    older(ledger, before)
    found = loaded.as_stored(ledger)
    assert (found.study.stored_name, found.study.folds) == ("codes@standin-poses-split1", 0)
    ledger.open_study(declaration(loaded.study))
    assert loaded.as_stored(ledger) is loaded  # both are stored: the file means the one with folds


def test_one_split_that_was_asked_for_is_not_what_folds_go_on_with(ledger: Ledger, tmp_path: Path) -> None:
    fixed = kd.Study("codes", VideoHashing(jhmdb(root=tmp_path, validation=0.2)), hashing(tmp_path).space)
    record, _ = ledger.open_study(declaration(fixed))
    assert (record.name, record.version) == ("codes@standin-poses-split1", 2)
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path))
    assert loaded.as_stored(ledger) is loaded


def test_an_older_study_whose_file_was_edited_is_refused_with_what_differs(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path, presets={"small": {}}).with_preset("small"))
    before = loaded.study.older(1 / 3)
    assert before is not None
    record = older(ledger, before)
    edited = replace(loaded, study=replace(loaded.study, space={**loaded.study.space, "alpha": kd.uniform(0, 0.5)}))
    with pytest.raises(StudyMismatch) as refused:
        edited.as_stored(ledger)
    assert str(refused.value) == (
        "the ledger holds the study 'codes@standin-poses-split1+small', of this name with preset small, which was "
        "begun before there were folds (one split for all runs, one teacher chosen on it), and the study file differs "
        "from it:\n  space.alpha.high: 1.0 in the ledger, 0.5 in the study file\n"
        "Undo the change to go on with the stored one, or give the changed study another name in its file: it then "
        "begins anew, with 5 folds. What is stored can be read by its name: kdsearch report "
        "codes@standin-poses-split1+small"
    )
    assert [row.id for row in ledger.studies()] == [record.id], "nothing was begun"
    renamed = replace(edited, study=replace(edited.study, name="others"))
    assert renamed.as_stored(ledger) is renamed
    preset = replace(edited, study=replace(edited.study, preset=None))
    assert preset.as_stored(ledger) is preset, "another preset is another study"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"vary": ("order", "split")}, "vary: nothing in the ledger, ['order', 'split'] in the study file"),
        ({"teachers": 7}, "teachers: nothing in the ledger, 7 in the study file"),
        ({"teachers": "several"}, "teachers: nothing in the ledger, 'several' in the study file"),
        ({"question": "best without"}, "question: nothing in the ledger, 'best without' in the study file"),
        ({"holdout": "film"}, "holdout: nothing in the ledger, 'film' in the study file"),
    ],
)
def test_what_an_older_study_could_not_say_is_a_difference(
    ledger: Ledger, tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    study = hashing(tmp_path)
    before = study.older()
    assert before is not None
    holdout = changes.pop("holdout", "video")
    changed = replace(study, task=VideoHashing(jhmdb(root=tmp_path, holdout=holdout)), **changes)
    loaded = LoadedStudy(tmp_path / "codes.py", changed)
    assert changed.asked_since_draws()
    assert loaded.as_stored(ledger) is loaded, "nothing is stored: it is a new study"
    older(ledger, before)
    with pytest.raises(StudyMismatch) as refused:
        loaded.as_stored(ledger)
    assert f"differs from it:\n  {line}\n" in str(refused.value), "and in nothing else"


def test_an_older_study_keeps_its_budget_its_fresh_seeds_and_its_share(ledger: Ledger, tmp_path: Path) -> None:
    loaded = LoadedStudy(tmp_path / "codes.py", hashing(tmp_path, confirm=kd.Confirm(seeds=40, others=20)))
    before = loaded.study.older(1 / 3)
    assert before is not None
    older(ledger, replace(before, confirm=kd.Confirm(seeds=6, finalists=3), budget=kd.Budget(runs=24)))
    found = loaded.as_stored(ledger).study
    assert found.identity()["task"]["data"]["validation"] == 1 / 3
    assert (found.confirm.seeds, found.confirm.finalists, found.budget.runs) == (6, 3, 24)
    record, changes = ledger.open_study(declaration(found))
    assert changes == []
    assert record.settings.confirm.seeds == 6


def test_clips_as_images_keep_their_older_share_too(ledger: Ledger, tmp_path: Path) -> None:
    data = clips(jhmdb(modality="frames", root=tmp_path), frames=4)
    study = kd.Study("images", ImageClassification(data), {"alpha": kd.uniform(0, 1)})
    before = study.older(0.3)
    assert before is not None
    older(ledger, before)
    found = LoadedStudy(tmp_path / "images.py", study).as_stored(ledger).study
    assert found.identity()["task"]["data"]["clips"]["validation"] == 0.3


STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: path.stem)
def test_every_preset_of_every_study_finds_its_older_self(ledger: Ledger, file: Path) -> None:
    found = 0
    for preset in ("none", *kd.load(file, preset="none").presets):
        try:
            study = kd.load(file, preset=preset)
            before = study.older()
            assert LoadedStudy(file, study).as_stored(ledger).study is study
            identity = before.identity() if before is not None else {}
        except DataError:
            continue  # data or weights that are not here
        assert "validation" in str(identity["task"]["data"])
        assert "folds" not in str(identity["task"]["data"])
        found += 1
    assert found >= 2


def test_an_error_in_a_study_file_names_its_line_however_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.py").write_text("import kdsearch as kd\n\nspace = kd.log(0, 1)\n")
    monkeypatch.chdir(tmp_path)
    for path in (Path("wrong.py"), tmp_path / "wrong.py"):
        with pytest.raises(StudyFileError, match=r"line 3: space = kd\.log\(0, 1\)"):
            load(path)


def test_a_file_that_ends_the_process_is_no_study_file(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\n\nsys.exit(0)\n")
    with pytest.raises(StudyFileError, match=r"line 3: sys\.exit\(0\)"):
        load(tmp_path / "script.py")


def test_a_run_imports_what_lies_beside_its_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what it asks for only then; modules of the same name elsewhere come first, as for a script's."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_it.py").write_text("GAIN = 0.25\n")
    (tmp_path / "json.py").write_text("raise AssertionError('not this one')\n")
    (tmp_path / "asks.py").write_text(
        "import kdsearch as kd\n\ndef train(params, seed, report):\n    import json\n    from beside_it import GAIN\n"
        "    return params['x'] * GAIN\n\nstudy = kd.Study('asks', train, {'x': kd.uniform(0, 1)})\n"
    )
    study = load(tmp_path / "asks.py").study
    assert sys.path[-1] == str(tmp_path)
    function = study.task.function  # type: ignore[union-attr]
    assert function({"x": 2.0}, 0, None) == 0.5
    load(tmp_path / "asks.py")
    assert sys.path.count(str(tmp_path)) == 1


def test_one_study_at_a_time_has_its_folder_among_the_places_of_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("one", "other", "one"):
        (tmp_path / name).mkdir(exist_ok=True)
        shutil.copy(NOISY, tmp_path / name / "study.py")
        load(tmp_path / name / "study.py")
        mine = [place for place in sys.path if Path(place).is_relative_to(tmp_path)]
        assert mine == [str(tmp_path / name)]


def test_what_a_study_file_prints_is_no_part_of_a_commands_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export to stdout stays CSV or JSON, whatever the file says when it is read."""
    file = tmp_path / "own.py"
    file.write_text(f"print('hello, I am your study')\n{NOISY.read_text()}")
    load(file)
    said = capsys.readouterr()
    assert said.out == ""
    assert "hello, I am your study" in said.err
