"""Metrics out of a command's output and files: whole at the end, and the same whenever they are read meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.tasks import CsvFile, JsonLines, LastLine, Pattern, TensorBoard
from kdsearch.tasks.command.readings import Reading

OUTPUT = (
    "Epoch: 1\n\r [1/2] Acc: 10.5%\r [2/2] Acc: 20.25%\nsaved\n"
    "Epoch: 2\n\r [1/2] Acc: 30.0%\r [2/2] Acc: 40.5%\nEpoch: 3\r\nAcc: nan%\nAcc: 1e1%"
)
LINES = '{"epoch": 1, "val": {"acc": 0.25}, "val.loss": 2}\nno JSON\n{"epoch": 2, "val": {"acc": 0.5}}\n{"x": 1}\n'
TABLE = "epoch, val_acc ,loss\n1,,0.3\n1,0.25,\n2,,0.2\n2,0.5,\n"

CASES: dict[str, tuple[Reading, str, dict[int, float]]] = {
    "epochs named": (Pattern(r"Acc: (\S+)%", epoch=r"Epoch: (\d+)"), OUTPUT, {1: 20.25, 2: 40.5, 3: 10.0}),
    "epochs counted": (Pattern(r"\[2/2\] Acc: (\S+)%"), OUTPUT, {1: 20.25, 2: 40.5}),
    "before any epoch": (Pattern(r"Acc: (\d+)", epoch=r"never (\d+)"), OUTPUT, {0: 1.0}),
    "lines": (JsonLines("log", "val.acc"), LINES, {1: 0.25, 2: 0.5}),
    "a key with a dot": (JsonLines("log", "val.loss", epoch="step"), LINES, {1: 2.0}),
    "a table": (CsvFile("log", "val_acc "), TABLE, {1: 0.25, 2: 0.5}),
    "a table whose rows count": (CsvFile("log", "loss", epoch="none"), TABLE, {1: 0.3, 2: 0.2}),
    "the last line": (LastLine("acc"), 'x\n{"acc": 0.75}\n\n', {1: 0.75}),
    "the last line of figures": (LastLine(), "x\n0.75", {1: 0.75}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_grows_gives_what_the_whole_file_gives(case: str, tmp_path: Path) -> None:
    reading, text, expected = CASES[case]
    whole, grows = tmp_path / "whole", tmp_path / "grows"
    whole.write_text(text)
    assert reading.follow(whole).read(ended=True) == pytest.approx(expected)
    follower = reading.follow(grows)
    assert follower.read(ended=False) == {}  # it is not there yet
    with grows.open("w") as file:
        for character in text:
            file.write(character)
            file.flush()
            follower.read(ended=False)
    assert follower.read(ended=True) == pytest.approx(expected)


def test_a_file_that_is_written_anew_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "log"
    follower = JsonLines("log", "acc").follow(file)
    file.write_text('{"epoch": 1, "acc": 0.1}\n{"epoch": 2, "acc": 0.2}\n')
    assert follower.read(ended=False) == {1: 0.1, 2: 0.2}
    file.write_text('{"epoch": 1, "acc": 0.5}\n')
    assert follower.read(ended=True)[1] == 0.5


def test_a_value_that_is_not_finite_is_one(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text('{"acc": NaN}\n')
    (value,) = JsonLines("log", "acc").follow(file).read(ended=True).values()
    assert value != value


@pytest.mark.parametrize(
    ("reading", "text", "said"),
    [
        (Pattern(r"acc=(\S+)"), "acc=good\n", r"expected a number, came 'good': .* in the line 'acc=good'"),
        (Pattern(r"acc=(\S+)", epoch=r"e=(\S+)"), "e=x\n", "expected a number as the epoch, came 'x'"),
        (JsonLines("log", "acc"), '{"acc": "high"}\n', "expected a number, came 'high'"),
        (JsonLines("log", "acc"), '{"acc": true}\n', "expected a number, came True"),
        (CsvFile("log", "acc"), "epoch,val\n1,2\n", "expected a column 'acc' in log, its header has epoch, val"),
        (LastLine("acc"), "done\n", "expected JSON, came the last line 'done'"),
        (LastLine("acc"), '{"val": 1}\n', "expected a number at the key 'acc'"),
        (LastLine(), "[1]\n", r"expected a number, came \[1\]"),
    ],
)
def test_what_is_no_number_is_said(reading: Reading, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(text)
    with pytest.raises(KdsearchError, match=said):
        reading.follow(file).read(ended=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pattern("acc"), "one group, the number, .* it has 0"),
        (lambda: Pattern(r"(\d)(\d)"), "it has 2"),
        (lambda: Pattern("acc=("), "is no regular expression"),
        (lambda: Pattern(r"(\d)", epoch="e"), "epoch='e': expected a regular expression with one group"),
        (lambda: Pattern(3), "expected a regular expression"),  # type: ignore[arg-type]
        (lambda: JsonLines("log", key="a", ephoc="b"), "no argument 'ephoc'; did you mean 'epoch'"),  # type: ignore[call-arg]
    ],
)
def test_what_can_read_nothing_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        make()


def test_scalars_of_tensorboard_agree_with_what_was_written(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("tensorboardX")
    follower = TensorBoard("runs", "val/acc").follow(tmp_path / "runs")
    assert follower.read(ended=False) == {}
    with tensorboard.SummaryWriter(str(tmp_path / "runs" / "a")) as writer:
        for epoch in range(4):
            writer.add_scalar("val/acc", 0.25 * epoch, epoch)
            writer.add_scalar("loss", 1.0, epoch)
    assert follower.read(ended=True) == {epoch: 0.25 * epoch for epoch in range(4)}
    file = next((tmp_path / "runs" / "a").iterdir())
    file.write_bytes(file.read_bytes()[:-5])  # cut in a record
    assert TensorBoard("runs", "val/acc").follow(tmp_path / "runs").read(ended=False).keys() <= set(range(4))
    with pytest.raises(KdsearchError, match="expected a scalar 'acc', the event files have loss, val/acc"):
        TensorBoard("runs", "acc").follow(tmp_path / "runs").read(ended=True)


@pytest.mark.parametrize("reading", [reading for reading, _, _ in CASES.values()] + [TensorBoard("a", "b")])
def test_readings_say_what_they_are(reading: Reading) -> None:
    assert isinstance(reading, Reading)
    assert json.loads(json.dumps(reading.identity())) == reading.identity()
    assert str(reading)
    assert reading.metric
