"""A study file for a script: its options asked of the script, its values kept, and the file ready to launch."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import kdsearch as kd
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.study.for_script import study_text
from kdsearch.study.ranges import dimension
from kdsearch.tasks import RunContext, RunRequest
from kdsearch.tasks.command.option import Option
from kdsearch.tasks.command.options import options_of, script_of

TRAINER = Path(__file__).parents[1] / "fixtures" / "toy_trainer.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a script."""
    shutil.copy(TRAINER, tmp_path / "train.py")
    return tmp_path


@pytest.mark.parametrize("words", [[sys.executable, "train.py", "--alpha=1"], [sys.executable, "-m", "train"]])
def test_an_argparse_script_tells_its_options_and_does_not_train(folder: Path, words: list[str]) -> None:
    found = {option.name: option for option in options_of(words, folder)}
    assert found["alpha"] == Option("--alpha", "float", 0.5, (), "weight of the soft targets, from 0 to 1")
    assert found["kd_mode"] == Option("--kd-mode", "str", "kl", ("kl", "mse"), "")
    assert (found["epochs"].kind, found["nesterov"].kind) == ("int", "flag")
    assert not (folder / "logs").exists()


def test_a_script_of_a_terminal_is_asked_in_one(folder: Path) -> None:
    (folder / "bar.py").write_text(
        "import os\n_, width = os.popen('stty size', 'r').read().split()\n"
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('-a', '--alpha', type=float)\n"
        "parser.parse_known_args()\n"
    )
    assert options_of([sys.executable, "bar.py"], folder) == [Option("--alpha", "float", also=("-a",))]


def test_of_another_program_the_help_text_is_read(folder: Path) -> None:
    script = folder / "train.sh"
    script.write_text(
        '#!/bin/sh\n[ "$1" = --help ] && cat <<END\nUsage: train\n  -a, --alpha=FLOAT  weight (default: 0.5)\n'
        "  --mode {kl,mse}  loss\n  --epochs N  how many [default: 3]\n  --fast  no checks\n  --help  this\nEND\n"
    )
    script.chmod(0o755)
    found = {option.name: option for option in options_of(["./train.sh"], folder)}
    assert found["alpha"] == Option("--alpha", "float", 0.5, (), "weight (default: 0.5)", ("-a",))
    assert found["mode"].choices == ("kl", "mse")
    assert (found["epochs"].default, found["fast"].kind, "help" in found) == (3, "flag", False)


@pytest.mark.parametrize("words", [[sys.executable, "none.py"], [sys.executable, "-c", "1"], ["./none"]])
def test_what_tells_nothing_is_said(folder: Path, words: list[str]) -> None:
    with pytest.raises(KdsearchError, match=r"tells no options|could not be started"):
        options_of(words, folder)


def test_a_script_that_reads_no_options_is_not_started(folder: Path) -> None:
    (folder / "plain.py").write_text("open('trained', 'w').close()")
    with pytest.raises(KdsearchError, match=r"plain\.py reads no options: it imports none of argparse"):
        options_of([sys.executable, "plain.py"], folder)
    assert not (folder / "trained").exists()


def test_a_parser_of_settings_goes_before_the_one_that_is_meant(folder: Path) -> None:
    """As timm's train script has it."""
    (folder / "two.py").write_text(
        "import argparse\nfirst = argparse.ArgumentParser(add_help=False)\nfirst.add_argument('--config')\n"
        "given, rest = first.parse_known_args()\nsecond = argparse.ArgumentParser()\n"
        "second.add_argument('--lr', type=float, default=0.1)\nsecond.parse_args(rest)\nopen('trained', 'w').close()\n"
    )
    assert {option.name for option in options_of([sys.executable, "two.py"], folder)} == {"config", "lr"}
    assert not (folder / "trained").exists()


@pytest.mark.parametrize(
    "words", [["torchrun", "--nproc_per_node=2", "train.py"], [sys.executable, "-u", "-W", "ignore", "train.py"]]
)
def test_launchers_and_options_of_python_are_passed_over(folder: Path, words: list[str]) -> None:
    assert "alpha" in {option.name for option in options_of(words, folder)}


_ODD = """
import argparse, math
parser = argparse.ArgumentParser()
parser.add_argument("-a", "--alpha", type=float, default=0.5)
parser.add_argument("--lr", "--learning-rate", type=float, default=math.inf)
parser.add_argument("--milestones", type=int, nargs="+", default=[10])
parser.add_argument("--layers", type=int, choices=[1, 2], default=1)
parser.add_argument("--note", default="two\\nlines # here")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--data", required=True)
options = parser.parse_args()
print("accuracy", options.alpha, options.milestones, options.layers, options.device)
"""


