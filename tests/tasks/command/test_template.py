"""Command lines with placeholders: split once, filled without a shell, values never read as commands."""

from __future__ import annotations

import subprocess

import pytest

from kdsearch.errors import StudyFileError
from kdsearch.tasks.command.template import Template


def test_values_stand_in_arguments_whatever_they_hold() -> None:
    template = Template("python 'my train.py' --T={T} --name {name} {seed:03d} --lr={lr:.2e} {{a}}")
    values = {"T": 4.0, "name": "two words; rm -rf $HOME `x` \"'", "seed": 7, "lr": 0.000123}
    assert template.fill(values) == [
        "python",
        "my train.py",
        "--T=4.0",
        "--name",
        "two words; rm -rf $HOME `x` \"'",
        "007",
        "--lr=1.23e-04",
        "{a}",
    ]
    assert template.names == ["T", "name", "seed", "lr"]


def test_names_with_dots_are_names() -> None:
    template = Template(["train", "optim.lr={optim.lr}", "model[0]={a b}"])
    assert template.names == ["optim.lr", "a b"]
    assert template.fill({"optim.lr": 0.1, "a b": True}) == ["train", "optim.lr=0.1", "model[0]=True"]


@pytest.mark.parametrize("value", ["", None])
def test_an_argument_that_is_an_empty_placeholder_is_left_out(value: str | None) -> None:
    template = Template("train {flag} --mode={flag}")
    assert template.fill({"flag": value}) == ["train", f"--mode={value}"]
    assert template.fill({"flag": "--nesterov"}) == ["train", "--nesterov", "--mode=--nesterov"]


@pytest.mark.parametrize("value", ["a b", "$(echo no)", "'; echo no; '", '"', "\\", "x\ny", ""])
def test_a_shell_gets_values_apart_from_its_text(value: str) -> None:
    template = Template("printf '%s|' {value} \"$HOME\" | cat", shell=True)
    done = subprocess.run(template.fill({"value": value}), capture_output=True, text=True, env={"HOME": "home"})
    assert done.stdout == f"{value}|home|"


@pytest.mark.parametrize(
    ("command", "shell", "said"),
    [
        ("train --x={", False, "A brace that is meant as such is written twice"),
        ("train --x={}", False, "expected a name between the braces"),
        ("train --x={a!r}", False, "expected a name between the braces"),
        ("train 'open", False, "cannot be split into arguments: No closing quotation"),
        ("  ", False, "the command is empty"),
        ([], False, "the command is empty"),
        (["train", 3], False, "a text or a list of texts"),
        (3, False, "a text or a list of texts"),
        ("train \x00", False, "without NUL"),
        (["a", "b"], True, "with shell=True the command is one text"),
        ("echo '{x}'", True, "{x} stands between quotes"),
        ('echo "a {x}"', True, "{x} stands between quotes"),
    ],
)
def test_what_is_no_command_is_refused(command: object, shell: bool, said: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        Template(command, shell)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_quotes_that_are_closed_or_escaped_enclose_nothing() -> None:
    text = "echo 'a' \\' {x} \"b\\\"\" {x} ''{x}"
    assert Template(text, shell=True).names == ["x"]


def test_quotes_of_comments_enclose_nothing() -> None:
    assert Template("echo a # it's that; 'b'' {x}\necho {x}", shell=True).names == ["x"]
    with pytest.raises(StudyFileError, match="between quotes"):
        Template("echo a # it's that\necho 'a {x}", shell=True)


def test_a_format_that_does_not_fit_names_the_value() -> None:
    with pytest.raises(StudyFileError, match=r"T='a' cannot be written as \{T:\.2f\}"):
        Template("train {T:.2f}").fill({"T": "a"})
