"""A program as a task: what is wrong with it is said when the study file is read, and a run gives what it printed."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import kdsearch as kd
from kdsearch.errors import KdsearchError, RunInterrupted, StudyFileError
from kdsearch.tasks import Command, CsvFile, JsonLines, LastLine, RunContext, RunRequest, TeacherCommand

TRAINER = Path(__file__).parents[2] / "fixtures" / "toy_trainer.py"
SPACE = {"T": kd.log(1, 16), "alpha": kd.uniform(0, 1)}
LINE = "{python} train.py --temperature={T} --alpha={alpha} --seed={seed} --log-dir={workspace}/logs"
PATTERN = r"val accuracy: ([\d.]+)"
TEACHER = TeacherCommand("{python} train.py --seed={seed} --log-dir={workspace} --save={workspace}/t", "{workspace}/t")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a script."""
    place = tmp_path / "user"
    place.mkdir()
    shutil.copy(TRAINER, place / "train.py")
    return place


def command(folder: Path, line: str = LINE, objective: Any = PATTERN, **fields: Any) -> Command:
    return Command(line, objective, chance=0.0, cwd=folder, **fields)


def run(task: Any, folder: Path, *, role: Any = "student", teacher: Path | None = None, **params: Any) -> Any:
    workspace = folder.parent / "workspace"
    workspace.mkdir(exist_ok=True)
    seen: list[tuple[int, float]] = []
    context = RunContext(workspace, report=lambda epoch, value: seen.append((epoch, value)))
    result = task.train(RunRequest(role, {"T": 4.0, "alpha": 0.6, **params}, 3, teacher), context)
    assert seen == list(zip(result.curve["epoch"], result.curve["objective"], strict=True))
    return result


def test_every_way_of_reading_gives_the_same_run(folder: Path) -> None:
    logs = "{workspace}/logs"
    found = [
        run(command(folder, objective=PATTERN, score=r"test accuracy: ([\d.]+)"), folder),
        run(
            command(
                folder,
                objective=JsonLines(f"{logs}/log.jsonl", "val.acc"),
                score=JsonLines(f"{logs}/log.jsonl", "test_acc"),
            ),
            folder,
        ),
        run(
            command(
                folder, objective=CsvFile(f"{logs}/log.csv", "val_acc"), score=CsvFile(f"{logs}/log.csv", "test_acc")
            ),
            folder,
        ),
        run(command(folder, objective=LastLine("val_acc"), score=LastLine("test_acc")), folder),
    ]
    assert [len(result.curve["epoch"]) for result in found] == [3, 3, 3, 1]
    for result in found:
        assert (result.state, result.epoch) == ("done", result.epochs)
        assert result.objective == pytest.approx(found[0].objective, abs=1e-5)
        assert result.score == pytest.approx(result.objective - 0.01, abs=2e-5)


def test_the_best_epoch_or_the_last_counts_with_its_own_score(folder: Path) -> None:
    (folder / "said.py").write_text("for v, t in ((0.1, 1), (0.5, 2), (0.5, 3), (0.3, 4)): print(f'v={v} t={t}')")
    line = "{python} said.py --seed={seed} --T={T} --alpha={alpha}"
    last = run(command(folder, line, r"v=(\S+)", score=r"t=(\d)"), folder)
    best = run(command(folder, line, r"v=(\S+)", score=r"t=(\d)", choose="best"), folder)
    assert (last.epoch, last.objective, last.score, last.epochs) == (4, 0.3, 4.0, 4)
    assert (best.epoch, best.objective, best.score, best.epochs) == (2, 0.5, 2.0, 4)
    assert best.curve["score"] == [1.0, 2.0, 3.0, 4.0]
    once = run(command(folder, line, r"v=(\S+)", score=r"v=0.3 t=(\d)", choose="best"), folder)
    assert (once.score, "score" in once.curve) == (4.0, False)
    said = "the output has the objective 4 times and score 2 times, so that it is not known which belong to one epoch"
    with pytest.raises(KdsearchError, match=said):
        run(command(folder, line, r"v=(\S+)", score=r"v=0.5 t=(\d)"), folder)
    with pytest.raises(KdsearchError, match=said.replace("score", "size")):
        run(command(folder, line, r"v=(\S+)", metrics={"size": r"v=0.5 t=(\d)"}), folder)


