"""``kdsearch plot`` and ``report --html``: what they write, and what they refuse before they draw anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import NOISY, run_program

from kdsearch.ledger import embedded

NAMES = (
    "cost", "curves", "differences", "effects", "importance", "inflation", "leaderboard", "luck", "pairs", "seeds",
    "spending", "validation_test",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a finished study."""
    home = tmp_path_factory.mktemp("plot") / "home"
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=home)
    assert code == 0, output
    yield home
    embedded.stop(home / "postgres")


def test_a_figure_and_a_folder_of_all(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "seeds.html"
    code, output = run_program("plot", "noisy_quadratic", "seeds", "-o", str(file), home=finished)
    assert code == 0, output
    assert f"{file}: seeds of noisy_quadratic" in output
    assert "Plotly.newPlot" in file.read_text()
    folder = tmp_path / "new" / "folder"
    code, output = run_program("plot", "noisy_quadratic", "-o", str(folder), home=finished)
    assert code == 0, output
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.html" for name in NAMES]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no figure 'nope': use one of cost, curves,"),
        (["-o", "all.pdf"], "all.pdf is one file, and there are 12 figures: name one of cost,"),
        (["seeds", "-o", "seeds.txt"], "seeds.txt: a figure is written as .html, .png, .svg or .pdf"),
        (["seeds", "--figures", "nowhere"], "expected a folder of figures, found no folder nowhere"),
    ],
)
def test_what_cannot_be_drawn_is_said(finished: Path, arguments: list[str], said: str) -> None:
    code, output = run_program("plot", "noisy_quadratic", *arguments, home=finished)
    assert code == 1
    assert said in output


def test_the_report_as_a_page(finished: Path, tmp_path: Path) -> None:
    for arguments in (["--html", str(tmp_path / "one.html")], ["-o", str(tmp_path / "two.html")]):
        code, output = run_program("report", "noisy_quadratic", *arguments, home=finished)
        assert code == 0, output
        assert f"{arguments[1]}: report of noisy_quadratic" in output
        assert "MB, works offline)" in output
        text = Path(arguments[1]).read_text()
        assert text.startswith("<!DOCTYPE html>")
        assert text.count("<figure ") == 12
    code, output = run_program("report", "noisy_quadratic", "--html", "x.html", "--format", "md", home=finished)
    assert code == 1
    assert "--html writes a file of its own: leave --format and --output out" in output


def test_a_launch_ends_with_a_page_and_its_place(finished: Path) -> None:
    code, output = run_program("launch", str(NOISY), "--html", home=finished)
    assert code == 0, output
    (file,) = (finished / "reports").iterdir()
    assert f"The report as a page with all figures: {file}" in "".join(output.splitlines())
    assert file.read_text().startswith("<!DOCTYPE html>")
    assert file.stat().st_mode & 0o077 == 0 or (finished / "reports").stat().st_mode & 0o077 == 0
    assert output.index("The report as a page") < output.index("Comparison on confirm seeds")

    file.unlink()
    file.mkdir()  # where it cannot be written, the report follows all the same
    code, output = run_program("launch", str(NOISY), "--html", home=finished)
    assert code == 0, output
    assert "The page with all figures could not be written: IsADirectoryError" in output
    assert "Comparison on confirm seeds" in output
