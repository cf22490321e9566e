"""Options out of help texts: those of Click and Typer with their frames, of absl, and of programs of GNU."""

from __future__ import annotations

import pytest

from kdsearch.tasks.command.help_text import options_in, subcommands_in, subcommands_of
from kdsearch.tasks.command.option import Option

_TYPER = """
\x1b[1m \x1b[0m\x1b[1;33mUsage: \x1b[0m\x1b[1mty.py train [OPTIONS]\x1b[0m
\x1b[2m╭─\x1b[0m\x1b[2m Options \x1b[0m\x1b[2m────────────────────────────────────────────────────────╮\x1b[0m\r
│ \x1b[1;36m-\x1b[0m\x1b[1;36m-alpha\x1b[0m                        <float>  [default: 0.5]       │
│ --kd-mode         -m             <a|b>    [default: a]         │
│ --temperature                    FLOAT    soft soft soft       │
│                                           soft                 │
│                                           [default: 4.0]       │
│ --nesterov       --no-nesterov   <bool>   [default: nesterov]  │
│ --amp            --no-amp                 [default: no-amp]    │
│ *  --data                        TEXT     [required]           │
│ --help                           <bool>   Show this message.   │
╰────────────────────────────────────────────────────────────────╯
"""
_CLICK = """Usage: cl.py [OPTIONS] DATA

Options:
  --alpha FLOAT               weight of the soft targets, in words that are
                              wrapped  [default: 0.5]
  -l, --learning-rate FLOAT   rate of learning  [default: 0.001]
  -n, --nest / -N, --no-nest  [default: N]
  --kd-mode [a|b]             [default: a]
  --seed INTEGER
  --temperature FLOAT RANGE   [1<=x<=20]
  --betas FLOAT...
  --version                   Show the version and exit.
"""
_ABSL = """
train.py:
  --alpha: weight of the soft targets
    (default: '0.5')
    (a number)
  --epochs: how many
    (default: '3')
    (an integer)
"""


def _by_name(text: str) -> dict[str, Option]:
    return {option.name: option for option in options_in(text)}


def test_frames_and_colours_of_typer_are_passed_over() -> None:
    found = _by_name(_TYPER)
    assert list(found) == ["alpha", "kd_mode", "temperature", "nesterov", "amp", "data"]
    assert found["alpha"] == Option("--alpha", "float", 0.5, (), "[default: 0.5]")
    assert (found["kd_mode"].choices, found["kd_mode"].default, found["kd_mode"].also) == (("a", "b"), "a", ("-m",))
    assert (found["temperature"].default, found["temperature"].help) == (4.0, "soft soft soft soft [default: 4.0]")
    assert (found["nesterov"].kind, found["nesterov"].off, found["nesterov"].default) == (
        "switch",
        ("--no-nesterov",),
        True,
    )
    assert (found["amp"].kind, found["amp"].default) == ("switch", False)
    assert found["data"].required


def test_short_forms_kinds_and_wrapped_lines_of_click_are_read() -> None:
    found = _by_name(_CLICK)
    assert (found["alpha"].default, found["learning_rate"].also) == (0.5, ("-l",))
    assert (found["nest"].kind, found["nest"].off, found["nest"].default) == ("switch", ("--no-nest", "-N"), False)
    assert found["kd_mode"].choices == ("a", "b")
    assert [found[name].kind for name in ("seed_", "temperature")] == ["int", "float"]
    assert (found["temperature"].default, found["betas"].many, "version" in found) == (None, True, False)


def test_options_of_absl_take_values() -> None:
    found = _by_name(_ABSL)
    assert (found["alpha"].kind, found["alpha"].default, found["alpha"].help.split(" (")[0]) == (
        "float",
        0.5,
        "weight of the soft targets",
    )
    assert (found["epochs"].kind, found["epochs"].default) == ("int", 3)


@pytest.mark.parametrize("value", ["N [N ...]", "<x y>", "FLOAT..."])
def test_an_option_of_several_values_is_known_as_such(value: str) -> None:
    assert options_in(f"  --betas {value}  two of them")[0].many


def test_the_words_of_subcommands_are_found_in_the_usage() -> None:
    assert subcommands_in("Usage: ty.py kd train [OPTIONS] DATA", ["--v", "kd", "-x", "1", "train", "d"]) == [1, 4]
    assert subcommands_in("Usage: ty.py [OPTIONS] DATA", ["train"]) == []
    text = "Usage: a [OPTIONS] COMMAND [ARGS]...\n\nCommands:\n  train  Trains\n         long.\n  test\n"
    assert subcommands_of(text) == ["train", "test"]
    assert subcommands_of("Usage: a [OPTIONS]\n") == []
