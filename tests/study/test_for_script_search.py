"""Flags that are searched stand alone in the command; what has no range is refused with how it is searched by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import kdsearch as kd
from kdsearch.errors import KdsearchError
from kdsearch.study.for_script import study_text
from kdsearch.tasks import RunContext, RunRequest
from kdsearch.tasks.command.options import options_of

_SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=0.5)
parser.add_argument("--fast", action="store_true")
parser.add_argument("--use-kd", action="store_true", default=True)
parser.add_argument("--no-aug", dest="aug", action="store_false")
parser.add_argument("--nesterov", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--ema", action=argparse.BooleanOptionalAction)
parser.add_argument("--sgd", dest="opt", action="store_const", const="sgd", default="sgd")
parser.add_argument("--adam", dest="opt", action="store_const", const="adam")
parser.add_argument("-v", action="count", default=0)
parser.add_argument("--class", dest="klass", default="x")
parser.add_argument("--amp", type=lambda text: text == "true", default=False)
parser.add_argument("--betas", nargs=2, type=float, default=[0.9, 0.99])
parser.add_argument("--lambda", nargs="+", type=float, default=[0.9, 0.99])
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
print("accuracy", options.alpha, options.fast, options.nesterov, options.aug, options.opt)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a script."""
    (tmp_path / "train.py").write_text(_SCRIPT)
    return tmp_path


def _text(folder: Path, given: list[str], search: list[str]) -> str:
    words = [sys.executable, "train.py", *given]
    return study_text(words, options_of(words, folder), name="t", folder=".", search=search)


def test_flags_are_searched_as_words_of_their_own(folder: Path) -> None:
    (folder / "study.py").write_text(_text(folder, ["--no-aug"], ["fast", "alpha", "nesterov", "no-aug", "adam"]))
    study = kd.load(folder / "study.py")
    assert "train.py {fast} --alpha={alpha} {nesterov} {no_aug} {adam} --seed={seed}" in str(study.task.identity())
    baseline = dict(study.baselines["default"])
    assert baseline == {"fast": "", "alpha": 0.5, "nesterov": "--nesterov", "no_aug": "--no-aug", "adam": ""}
    for number, (values, said) in enumerate(
        [
            (baseline, "accuracy 0.5 False True False sgd"),
            (
                {**baseline, "fast": "--fast", "nesterov": "--no-nesterov", "no_aug": "", "adam": "--adam"},
                "accuracy 0.5 True False True adam",
            ),
        ]
    ):
        workspace = folder / f"workspace{number}"
        workspace.mkdir()
        assert study.task.train(RunRequest("student", values, 1), RunContext(workspace)).state == "done"
        assert said in (workspace / "command-output.txt").read_text()


def test_a_switch_takes_what_the_command_says_and_is_marked_where_nothing_does(folder: Path) -> None:
    text = _text(folder, ["--no-nesterov"], ["no_nesterov", "ema"])
    assert '"nesterov": kd.categorical("--nesterov", "--no-nesterov")' in text
    assert '{"nesterov": "--no-nesterov", "ema": "--ema"}},  # CHANGE: made up for --ema' in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "class",
            r'--class takes a text.* --class=\{class\} in the command and "class": kd\.categorical\("x", "that"\)',
        ),
        ("amp", r"--amp takes a text"),
        ("betas", r"--betas takes several values.*--betas \{betas_1\} \{betas_2\}"),
        ("use-kd", r"--use-kd sets what the script does without it"),
        ("sgd", r"--sgd sets what the script does without it"),
        ("v", r"-v counts how often it is written"),
    ],
)
def test_what_has_no_range_is_refused(folder: Path, name: str, said: str) -> None:
    with pytest.raises(KdsearchError, match=said):
        _text(folder, [], ["alpha", name])


def test_an_option_of_several_values_is_not_guessed(folder: Path) -> None:
    text = _text(folder, [], [])
    assert '"alpha"' in text
    assert '"lambda"' not in text


def test_of_ratios_those_of_a_decaying_rate_are_not_searched_unasked(folder: Path) -> None:
    more = "parser.add_argument('--lr-decay-ratio', type=float, default=0.2)\n"
    more += "parser.add_argument('--kd-ratio', type=float, default=0.5)\noptions"
    (folder / "train.py").write_text(_SCRIPT.replace("options", more, 1))
    text = _text(folder, [], [])
    assert '"kd_ratio": kd.' in text
    assert '"lr_decay_ratio": kd.' not in text
    assert '"lr_decay_ratio": kd.' in _text(folder, [], ["lr_decay_ratio"])
