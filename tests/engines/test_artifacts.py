"""Weights as files that are named by their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.engines import artifacts
from kdsearch.errors import KdsearchError


def test_artifacts_are_named_by_content_and_checked(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "weights.pt"
    source.write_bytes(b"numbers")
    name = artifacts.store(source)
    assert artifacts.store(source) == name
    assert artifacts.fetch(name).read_bytes() == b"numbers"
    artifacts.fetch(name).write_bytes(b"other")
    with pytest.raises(KdsearchError, match="damaged"):
        artifacts.fetch(name)
    with pytest.raises(KdsearchError, match="stored by another machine"):
        artifacts.fetch("0" * 32 + ".pt")