def test_a_value_that_is_not_finite_is_a_run_that_diverged(folder: Path) -> None:
    result = run(command(folder, f"{LINE} --then=nan", LastLine("val_acc"), score=LastLine("test_acc")), folder)
    assert (result.state, result.objective, result.score) == ("diverged", 0.0, 0.0)
    assert math.isnan(result.curve["objective"][0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{LINE} --then=raise", r"(?s)ended by exit code 1\. Its last lines:.*RuntimeError: the loss exploded$"),
        (
            f"{LINE} --then=kill",
            r"(?s)ended by SIGKILL, which the system sends where memory runs out\. Its last lines:",
        ),
        (f"{LINE} --kd-mode=none", r"(?s)ended by exit code 2.*invalid choice: 'none'"),
        (
            "{python} -c 1 {T} {alpha} {seed}",
            "gave no objective: expected a line of its output that matches .* printed nothing",
        ),
    ],
)
def test_a_command_that_fails_says_why(folder: Path, line: str, said: str) -> None:
    with pytest.raises(KdsearchError, match=said):
        run(command(folder, line), folder)


def test_a_command_that_takes_too_long_is_ended(folder: Path) -> None:
    with pytest.raises(KdsearchError, match=r"took longer than timeout=0\.5 s"):
        run(command(folder, f"{LINE} --then=hang", timeout=0.5), folder)


def test_a_run_that_is_interrupted_ends_its_command(folder: Path) -> None:
    def report(epoch: int, value: float) -> None:
        raise RunInterrupted

    workspace = folder.parent / "workspace"
    workspace.mkdir()
    task = command(folder, f"{LINE} --sleep=0.3 --epochs=1000")
    with pytest.raises(RunInterrupted):
        task.train(RunRequest("student", {"T": 4.0, "alpha": 0.6}, 3), RunContext(workspace, report=report))
    assert len((workspace / "logs" / "log.jsonl").read_text().splitlines()) < 20


def test_values_and_places_reach_the_command(folder: Path) -> None:
    (folder / "said.py").write_text(
        "import json, os, sys\nprint(json.dumps({'v': 1, 'a': sys.argv[1:], 'e': [os.environ.get(k) for k in "
        "('X', 'CUDA_VISIBLE_DEVICES', 'TAUGHT')]}))"
    )
    task = Command(
        ["{python}", "said.py", "{T}", "{seed}", "{device}", "{workspace}", "{alpha}"],
        LastLine("v"),
        chance=0.0,
        cwd=folder,
        environment={"X": "s{seed}", "TAUGHT": "{teacher}"},
    )
    run(task, folder)
    workspace = folder.parent / "workspace"
    said = json.loads((workspace / "command-output.txt").read_text())
    assert said == {"v": 1, "a": ["4.0", "3", "cpu", str(workspace), "0.6"], "e": ["s3", "", None]}


def test_each_attempt_begins_anew_unless_the_command_goes_on(folder: Path) -> None:
    (folder / "said.py").write_text(
        "import json, pathlib, sys\nfile = pathlib.Path(sys.argv[1]) / 'log'\n"
        "count = len(file.read_text().splitlines()) if file.exists() else 0\n"
        "with file.open('a') as log:\n    log.write(json.dumps({'v': count + 1}) + '\\n')"
    )
    line, reading = "{python} said.py {workspace} {T} {alpha} {seed}", JsonLines("{workspace}/log", "v")
    for resumes, expected in ((False, [[1.0], [1.0]]), (True, [[1.0, 2.0], [1.0, 2.0, 3.0]])):
        task = command(folder, line, reading, resumes=resumes)
        assert [run(task, folder).curve["objective"] for _ in range(2)] == expected


def test_links_of_a_folder_lead_where_they_did_from_its_copy(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "x").write_text("0.75")
    (folder / "data").symlink_to("../elsewhere")
    (folder / "beside").write_text("1")
    (folder / "near").symlink_to("beside")
    (folder / "said.py").write_text(
        "import os\nprint('v', open('data/x').read(), open('near').read(), os.readlink('near'))"
    )
    result = run(command(folder, "{python} said.py {T} {alpha} {seed}", r"v (\S+) 1 beside", copy=True), folder)
    assert result.objective == 0.75


