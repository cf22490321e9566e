"""The studies of the image systems as a user launches them, in their smoke preset: drawn shapes and real CIFAR-10."""

from __future__ import annotations

import ast
import functools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import run_program

import kdsearch as kd
from kdsearch.engines import study_file
from kdsearch.errors import DataError
from kdsearch.ledger import embedded

STUDIES = Path(__file__).resolve().parents[2] / "studies"
NAMES = ("cifar10_temperature", "sskt_transfer", "mutual_learning", "maxl")
DATA = os.environ.get("KDSEARCH_DATA", "")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("images") / "home"
    yield folder
    embedded.stop(folder / "postgres")


@functools.cache
def launched(home: Path, name: str, data: str) -> dict[str, Any]:
    """The report of a study that is launched once, whichever test comes first."""
    study = str(STUDIES / f"{name}.py")
    alone = ("--workers", "1", "--population", "1")
    code, output = run_program("launch", study, "--preset", "smoke", *alone, home=home, KDSEARCH_DATA=data)
    assert code == 0, output
    code, output = run_program("report", study, "--preset", "smoke", "--format", "json", home=home, KDSEARCH_DATA=data)
    assert code == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def rows(report: dict[str, Any], key: str) -> dict[str, Any]:
    (table,) = [table for table in report["tables"] if table["key"] == key]
    return {row["label"]: row for row in table["rows"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_study_ends_with_its_report_on_drawn_shapes(home: Path, name: str) -> None:
    report = launched(home, name, "")
    assert all("synthetic data, not CIFAR-10" in json.dumps(table) for table in report["tables"])
    compared = rows(report, "comparison")
    assert any(label.startswith("winner (") for label in compared)
    assert any(label.startswith("winner without distillation") for label in compared)
    study = kd.load(STUDIES / f"{name}.py", preset="smoke")
    assert set(study.baselines) <= {
        label.removeprefix("winner without distillation (= ").rstrip(")") for label in compared
    }
    published = rows(report, "published")
    assert {figure.label for figure in study.published} <= set(published)


@pytest.mark.slow
def test_methods_on_the_same_images_stand_side_by_side(home: Path) -> None:
    for name in NAMES:
        launched(home, name, "")
    files = [str(STUDIES / f"{name}.py") for name in ("mutual_learning", "cifar10_temperature", "maxl")]
    asked = ("compare", *files, "--preset", "smoke")
    code, output = run_program(*asked, "--format", "json", home=home, KDSEARCH_DATA="")
    assert code == 0, output
    (table,) = json.loads(output)["tables"]
    winners = [row for row in table["rows"] if not row["context"]]
    assert [row["label"].split(" ")[0] for row in winners] == ["mutual_learning", "cifar10_temperature", "maxl"]
    assert [row["cells"]["n"] for row in winners] == [2, 2, 2]
    assert [row["cells"]["pairs"] for row in winners] == [None, 2, 2]
    # The seeds are the same numbers, so a study's own report holds what its row says.
    own = rows(launched(home, "maxl", ""), "comparison")
    (score,) = [row["cells"]["score"]["value"] for label, row in own.items() if label.startswith("winner (")]
    assert winners[2]["cells"]["score"]["value"] == score
    code, output = run_program(*asked, home=home, KDSEARCH_DATA="", COLUMNS="120")
    assert code == 0, output
    assert "Across studies, on confirm seeds" in output
    code, output = run_program(
        "compare", files[0], str(STUDIES / "sskt_transfer.py"), "--preset", "smoke", home=home, KDSEARCH_DATA=""
    )
    assert code == 1
    assert "studies in one table are measured alike" in output


@pytest.mark.parametrize(
    ("name", "preset", "label", "value"),
    [
        ("cifar10_temperature", "cifar100", "KD, ResNet-20 (SSKT repository)", 0.6866),
        ("mutual_learning", "hmdb51", "DML, 3-D ResNet-18, scratch (HMDB51)", 0.0301),
        ("sskt_transfer", "vgg16", "SSKT from ImageNet's VGG16, VGG16, CE", 0.9422),
    ],
)
def test_presets_of_other_rows_have_their_own_published_figures(
    name: str, preset: str, label: str, value: float
) -> None:
    changes = kd.load(STUDIES / f"{name}.py", preset="none").presets[preset]
    assert {figure.label: figure.value for figure in changes["published"]}[label] == value


def test_methods_presets_measure_the_same() -> None:
    for preset in ("methods", "full-methods"):
        loaded = [kd.load(STUDIES / f"{name}.py", preset=preset) for name in NAMES]
        assert len({study.settings()["measured_on"] for study in loaded}) == 1
        assert len({study.confirm.seeds for study in loaded}) == 1
        assert len({str(study.task.identity()["student"]) for study in loaded}) == 1


@pytest.mark.slow
@pytest.mark.real_data
def test_real_images_are_labelled_as_re_encoded(home: Path) -> None:
    if not (Path(DATA) / "cifar10").is_dir():
        pytest.skip("KDSEARCH_DATA names no folder with cifar10")
    report = launched(home, "cifar10_temperature", DATA)
    assert all("CIFAR-10, JPEG re-encoded (not the official pixels)" in json.dumps(t) for t in report["tables"])


@pytest.mark.parametrize("name", [*NAMES, "jhmdb_weights", "ucf101_weights"])
def test_every_study_says_what_it_is_and_how_it_is_launched(name: str) -> None:
    text = (STUDIES / f"{name}.py").read_text()
    words = ast.get_docstring(ast.parse(text)) or ""
    assert f"kdsearch launch studies/{name}.py" in words
    study = kd.load(STUDIES / f"{name}.py", preset="none")
    assert {"smoke", "cpu", "full"} <= set(study.presets)
    assert study.published
    assert study.baselines
    for preset in study.presets:
        assert f"--preset {preset}" in words or preset in ("smoke", "cpu"), preset


def test_the_grid_has_every_cell_of_the_seed_and_fills_the_five_empty_ones() -> None:
    study = kd.load(STUDIES / "cifar10_temperature.py", preset="grid")
    published = {figure.label: figure.value for figure in study.published}
    assert published["EXP0 scratch"] == 0.8556
    assert published["EXP4 cse T=8 alpha=0.3"] == 0.8697
    empty = set(study.baselines) - set(published)
    assert empty == {f"EXP4 mse T=16 alpha={alpha}" for alpha in ("0.1", "0.3", "0.5", "0.7", "0.9")}
    assert set(published) < set(study.baselines)
    assert len(study.baselines) == 35
    counts = Counter(label.split(" ")[0] for label in study.baselines)
    assert counts == {"EXP0": 1, "EXP1": 2, "EXP2": 2, "EXP3": 10, "EXP4": 20}
    assert study.baselines["EXP3 mse T=12 alpha=1"] == {"mode": "mse", "temperature": 12, "alpha": 1.0}


def test_a_gpu_without_the_full_presets_data_gets_the_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path))
    monkeypatch.setattr(study_file, "gpus", lambda: [object()])
    transfer = study_file.load(STUDIES / "sskt_transfer.py").study
    assert (transfer.preset, transfer.task.label) == ("cpu", "standin-cifar10-4classes-n1200-3folds")
    assert study_file.load(STUDIES / "cifar10_temperature.py").study.preset == "cpu", "drawn shapes are not worth a GPU"
    with pytest.raises(DataError, match="STL10"):
        study_file.load(STUDIES / "sskt_transfer.py", "full").declaration()
