"""Families of data are found by themselves: a new one is a folder, and nothing else is edited."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kdsearch.data
from kdsearch.data import Available, Finding, available, verify
from kdsearch.data.inventory import families, finding_of, row_of
from kdsearch.errors import DataError

DIGITS = """
from pathlib import Path

from kdsearch.data.inventory import Available, Finding


def available(root: Path | None) -> list[Available]:
    return [Available("digits", "images", "nowhere", 10, 2, "0123456789abcdef")]


def verify(root: Path | None) -> list[Finding]:
    return [Finding(Path("digits.npz"), True, "10 images")]
"""


@pytest.fixture
def dropped_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package ``digits`` with an inventory and one without, where ``kdsearch.data`` looks for its packages."""
    for name, inventory in (("digits", DIGITS), ("helpers", None)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        if inventory is not None:
            (tmp_path / name / "inventory.py").write_text(inventory)
    monkeypatch.setattr(kdsearch.data, "__path__", [*kdsearch.data.__path__, str(tmp_path)])
    yield
    for name in [name for name in sys.modules if name.startswith(("kdsearch.data.digits", "kdsearch.data.helpers"))]:
        del sys.modules[name]


def test_the_folders_of_the_room_are_its_families() -> None:
    folders = {path.parent.name for path in Path(kdsearch.data.__file__).parent.glob("*/inventory.py")}
    assert folders >= {"action", "images", "jhmdb"}
    assert len(list(families())) == len(folders)
    assert {row.name for row in available()} >= {"jhmdb", "ucf101", "hmdb51", "cifar10"}


def test_a_package_that_is_dropped_in_is_listed_and_verified(dropped_in: None, tmp_path: Path) -> None:
    assert Available("digits", "images", "nowhere", 10, 2, "0123456789abcdef") in available(tmp_path)
    assert verify(tmp_path) == [Finding(Path("digits.npz"), True, "10 images")]


def test_what_cannot_be_read_is_said() -> None:
    def fail() -> str:
        raise DataError("it is broken")

    assert row_of("a", "images", "here", lambda: (3, 2, "abc")) == Available("a", "images", "here", 3, 2, "abc")
    unreadable = row_of("a", "images", "here", fail)  # type: ignore[arg-type]
    assert unreadable == Available("a", "images", "it is broken", 0, 0, "unreadable")
    assert finding_of(Path("a"), lambda: "whole") == Finding(Path("a"), True, "whole")
    assert finding_of(Path("a"), fail) == Finding(Path("a"), False, "it is broken")