def test_a_teacher_knows_no_parameter(folder: Path) -> None:
    (folder / "pre.py").write_text(
        "import os, sys\nopen(sys.argv[1], 'w').write(os.environ.get('A', 'none'))\nprint('v=1')"
    )
    teacher = TeacherCommand("{python} pre.py {workspace}/t", "{workspace}/t", objective=r"v=(\d)")
    task = Command(
        TAUGHT["command"],
        PATTERN,
        chance=0.0,
        cwd=folder,
        environment={"A": "{alpha}"},
        teacher=teacher,
        teacher_parameters="alpha",
        without_teacher=TAUGHT["without_teacher"],
    )
    assert run(task, folder, role="teacher").weights.read_text() == "none"


def test_a_run_that_has_ended_well_is_not_lost_to_a_stop(folder: Path) -> None:
    def report(epoch: int, value: float) -> None:
        if epoch == 3:
            raise RunInterrupted

    workspace = folder.parent / "workspace"
    workspace.mkdir()
    result = command(folder).train(
        RunRequest("student", {"T": 4.0, "alpha": 0.6}, 3), RunContext(workspace, report=report)
    )
    assert (result.state, result.epochs) == ("done", 3)


def test_the_lowest_value_is_the_best_of_a_loss(folder: Path) -> None:
    (folder / "said.py").write_text("for v in (0.5, 0.1, 0.1, 0.3): print(f'v={v}')")
    line = "{python} said.py {seed} {T} {alpha}"
    found = run(command(folder, line, r"v=(\S+)", choose="best", direction="minimize"), folder)
    assert (found.epoch, found.objective) == (2, 0.1)


def test_a_run_in_a_copy_writes_beside_no_other(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "x").write_text("0.25")
    (folder / ".git").mkdir()
    (folder / "said.py").write_text(
        "import os, pathlib\nprint('v', pathlib.Path('data/x').read_text())\npathlib.Path('made').touch()\n"
        "print(os.path.islink('data'), os.path.exists('.git'))"
    )
    result = run(command(folder, "{python} said.py {T} {alpha} {seed}", r"v (\S+)", copy=True, linked=["data"]), folder)
    assert result.objective == 0.25
    copy = folder.parent / "workspace" / "copy"
    assert (copy / "made").exists()
    assert not (folder / "made").exists()
    assert (folder.parent / "workspace" / "command-output.txt").read_text().endswith("True False\n")


def test_a_command_has_a_teacher_where_one_is_trained(folder: Path) -> None:
    assert not command(folder).has_teacher
    taught = {**TAUGHT, "command": f"{LINE} {{teacher}}"}
    assert Command(**{"objective": PATTERN, "chance": 0.0, "cwd": folder, **taught}).has_teacher


def test_a_teacher_is_a_file_that_a_command_writes(folder: Path) -> None:
    task = command(
        folder,
        f"{LINE} --teacher={{teacher}}",
        teacher=TEACHER,
        teacher_parameters=("alpha",),
        without_teacher="{python} train.py --alpha=0 --seed={seed} --log-dir={workspace}",
    )
    taught = run(task, folder, role="teacher")
    assert taught.weights.read_text() == "0.1"
    kept = folder.parent / "kept.txt"
    shutil.copy(taught.weights, kept)
    alone, helped = run(task, folder, alpha=0.0), run(task, folder, teacher=kept)
    plain = run(command(folder), folder, alpha=0.6)
    assert helped.objective == pytest.approx(plain.objective + 0.1 * (1 - math.exp(-3)), abs=1e-5)
    assert alone.objective < plain.objective
    other = TeacherCommand("{python} train.py --seed={seed} --log-dir={workspace}", "{workspace}/other")
    with pytest.raises(KdsearchError, match=r"ended well and left no file at \{workspace\}/other"):
        run(task.with_options(teacher=other), folder, role="teacher")


def test_a_program_may_look_for_its_teacher_in_its_own_folder(folder: Path) -> None:
    (folder / "said.py").write_text(
        "file = open('checkpoint/t.pth', 'r+')\nprint('v', file.read())\nfile.write('more')"
    )
    teacher = folder.parent / "teacher.pth"
    teacher.write_text("0.5")
    task = command(
        folder,
        "{python} said.py {T} {alpha} {seed}",
        r"v (\S+)",
        copy=True,
        teacher=TEACHER,
        teacher_at="checkpoint/t.pth",
        teacher_parameters="alpha",
        without_teacher="{python} -c 1",
    )
    assert run(task, folder, teacher=teacher).objective == 0.5
    assert teacher.read_text() == "0.5"


