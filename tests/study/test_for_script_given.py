"""What the command gives stays as it is, or becomes the baseline where it is searched, however it is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import kdsearch as kd
from kdsearch.study.for_script import study_text
from kdsearch.tasks.command.option import Option
from kdsearch.tasks.command.options import options_of

_ARGPARSE = """
import argparse
parser = argparse.ArgumentParser(prefix_chars="-+")
parser.add_argument("--kd-alpha", "--kd_alpha", type=float, default=0.9)
parser.add_argument("-T", type=float, default=4.0)
parser.add_argument("-m", "--momentum", type=float, default=0.9)
parser.add_argument("+beta", type=float, default=1.0)
parser.add_argument("--lr", type=eval, default="1e-1")
parser.add_argument("-v", action="count", default=0)
parser.add_argument("-q", action="store_true")
parser.add_argument("--version", action="version", version="1")
parser.add_argument("--secret", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
parser.add_argument("--gamma", type=float, default=float("inf"))
parser.add_argument("--tau", type=float, default=argparse.SUPPRESS)
parser.add_argument("--alpha", type=float, help="50%% of it")
parser.add_argument("--rest", nargs="*")
parser.add_argument("data", nargs="*")
parser.parse_args()
"""
_CLICK = """
import click
@click.command()
@click.option("--alpha", default=0.5, show_default=True)
@click.option("--learning-rate", "-l", type=float, default=1e-3, show_default=True)
@click.option("--nesterov/--no-nesterov", "-n/-N", default=True)
@click.option("--seed", type=int, default=0)
@click.argument("data")
def main(**named): print("trained")
main()
"""


def _text(folder: Path, words: list[str], search: list[str]) -> str:
    words = [sys.executable, *words]
    return study_text(words, options_of(words, folder), name="t", folder=".", search=search)


def _command(text: str) -> str:
    return text.split(f'"{sys.executable} ')[1].split('"')[0]


@pytest.mark.parametrize(
    ("given", "search", "kept", "baseline"),
    [
        (["-T2", "-v", "-v"], ["T"], "-v -v -T{T}", {"T": 2.0}),
        (["-vqT", "2"], ["-T"], "-v -q -T{T}", {"T": 2.0}),
        (["-qT=2", "d"], ["T"], "-q d -T{T}", {"T": 2.0}),
        (["-T2"], ["kd_alpha"], "-T2 --kd-alpha={kd_alpha}", {"kd_alpha": 0.9}),
        (["--kd_alpha=.1", "--kd-al", "0.2"], ["kd-alpha"], "--kd-alpha={kd_alpha}", {"kd_alpha": 0.2}),
        (["+beta", "-3"], ["beta"], "+beta={beta}", {"beta": -3.0}),
        (["--lr", "0.5", "d"], ["lr"], "d --lr={lr}", {"lr": 0.5}),
        ([], ["lr"], "--lr={lr}", {"lr": 0.1}),
        (["-q", "--", "-T", "7"], ["T"], "-q -T{T} -- -T 7", {"T": 4.0}),
    ],
)
def test_options_of_argparse_are_taken_as_it_reads_them(
    tmp_path: Path, given: list[str], search: list[str], kept: str, baseline: dict[str, float]
) -> None:
    (tmp_path / "train.py").write_text(_ARGPARSE)
    text = _text(tmp_path, ["train.py", *given], search)
    assert _command(text) == f"train.py {kept}"
    (tmp_path / "study.py").write_text(text)
    assert dict(kd.load(tmp_path / "study.py").baselines["default"]) == baseline


def test_options_of_python_are_not_taken_for_those_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_ARGPARSE)
    text = _text(tmp_path, ["-q", "-m", "train"], ["momentum"])
    assert _command(text) == "-q -m train --momentum={momentum}"
    assert '{"momentum": 0.9}' in text


@pytest.mark.parametrize("given", [["-l", "0.1"], ["-l0.1"], ["--learning-rate=0.1"]])
def test_a_short_option_of_click_becomes_the_baseline(tmp_path: Path, given: list[str]) -> None:
    (tmp_path / "train.py").write_text(_CLICK)
    text = _text(tmp_path, ["train.py", "d", "-N", *given], ["alpha", "learning-rate"])
    assert _command(text) == "train.py d -N --alpha={alpha} --learning-rate={learning_rate} --seed={seed}"
    assert '{"alpha": 0.5, "learning_rate": 0.1}},\n' in text
    text = _text(tmp_path, ["train.py", "d", "-N", *given], ["nesterov"])
    assert '{"nesterov": "--no-nesterov"}},\n' in text


def test_values_that_are_made_up_are_marked_and_lie_in_their_range(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_ARGPARSE)
    text = _text(tmp_path, ["train.py"], ["kd-alpha", "tau", "gamma", "alpha"])
    assert '{"kd_alpha": 0.9, "tau": 4.0, "gamma": 0.5, "alpha": 0.5}}' in text
    assert "# CHANGE: made up for --tau, --gamma, --alpha, as the script tells no default\n" in text
    assert "# 50% of it" in text
    assert "made up" not in _text(tmp_path, ["train.py", "--tau", "0.5"], ["tau"])


def test_a_range_holds_the_value_that_it_lies_around() -> None:
    for flag, value, expected in [
        ("--tau", 0.5, "kd.log(0.5, 20.0)"),
        ("--temperature", 50.0, "kd.log(1.0, 50.0)"),
        ("--weight", -1.0, "kd.uniform(-1.0, 1.0)"),
    ]:
        text = study_text(["t"], [Option(flag, "float", value)], name="t", folder=".", search=[flag])
        assert f": {expected}," in text


def test_what_ends_the_program_and_hidden_defaults_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_ARGPARSE)
    rest = _text(tmp_path, ["train.py"], ["T"]).partition("# Options")[2]
    assert "--version" not in rest
    assert "SUPPRESS" not in rest
    assert "#   --secret\n" in rest
