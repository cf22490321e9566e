"""What results are results of: data, metric, measuring quirks and the content of weights, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import DataError
from kdsearch.tasks.identity import evaluation_fingerprint, is_path, named, with_weights


@dataclass(frozen=True)
class Data:
    parts_named: dict[str, Any] = field(default_factory=lambda: {"data": "d", "split": 1}, hash=False)
    content: str = "c0ffee"
    label: str = "d"
    description: str = "some data"
    folds: int | None = None

    def identity(self) -> dict[str, Any]:
        return self.parts_named

    def fingerprint(self) -> str:
        return self.content

    def parts(self, fold: Fold = FIRST) -> Any:
        raise NotImplementedError


def test_results_are_comparable_where_data_metric_and_rule_are_the_same() -> None:
    same = evaluation_fingerprint(Data(), "mAP", ())
    assert len(same) == 16
    assert evaluation_fingerprint(Data({"split": 1, "data": "d"}), "mAP", ()) == same, "keys have no order"
    assert evaluation_fingerprint(Data(label="other"), "mAP", ("doubled_term",)) == same, "what is trained"
    others = [
        evaluation_fingerprint(Data({"data": "d", "split": 2}), "mAP", ()),
        evaluation_fingerprint(Data(content="c0ffed"), "mAP", ()),
        evaluation_fingerprint(Data(), "mAP@20", ()),
        evaluation_fingerprint(Data(), "mAP", ("best_epoch_on_test",)),
        evaluation_fingerprint(Data(), "mAP", ("stable_ties",)),
        evaluation_fingerprint(Data(), "mAP", ("best_epoch_on_test", "stable_ties")),
    ]
    assert len({same, *others}) == 7


def test_weights_are_a_path_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "IMAGENET1K_V1").touch()
    paths = {name: is_path(name) for name in ("w.pt", "a/w", "IMAGENET1K_V1", "IMAGENET1K_V2")}
    assert paths == {"w.pt": True, "a/w": True, "IMAGENET1K_V1": True, "IMAGENET1K_V2": False}
    assert [named("/somewhere/w.pt"), named("IMAGENET1K_V2")] == ["w.pt", "IMAGENET1K_V2"]


def test_content_of_weights_is_part_of_a_fingerprint(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert with_weights("f", [None, "IMAGENET1K_V1"]) == "f"
    contents = " ".join(["f", *(hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))])
    assert with_weights("f", [str(one), None, str(two)]) == hashlib.sha256(contents.encode()).hexdigest()[:16]
    with pytest.raises(DataError, match=r"expected a file at .*none\.pt, found none"):
        with_weights("f", [str(tmp_path / "none.pt")])