TAUGHT: dict[str, Any] = {
    "command": f"{LINE} --teacher={{teacher}}",
    "teacher": TEACHER,
    "teacher_parameters": ("alpha",),
    "without_teacher": "{python} train.py --alpha=0 --seed={seed} --log-dir={workspace}",
}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"chance": None}, r"expected chance=NUMBER, .* got None"),
    ({"chance": math.nan}, r"expected chance=NUMBER, .* got none; give what"),
    ({"objective": 3}, r"objective=3: expected a regular expression with one group, or Pattern"),
    ({"objective": "acc"}, r"objective: pattern='acc': expected a regular expression with one group"),
    ({"score": ["x"]}, r"score=\['x'\]: expected a regular"),
    ({"choose": "first"}, r"choose is 'last' or 'best'"),
    ({"timeout": -1}, r"timeout=-1: expected seconds"),
    ({"label": 3}, r"label=3: expected a text"),
    ({"parameters": {"Alpha": 1}}, r"parameter 'Alpha' does nothing: no command has \{Alpha\}; did you mean 'alpha'"),
    ({"parameters": {"seed": 1}}, r"\{seed\} is the run's seed, and no parameter"),
    ({"environment": {"A": 1}}, r"environment: 'A'=1: expected texts"),
    ({"objective": CsvFile("log.csv", "acc")}, r"'log.csv' is read, and runs beside each other would all write it"),
    ({"objective": CsvFile("/log.csv", "acc"), "copy": True}, r"'/log.csv' is read, and runs beside each other"),
    ({"linked": "data"}, r"linked is of copy=True"),
    ({"linked": ["no"], "copy": True}, r"linked names no, and there is no such file"),
    ({"code": ["no.py"]}, r"code names 'no.py', and there is no such file"),
    ({"cwd": "no/where"}, r"expected a folder at cwd='no/where'"),
    ({"command": LINE.replace("train", "trian")}, r"command: there is no file trian.py in .*; say where by cwd="),
    ({"command": LINE.replace("{python}", "pyhton")}, r"found no program 'pyhton' in .* or on PATH"),
    ({"command": f"{LINE} {{beta}}"}, r"the command has the placeholder \{beta\}, and nothing sets it"),
    ({"command": LINE.replace("{T}", "4")}, r"unknown 'T'. Known: alpha"),
    ({"teacher": TEACHER}, r"there is a teacher, and the command reads no \{teacher\}"),
    ({"teacher_parameters": ["alpha"]}, r"teacher_parameters are of a command that reads \{teacher\}"),
    ({"command": f"{LINE} {{teacher}}"}, r"name its weights, .*\n.*say by without_teacher how such a run is trained"),
    ({"teacher_at": "t"}, r"teacher_at is a place in the copy of a run: give copy=True"),
    ({"teacher": TeacherCommand("train {alpha}", "{workspace}/t")}, r"the teacher's command has \{alpha\}"),
    ({"teacher": "python pretrain.py"}, r"teacher='python pretrain.py': expected kd.tasks.TeacherCommand"),
    ({"cwd": None}, r"cwd=None: expected a path"),
    ({"teacher_at": 3}, r"teacher_at=3: expected a path"),
    ({"copy": "yes"}, r"copy='yes': expected True or False"),
    ({"linked": ["/mnt"], "copy": True}, r"linked names '/mnt': expected a path below the folder"),
    ({"linked": ["../x"], "copy": True}, r"linked names '../x': expected a path below the folder"),
    ({"resumes": True}, r"resumes=True with a metric from the output: what earlier attempts printed"),
    (
        {"command": f"{LINE} {{teacher}}", "teacher_parameters": "alpha", "without_teacher": "{python} -c 1"},
        r"reads a teacher's file, and there is none: say how one is trained",
    ),
    (
        {**TAUGHT, "teacher": TeacherCommand("{python} train.py {seed}", "{workspace}/{alpha}")},
        r"the teacher's output or its metric's file names \{alpha\}, a parameter that no teacher has",
    ),
    ({**TAUGHT, "objective": JsonLines("{teacher}.jsonl", "a"), "copy": True}, r"a metric's file names \{teacher\}"),
    ({"shell": True, "command": "cat <<E\n{alpha} {T}\nE"}, r"a here-document takes no placeholders"),
    ({"direction": "minimise"}, r"direction is 'maximize' or 'minimize', got 'minimise'"),
    ({"tearcher": TEACHER}, r"Command has no argument 'tearcher'; did you mean 'teacher'"),
]