def test_odd_options_make_a_file_that_can_be_read(folder: Path) -> None:
    (folder / "odd.py").write_text(_ODD)
    words = [sys.executable, "odd.py", "-a", "0.3", "--milestones", "30", "60", "--data", "here it is"]
    options = options_of(words, folder)
    text = study_text(words, options, name="odd", folder=".", search=["alpha", "lr", "layers", "device"])
    (folder / "study.py").write_text(text)
    study = kd.load(folder / "study.py")
    assert dict(study.baselines["default"]) == {"alpha": 0.3, "learning_rate": 0.01, "layers": 1, "device_": "cpu"}
    workspace = folder / "workspace"
    workspace.mkdir()
    study.task.train(RunRequest("student", {**study.baselines["default"], "layers": 2}, 0), RunContext(workspace))
    assert "accuracy 0.3 [30, 60] 2 cpu" in (workspace / "command-output.txt").read_text()
    with pytest.raises(
        KdsearchError, match=r"the script requires --data: give it in the command, such as .* --data VALUE"
    ):
        study_text(words[:2], options, name="odd", folder=".", search=["alpha"])
    with pytest.raises(StudyFileError, match="one group"):
        study_text(words, options, name="odd", folder=".", search=["alpha"], objective="accuracy")


def test_the_file_can_be_launched_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "train.py", "--epochs", "2", "--alpha", "0.3", "--nesterov", "--log-dir={x}"]
    options = options_of(words, folder)
    text = study_text(words, options, name="train", folder=".", objective=r"val accuracy: ([\d.]+)")
    (folder / "study.py").write_text(text)
    monkeypatch.chdir(folder.parent)
    study = kd.load(folder / "study.py")
    assert list(study.space) == ["temperature", "alpha", "kd_mode", "lr"]
    assert dict(study.baselines["default"]) == {"temperature": 4.0, "alpha": 0.3, "kd_mode": "kl", "lr": 0.1}
    workspace = folder / "workspace"
    workspace.mkdir()
    result = study.task.train(RunRequest("student", dict(study.baselines["default"]), 3), RunContext(workspace))
    assert (result.state, result.epochs) == ("done", 2)
    assert (folder / "{x}").is_dir()
    assert "--sleep (default 0.0)" in text
    assert "--epochs" not in text.partition("# Options")[2]


def test_names_that_are_given_are_searched_and_unknown_ones_refused(folder: Path) -> None:
    options = [Option("--depth", "int", 8), Option("--width", "int", None)]
    words = ["train", "--depth=16"]
    assert '"depth": kd.integer(4, 64, log=True),' in study_text(words, options, name="t", folder=".", search=["depth"])
    with pytest.raises(KdsearchError, match="no option '--dept'; did you mean '--depth'"):
        study_text(words, options, name="t", folder=".", search=["--dept"])
    with pytest.raises(KdsearchError, match="name some by --search, out of: --depth, --width"):
        study_text(words, options, name="t", folder=".")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (Option("--kd_T", "float", 4.0), "kd.log(1.0, 20.0)"),
        (Option("--alpha", "float", None), "kd.uniform(0.0, 1.0)"),
        (Option("--beta", "float", 500.0), "kd.log(50, 5000)"),
        (Option("--lr", "float", 0.05), "kd.log(0.005, 0.5)"),
        (Option("--patience", "int", 10), "kd.integer(2, 40, log=True)"),
        (Option("--distill", "str", "kd", ("kd", "hint")), 'kd.categorical("kd", "hint")'),
    ],
)
def test_ranges_lie_around_the_default(option: Option, expected: str) -> None:
    assert dimension(option) == expected


@pytest.mark.parametrize("flag", ["--seed", "--random-seed", "--manual_seed"])
def test_an_option_for_the_seed_is_given_the_runs_seed(folder: Path, flag: str) -> None:
    """Whatever name a parameter of it would have: without a seed no run can be repeated."""
    options = [Option(flag, "int", 0), Option("--alpha", "float", 0.5)]
    text = study_text(["python", "train.py"], options, name="train", folder=str(folder))
    assert f"{flag}={{seed}}" in text
    assert "no option for a seed" not in text
    assert "no run can be repeated" in study_text(["python", "train.py"], options[1:], name="train", folder=str(folder))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["python", "train.py", "--x"], ("python", ["train.py"], 2)),
        (["python3.11", "-u", "-W", "ignore", "train.py"], ("python3.11", ["train.py"], 5)),
        (["python", "-u", "-m", "trainer", "--x"], ("python", ["-m", "trainer"], 4)),
        (["python", "-m"], ("python", None, 2)),
        (["torchrun", "--nproc_per_node=1", "train.py", "--x"], ("python", ["train.py"], 3)),
        (["./train.py", "--x"], ("python", None, 1)),
    ],
)
def test_the_script_is_found_among_the_words(words: list[str], expected: tuple[str, list[str] | None, int]) -> None:
    assert script_of(words) == expected
