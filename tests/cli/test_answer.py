"""The answer where users see it: last in a launch and a report, in ``status``; its commands run when pasted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import run_program

from kdsearch.ledger import embedded

STUDY = """
import kdsearch as kd
from support import ToyTask

study = kd.Study(
    name="toy",
    task=ToyTask(gain=0.2),
    space={"alpha": kd.uniform(0, 1), "rate": kd.log(0.01, 1)},
    baselines={"student alone": {"alpha": 0}},
    budget=kd.Budget(runs=16),
    confirm=kd.Confirm(seeds=6, finalists=0),
    presets={"small": {"budget": kd.Budget(runs=12)}},
)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, str]]:
    """Home of a finished study with distillation, its file, and what the launch printed."""
    folder = tmp_path_factory.mktemp("answer")
    file = folder / "a study.py"
    file.write_text(STUDY)
    code, output = run_program(
        "launch", str(file), "--preset", "small", "--engine", "debug", home=folder / "home", PYTHONPATH=support_folder()
    )
    assert code == 0, output
    yield folder / "home", file, output
    embedded.stop(folder / "home" / "postgres")


def support_folder() -> str:
    return str(Path(__file__).parent.parent)


def ran(home: Path, *arguments: str) -> str:
    code, output = run_program(*arguments, home=home, PYTHONPATH=support_folder())
    assert code == 0, output
    return output


def command(output: str, title: str) -> list[str]:
    """The last command under that title, as a shell reads it."""
    line = [line for line in output.splitlines() if line.startswith(f"{title}: ")][-1]
    words = shlex.split(line.removeprefix(f"{title}: "))
    assert words[0] == "kdsearch"
    return words[1:]


def test_a_launch_and_a_report_end_on_the_answer(home: tuple[Path, Path, str]) -> None:
    place, _, launched = home
    reported = ran(place, "report", "toy")
    for output in (launched, reported):
        end = [line for line in output.splitlines() if line][-4:]
        assert any(line.startswith("Distillation ") for line in end)
        assert end[-1].startswith("To train it: kdsearch train ")
        assert " ".join(output.split()).count("minus the same without distillation is") == 2
    assert launched.index("kdsearch db stop") < launched.index("Comparison on confirm seeds")


def test_status_gives_the_answer_of_a_finished_study(home: tuple[Path, Path, str]) -> None:
    place, _, launched = home
    lines = ran(place, "status", "toy").splitlines()
    assert "Distillation helps: winner minus the same without distillation is" in " ".join(lines)
    assert command("\n".join(lines), "To train it") == command(launched, "To train it")
    assert lines[-1] == "workers holding runs: none"


def test_the_command_trains_the_winner_when_pasted(home: tuple[Path, Path, str]) -> None:
    place, file, launched = home
    words = command(launched, "To train it")
    assert words[:5] == ["train", str(file), "--preset", "small", "--seed"]
    output = ran(place, *words)
    settings = [words[index + 1] for index, word in enumerate(words) if word == "--set"]
    assert [setting.split("=")[0] for setting in settings] == ["alpha", "rate"]
    for setting in settings:
        assert setting in output, "the very numbers"
    assert "done: objective 0." in output


def test_kept_weights_are_written_when_pasted(
    home: tuple[Path, Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _, launched = home
    monkeypatch.chdir(tmp_path)
    words = command(launched, "Its trained weights")
    assert words == ["export", "model", "toy@toy+small", "-o", "winner.pt"]
    assert "winner of toy@toy+small, fresh seed 0" in ran(place, *words)
    assert (tmp_path / "winner.pt").read_text().startswith("student")