@pytest.mark.parametrize(("fields", "said"), WRONG)
def test_what_cannot_run_is_refused_when_the_file_is_read(folder: Path, fields: dict[str, Any], said: str) -> None:
    given = {"command": LINE, "objective": PATTERN, "chance": 0.0, "cwd": folder, **fields}
    with pytest.raises(StudyFileError, match=f"(?s){said}"):
        kd.Study("s", Command(**given), SPACE)


def test_a_launcher_that_is_a_script_is_not_taken_for_the_one_that_it_starts(folder: Path) -> None:
    (folder / "torchrun_here.py").touch(0o755)
    line = LINE.replace("{python}", "./torchrun_here.py")
    assert kd.Study("s", command(folder, line), SPACE)
    with pytest.raises(StudyFileError, match=r"there is no file trian\.py in"):
        kd.Study("s", command(folder, line.replace("train.py", "trian.py")), SPACE)


def test_a_study_gives_defaults_and_a_middle_to_what_is_searched(folder: Path) -> None:
    study = kd.Study("s", command(folder), SPACE, baselines={"mine": {"T": 2.0, "alpha": 0.5}})
    assert dict(study.defaults) == {"T": 4.0, "alpha": 0.5}
    assert study.task.description == "values of train.py, as it gives them"
    fixed = kd.Study("s", command(folder), {"T": SPACE["T"]}, baselines={"mine": {"T": 2}}, defaults={"alpha": 0.25})
    assert fixed.complete({"T": 2.0}) == {"T": 2.0, "alpha": 0.25}
    assert fixed.identity() != study.identity()
    with pytest.raises(StudyFileError, match=r"baseline 'half': there are no defaults .* nothing is set for T"):
        kd.Study("s", command(folder), SPACE, baselines={"half": {"alpha": 0.5}})
    with pytest.raises(StudyFileError, match="chance is for a bare function"):
        kd.Study("s", command(folder), SPACE, chance=0.0)
    preset = {"quick": {"task": {"command": f"{LINE} --epochs=1"}}}
    quick = kd.Study("s", command(folder), SPACE, presets=preset).with_preset("quick")
    assert run(quick.task, folder).epochs == 1
    fewer = kd.Study("s", command(folder), SPACE, presets={"t": {"space": {"T": SPACE["T"]}}})
    with pytest.raises(StudyFileError, match=r"placeholder \{alpha\}, and nothing sets it"):
        fewer.with_preset("t")  # the middle of a range that is no more
    other = command(folder, objective=LastLine("val_acc")).with_options(objective=LastLine("val_loss"))
    assert other.metric == "val_loss"


def test_what_a_command_is_follows_from_its_words_and_its_source(folder: Path) -> None:
    (folder / "nets").mkdir()
    (folder / "nets" / "__init__.py").write_text("from nets import vgg")
    (folder / "nets" / "vgg.py").write_text("import json")
    (folder / "other.py").write_text("")
    with (folder / "train.py").open("a") as file:
        file.write("\n\ndef late():\n    import nets\n")
    names = [path.relative_to(folder).as_posix() for path in command(folder).sources()]
    assert sorted(names) == ["nets/__init__.py", "nets/vgg.py", "train.py"]
    module = [path.name for path in command(folder, "python -m train {T} {alpha}").sources()]
    assert sorted(module) == ["__init__.py", "train.py", "vgg.py"]
    assert "no run of it can be repeated" in command(folder, "python train.py {T}").description
    more = [path.name for path in command(folder, code=["other.py"]).sources()]
    assert "other.py" in more
    identities = [
        command(folder).identity(),
        command(folder, f"{LINE} --epochs=4").identity(),
        command(folder, objective=LastLine("val_acc")).identity(),
        command(folder, choose="best").identity(),
        command(folder, environment={"A": "1"}).identity(),
    ]
    assert len({json.dumps(identity) for identity in identities}) == len(identities)
    assert sys.executable not in json.dumps(identities)
