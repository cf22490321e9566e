"""Which number of a line a pattern reads: the one that Python's ``re`` finds, whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.tasks import CsvFile, JsonLines, Pattern
from kdsearch.tasks.command.readings import Reading

INIT = r"(?i)acc\w*\W+([\d.]+)"
"""What ``kdsearch init`` writes."""


def values(tmp_path: Path, reading: Reading, text: str) -> list[float]:
    file = tmp_path / "output"
    file.write_text(text, "utf-8")
    return list(reading.follow(file).whole().values())


@pytest.mark.parametrize(
    ("pattern", "line", "value"),
    [
        # Numbers that the group passes over on purpose stay passed over.
        (r"Epoch.*? (\d+\.\d+)", "Epoch 10 of 20 acc 0.7029", 0.7029),
        (r"(0\.\d+)", "Epoch 10: 0.71", 0.71),
        (r"(\d+\.\d+)", "[2026-01-01 10:00:00] val 0.71", 0.71),
        (r"(\d+\.\d+)", "[2026-01-01 10:00:00] val -0.71", -0.71),
        (r"acc (\d+\.\d+)", "val acc 1 of 3 classes is low", None),
        (r".* (\d+\.\d+)", "lr 1e-05 acc 0.5", 0.5),
        (r"Epoch.*? (\d+\.\d+)", "Epoch 3 loss 6.7e-06 acc 0.50", 6.7e-06),
        (r"epoch-(\d+)", "epoch-3", 3.0),
        (r"acc-(\d+)", "acc-3 5", 3.0),
        # Signs, exponents, nan and infinity belong to a number.
        (r"loss ([\d.]+)", "loss 6.7e-06", 6.7e-06),
        (r"loss ([\d.]+)", "loss -0.5", -0.5),
        (r"loss\D*([\d.]+)", "loss: -0.5", -0.5),
        (r"loss\D*?([\d.]+)", "loss: nan (lr 0.1)", math.nan),
        (r"acc (\d+)", "acc 75.3%", 75.3),
        (r"v(\d+)\.\d+", "v3.11", 3.0),
        (r"acc: (\S+)", "acc: 0.5, loss: 2", 0.5),
        (r"acc is ([\d.]+)", "acc is 0.5.", 0.5),
        (r"loss=([\d.]+),", "loss=inf,", math.inf),
        (r"loss (?P<loss>[\d.]+)", "loss 6.7e-06", 6.7e-06),
        (r"\[(?P<acc>[\d.]+)\]", "[1e-3]", 1e-3),
        (r"(?:val|test) acc (\d+)%", "val acc 1e1%", 10.0),
        (r"acc (\S+)", "acc 1e-3", 1e-3),
        (r"(?<=acc )([\d.]+)", "acc -Infinity", -math.inf),
        (r"[(]([\d.]+)[)]", "(1E+2)", 100.0),
        (r"acc ([\d.]+)", "acc nano 0.5", None),
        (r"acc ([\d.]+)", "acc \u0660.\u0665", 0.5),
        # Colours are no text, unless the pattern says so.
        (INIT, "Accuracy: \x1b[32m0.71\x1b[0m", 0.71),
        (r"acc ([\d.]+)", "\x1b[1;38;5;12macc\x1b[0m \x1b]0;title\x070.25\x1b[K", 0.25),
        (r"acc \x1b\[32m([\d.]+)", "acc \x1b[32m0.71\x1b[0m", 0.71),
        # Punctuation alone is no number.
        (INIT, "Evaluating accuracy...", None),
        (INIT, "Evaluating accuracy... acc: 0.3", 0.3),
    ],
)
def test_the_number_that_is_read(pattern: str, line: str, value: float | None, tmp_path: Path) -> None:
    expected = [] if value is None else [value]
    assert values(tmp_path, Pattern(pattern), f"{line}\n") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"([\d,]+) parameters", "2,890 parameters"),
        (r"acc ([\d,]+)", "acc 0,71"),
        (r"acc (\d+[.,]\d+)", "acc 0,71"),
        (r"acc ([\d.,]+)", "acc 1,234.5"),
        (r"acc: (\w+)", "acc: unknown"),
    ],
)
def test_what_is_no_number_is_never_read_in_part(pattern: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(KdsearchError, match="expected a number, came"):
        values(tmp_path, Pattern(pattern), f"{line}\n")


def test_files_that_begin_with_a_mark_of_byte_order(tmp_path: Path) -> None:
    """As pandas writes them with ``utf-8-sig``, and most programs of Windows."""
    assert values(tmp_path, CsvFile("x", "acc"), "\ufeffacc,epoch\n0.5,1\n0.75,2\n") == [0.5, 0.75]
    assert values(tmp_path, JsonLines("x", "acc"), '\ufeff{"acc": 0.5}\n{"acc": 0.75}\n') == [0.5, 0.75]
    assert values(tmp_path, Pattern(r"^acc (.*)"), "acc 0.5\n") == [0.5]


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (CsvFile("x", "acc"), "epoch,acc\n{},0.5\n{},0.75\n"),
        (JsonLines("x", "acc"), '{{"epoch": {}, "acc": 0.5}}\n{{"epoch": {}, "acc": 0.75}}\n'),
        (Pattern(r"acc (\S+)", epoch=r"epoch (\S+)"), "epoch {}\nacc 0.5\nepoch {}\nacc 0.75\n"),
    ],
)
def test_two_epochs_that_would_be_one_are_refused(reading: Reading, text: str, tmp_path: Path) -> None:
    """Trainers that log by steps give fractions; those that evaluate after each epoch may give 0.99 and 1.98."""
    assert values(tmp_path, reading, text.format("0.99", "1.98")) == [0.5, 0.75]
    assert values(tmp_path, reading, text.format("1", "1.0")) == [0.75]
    with pytest.raises(KdsearchError, match=r"expected whole epochs, came 0\.5 and 0\.75, .* epoch='step'"):
        values(tmp_path, reading, text.format("0.5", "0.75"))
