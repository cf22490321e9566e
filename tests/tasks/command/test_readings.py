"""Metrics out of a command's output and files: whole at the end, and the same whenever they are read meanwhile."""

from __future__ import annotations

import json
import math
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
    "before any epoch": (Pattern(r"Acc: (\d+)", epoch=r"never (\d+)"), OUTPUT, {0: 10.0}),
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
    assert reading.follow(whole).whole() == pytest.approx(expected)
    follower = reading.follow(grows)
    assert follower.so_far() == {}  # it is not there yet
    with grows.open("w") as file:
        for character in text:
            file.write(character)
            file.flush()
            follower.so_far()
    assert follower.whole() == pytest.approx(expected)


@pytest.mark.parametrize(
    "later", ['{"acc": 0.5}\n', '{"acc": 0.3}\n{"acc": 0.4}\n{"acc": 0.5}\n', '{"x": 1}\n{"acc": 0.5}\n']
)
def test_a_file_that_is_written_anew_gives_what_it_holds_at_the_end(tmp_path: Path, later: str) -> None:
    """Shorter, longer, or of another beginning: what was read of it before does not matter."""
    file = tmp_path / "log"
    follower = JsonLines("log", "acc").follow(file)
    file.write_text('{"acc": 0.1}\n{"acc": 0.2}\n')
    assert follower.so_far() == {1: 0.1, 2: 0.2}
    file.write_text(later)
    whole = JsonLines("log", "acc").follow(file).whole()
    assert follower.so_far() == follower.whole() == whole
    assert list(whole.values())[-1] == 0.5


def test_a_file_that_is_emptied_meanwhile_is_read_from_its_start(tmp_path: Path) -> None:
    """Also where it begins as before, as a log does that starts with the settings of its run."""
    file, settings = tmp_path / "log", f'{{"settings": "{"x" * 300}"}}\n'
    follower = JsonLines("log", "acc").follow(file)
    file.write_text(settings + '{"acc": 0.1}\n')
    assert follower.so_far() == {1: 0.1}
    file.write_text("")
    assert follower.so_far() == {}
    file.write_text(settings + '{"acc": 0.3}\n{"acc": 0.4}\n')
    assert follower.so_far() == follower.whole() == {1: 0.3, 2: 0.4}


def test_a_header_may_change_while_a_command_runs(tmp_path: Path) -> None:
    """Lightning's logger writes the losses first, and its whole file anew once there is a metric."""
    file = tmp_path / "metrics.csv"
    follower = CsvFile("metrics.csv", "val_acc").follow(file)
    file.write_text("epoch,step,train_loss\n0,9,1.5\n")
    assert follower.so_far() == {}
    file.write_text("epoch,step,train_loss,val_acc\n0,9,1.5,\n0,10,,0.25\n1,20,,0.5\n")
    assert follower.so_far() == follower.whole() == {0: 0.25, 1: 0.5}


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(KdsearchError, match="folder cannot be read: Is a directory"):
        JsonLines("folder", "acc").follow(tmp_path / "folder").whole()
    (tmp_path / "wide").write_text(f'acc\n"{"x" * 200_000}"\n')
    with pytest.raises(KdsearchError, match="wide is no CSV file: field larger than field limit"):
        CsvFile("wide", "acc").follow(tmp_path / "wide").whole()
    (tmp_path / "runs").mkdir()
    pytest.importorskip("tensorboardX")
    (tmp_path / "runs" / "events.out.tfevents.1").write_bytes(b"\x05" + b"\x00" * 11 + b"\xff" * 9)
    with pytest.raises(KdsearchError, match=r"events.out.tfevents.1 is damaged at byte 0"):
        TensorBoard("runs", "acc").follow(tmp_path / "runs").whole()


def test_one_tag_in_two_folders_is_refused(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("tensorboardX")
    for name in ("train", "val"):
        with tensorboard.SummaryWriter(str(tmp_path / name)) as writer:
            writer.add_scalar("acc", 0.5, 1)
    with pytest.raises(KdsearchError, match="the scalar 'acc' is in several folders, train, val: name one of them"):
        TensorBoard(".", "acc").follow(tmp_path).whole()
    assert TensorBoard("val", "acc").follow(tmp_path / "val").whole() == {1: 0.5}


def test_a_value_that_is_not_finite_is_one(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text('{"acc": NaN}\n')
    (value,) = JsonLines("log", "acc").follow(file).whole().values()
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
        reading.follow(file).whole()


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
    assert follower.so_far() == {}
    with tensorboard.SummaryWriter(str(tmp_path / "runs" / "a")) as writer:
        for epoch in range(4):
            writer.add_scalar("val/acc", 0.25 * epoch, epoch)
            writer.add_scalar("loss", 1.0, epoch)
    assert follower.whole() == {epoch: 0.25 * epoch for epoch in range(4)}
    file = next((tmp_path / "runs" / "a").iterdir())
    file.write_bytes(file.read_bytes()[:-5])  # cut in a record
    assert TensorBoard("runs", "val/acc").follow(tmp_path / "runs").so_far().keys() <= set(range(4))
    with pytest.raises(KdsearchError, match="expected a scalar 'acc', the event files have loss, val/acc"):
        TensorBoard("runs", "acc").follow(tmp_path / "runs").whole()


@pytest.mark.parametrize("reading", [reading for reading, _, _ in CASES.values()] + [TensorBoard("a", "b")])
def test_readings_say_what_they_are(reading: Reading) -> None:
    assert isinstance(reading, Reading)
    assert json.loads(json.dumps(reading.identity())) == reading.identity()
    assert str(reading)
    assert reading.metric


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        (r"loss: ([\d.]+)", "loss: 6.76e-06, ok", 6.76e-06),
        (r"loss: ([\d.]+)", "loss: -0.5", -0.5),
        (r"loss: ([\d.]+)", "the loss: 0.75.", 0.75),
        (r"loss: ([\d.]+)", "loss: nan", math.nan),
        (r"loss: ([0-9.]+)", "loss: -inf", -math.inf),
        (r"(?i)acc\w*\W+([\d.]+)", "Accuracy = 1E-3", 1e-3),
        (r"Acc: (\d+\.\d+)%", "Acc: 75.3%", 75.3),
        (r"top-(?:1|5): (\d+)", "top-1: 75.3", 75.3),
        (r"loss: (\S+)", "loss: 6e-3", 6e-3),
        (r"t=(\d)", "t=45", 4.0),
        (r"took [(]s[)]: ([\d.]+)", "took (s): 1.5e1", 15.0),
    ],
)
def test_a_number_is_read_whole(tmp_path: Path, pattern: str, line: str, expected: float) -> None:
    """A group of digits and dots would read 6.76 of 6.76e-06, and pass over nan: a diverged run would look well."""
    file = tmp_path / "output"
    file.write_text(f"{line}\n")
    assert Pattern(pattern).follow(file).whole() == {1: pytest.approx(expected, nan_ok=True)}
