"""Values of parameters on the command line: what is written is read as the same value, of the same type."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import kdsearch as kd
from kdsearch.cli.common import parse_settings
from kdsearch.errors import KdsearchError
from kdsearch.study.set_text import read, shown, split, write

CHOICES: list[Any] = [
    "18",
    18,
    None,
    "None",
    "true",
    True,
    "0.5",
    0.25,
    "",
    " a",
    "a=b",
    '"x"',
    "x",
    "-1",
    "[/x]",
    "é",
    "\n",
]


@pytest.mark.parametrize("value", CHOICES)
def test_every_choice_can_be_named(value: Any) -> None:
    dimension = kd.categorical(CHOICES)
    again = read(write(value, dimension), dimension)
    assert (type(again), again) == (type(value), value)


def test_a_word_that_cannot_be_read_without_quotes_has_them() -> None:
    """Such as a choice that a study had before, or a number that nothing can hold."""
    for word, dimension in (("gone", kd.categorical("a", 1)), ("1e999", kd.uniform(0, 1)), ("nan", kd.integer(1, 3))):
        with pytest.raises(KdsearchError):
            read(word, dimension)
        assert write(word, dimension) == f'"{word}"'


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(["18", None, "true", 7.5], 2)])
def test_a_choice_whose_text_it_is_needs_no_quotes(one: Any, other: Any) -> None:
    dimension = kd.categorical(one, other)
    text = str(one).lower() if isinstance(one, bool) else str(one)
    assert read(text, dimension) is one or read(text, dimension) == one
    assert write(one, dimension) == text


def test_quotes_name_the_word_where_a_number_has_the_same_text() -> None:
    dimension = kd.categorical("18", 18, "None", None)
    assert read("18", dimension) == 18
    assert read('"18"', dimension) == "18"
    assert read("None", dimension) is None
    assert read('"None"', dimension) == "None"
    assert read("18.0", dimension) == 18
    assert isinstance(read("18.0", dimension), int)


@pytest.mark.parametrize(("text", "choices"), [("1", [True, False]), ("true", [0, 1]), ("19", ["18", None])])
def test_what_is_no_choice_is_refused_with_the_choices(text: str, choices: list[Any]) -> None:
    with pytest.raises(KdsearchError, match="cannot be used: expected one of "):
        read(text, kd.categorical(choices))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "9" * 30, "9" * 5000])
def test_numbers_that_nothing_holds_are_refused(text: str) -> None:
    with pytest.raises(KdsearchError, match="expected a finite number"):
        read(text, kd.uniform(0, 1))


def test_numbers_take_the_type_of_their_dimension() -> None:
    assert repr(read("3.0", kd.integer(1, 9))) == "3"
    assert repr(read("3.5", kd.integer(1, 9))) == "3.5"
    assert repr(read("0.5", kd.uniform(0, 1))) == "0.5"
    assert read("18", None, "a word") == "18"
    assert read("true", None, False) is True
    assert read('"true"', None, 3) == "true"


def test_values_in_sentences_tell_words_from_numbers() -> None:
    assert [shown(value) for value in ("18", 18, None, "None", "true", True, 0.123456, "word", "")] == [
        '"18"', "18", "None", '"None"', '"true"', "True", "0.1235", "word", '""',
    ]  # fmt: skip


def test_names_may_hold_an_equals_sign() -> None:
    names = {"a": 0, "a=b": 0}
    assert split("a=b=3", names) == ("a=b", "3")
    assert split("a=c=3", names) == ("a", "c=3")
    assert split("x=3", names) == ("x", "3")
    for pair in ("a", "a=", "=", ""):
        with pytest.raises(KdsearchError, match="expected --set NAME=VALUE"):
            split(pair, names)


def test_settings_say_which_parameter_is_wrong() -> None:
    study = kd.Study(
        "s", lambda params, seed, report: 0.5, {"depth": kd.categorical("18", None), "lr[/x]": kd.uniform(0, 1)}
    )
    assert parse_settings(["depth=None", "lr[/x]=0.5"], study) == {"depth": None, "lr[/x]": 0.5}
    assert parse_settings(["depth=18"], study) == {"depth": "18"}
    with pytest.raises(KdsearchError, match=r"^depth=19 cannot be used: expected one of '18', None$"):
        parse_settings(["depth=19"], study)
    with pytest.raises(KdsearchError, match=r"unknown parameter 'dpth'; did you mean 'depth'"):
        parse_settings(["dpth=19"], study)


@pytest.mark.parametrize("name", ["ключ", "naïve", "a=ж", "\\u0436"])
def test_what_a_terminal_of_ascii_prints_can_be_pasted(name: str) -> None:
    """It shows other characters by their numbers."""
    printed = f"{name}=0.5".encode("ascii", "backslashreplace").decode()
    assert split(printed, {name: 0.1, "ab": 0.2}) == split(f"{name}=0.5", {name: 0.1, "ab": 0.2}) == (name, "0.5")
    dimension = kd.categorical("ж", name, "\\u0436" if name != "\\u0436" else "z", 3)
    for choice in ("ж", name):
        text = write(choice, dimension)
        assert read(text, dimension) == choice
    assert (
        read(write("ж", kd.categorical("ж", 3)).encode("ascii", "backslashreplace").decode(), kd.categorical("ж", 3))
        == "ж"
    )


@pytest.mark.parametrize("word", ["1e999", "nan", "inf", "99999999999999999999", "18", "true", "None", ""])
def test_a_word_that_reads_as_something_else_is_shown_in_quotes(word: str) -> None:
    assert shown(word) == f'"{word}"'
