"""Scripts with subcommands, and those that read their first words by themselves: each option stands in its place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.study.for_script import study_text
from kdsearch.tasks.command.options import options_of

_ARGPARSE = """
import argparse
common = argparse.ArgumentParser(add_help=False)
common.add_argument("--beta", type=float, default=1.0)
parser = argparse.ArgumentParser(parents=[common])
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--seed", type=int, default=0)
below = parser.add_subparsers(dest="command")
train = below.add_parser("train", parents=[common])
train.add_argument("--alpha", type=float, default=0.5)
train.add_argument("--train", default="")
train.add_argument("data", nargs="?")
deeper = below.add_parser("kd").add_subparsers(required=True).add_parser("fit")
deeper.add_argument("--tau", type=float, default=4.0)
below.add_parser("plain")
parser.parse_args()
open("trained", "w").close()
"""
_CLICK = """
import click
@click.group()
@click.option("--seed", type=int, default=0)
@click.option("--alpha", type=float, default=0.5, show_default=True)
def main(**named): pass
@main.command()
@click.option("--tau", default=2.0, show_default=True)
def train(**named): open("trained", "w").close()
@main.command()
def test(): pass
main()
"""
_TYPER = """
import typer
def train(alpha: float = 0.5, temperature: float = 4.0, seed: int = 0): open("trained", "w").close()
typer.run(train)
"""


def _command(folder: Path, given: list[str], search: list[str] | None = None) -> str:
    words = [sys.executable, "train.py", *given]
    text = study_text(words, options_of(words, folder), name="t", folder=".", search=search or [])
    assert not (folder / "trained").exists()
    return text.split(f'"{sys.executable} ')[1].split('"')[0]


@pytest.mark.parametrize(
    ("given", "search", "command"),
    [
        (["train"], ["alpha"], "--seed={seed} train --alpha={alpha}"),
        (["train"], [], "--seed={seed} train --beta={beta} --alpha={alpha}"),
        (
            ["--verbose", "--seed", "7", "train", "--train", "train", "--alpha=0.1", "d"],
            ["alpha"],
            "--verbose --seed={seed} train --train train d --alpha={alpha}",
        ),
        (["--beta", "2", "train"], ["alpha"], "--beta 2 --seed={seed} train --alpha={alpha}"),
        (["kd", "fit", "--tau=3"], ["tau"], "--seed={seed} kd fit --tau={tau}"),
        (["plain"], ["beta"], "--beta={beta} --seed={seed} plain"),
    ],
)
def test_an_option_stands_behind_the_subcommand_that_it_belongs_to(
    tmp_path: Path, given: list[str], search: list[str], command: str
) -> None:
    (tmp_path / "train.py").write_text(_ARGPARSE)
    assert _command(tmp_path, given, search) == f"train.py {command}"


def test_a_subcommand_of_click_is_asked_with_what_stands_above_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_CLICK)
    command = _command(tmp_path, ["--alpha", "0.2", "train"], ["tau"])
    assert command == "train.py --alpha 0.2 --seed={seed} train --tau={tau}"
    with pytest.raises(KdsearchError, match=r"tells no options(?s:.*)No such option"):
        _command(tmp_path, ["train", "--none"])


@pytest.mark.parametrize("variable", ["", "1"])
def test_a_function_of_typer_tells_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", variable)
    (tmp_path / "train.py").write_text(_TYPER)
    assert _command(tmp_path, []) == "train.py --alpha={alpha} --temperature={temperature} --seed={seed}"


@pytest.mark.parametrize(("script", "given"), [(_ARGPARSE, ["kd"]), (_ARGPARSE, ["kd", "ft"])])
def test_a_subcommand_that_is_not_named_is_asked_for(tmp_path: Path, script: str, given: list[str]) -> None:
    (tmp_path / "train.py").write_text(script)
    with pytest.raises(KdsearchError, match=r"train\.py has subcommands: name one in the command, out of fit"):
        _command(tmp_path, given)


def test_the_hint_names_options_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_CLICK.replace("--alpha", "--depth"))
    with pytest.raises(KdsearchError, match=r"name some by --search, out of: --depth$"):
        _command(tmp_path, ["test"])
    (tmp_path / "train.py").write_text(_CLICK.replace("--alpha", "--random-seed"))
    with pytest.raises(KdsearchError, match=r"has subcommands: name one in the command, out of test, train$"):
        _command(tmp_path, [])


def test_a_script_is_asked_with_the_words_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse, os, sys\nif not os.path.exists(sys.argv[1]): sys.exit('config missing')\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('config')\n"
        "parser.add_argument('--alpha', type=float)\nparser.parse_args()\n"
    )
    assert _command(tmp_path, ["train.py"]) == "train.py train.py --alpha={alpha}"
    with pytest.raises(KdsearchError, match="config missing"):
        _command(tmp_path, ["none.yaml"])


def test_an_argument_that_the_command_lacks_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('data')\n"
        "parser.add_argument('--alpha', type=float)\nparser.parse_args()\n"
    )
    with pytest.raises(KdsearchError, match=r"train\.py requires data: give a value for each in the command"):
        _command(tmp_path, [])


def test_options_stand_before_words_that_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--alpha', type=float)\n"
        "parser.add_argument('rest', nargs=argparse.REMAINDER)\nparser.parse_args()\n"
    )
    command = _command(tmp_path, ["--alpha", "0.1", "other.py", "--alpha", "3"])
    assert command == "train.py --alpha={alpha} other.py --alpha 3"


def test_a_subcommand_is_found_where_an_earlier_parser_takes_words_behind_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse\n"
        "first = argparse.ArgumentParser(add_help=False)\n"
        "first.add_argument('--config', default='')\n"
        "_, rest = first.parse_known_args()\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--seed', type=int, default=0)\n"
        "kd = parser.add_subparsers(dest='mode').add_parser('kd')\n"
        "kd.add_argument('--tau', type=float, default=2.0)\n"
        "options = parser.parse_args(rest)\n"
    )
    command = _command(tmp_path, ["kd", "--config", "c.yaml"], ["tau"])
    assert command == "train.py --seed={seed} kd --config c.yaml --tau={tau}"
