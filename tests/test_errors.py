"""Which line of an error's text says what went wrong."""

from __future__ import annotations

import pytest

from kdsearch.errors import headline


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback (most recent call last):\n  File 'x'\nValueError: no\n", "ValueError: no"),
        ("the file lacks a key\nIts keys: a, b", "the file lacks a key"),
        ("it gave no objective: expected 'acc'. Its last lines:\nEpoch 1\n  Epoch 2\n",
         "it gave no objective: expected 'acc'. Its last lines: Epoch 2"),
        ("it gave none:", "it gave none:"),
        ("\n\n", "no message"),
    ],
)  # fmt: skip
def test_the_line_of_an_error_that_says_what_went_wrong(text: str, line: str) -> None:
    assert headline(text) == line
