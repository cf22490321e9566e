"""Variables of the environment that cannot work are refused with what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch import environment
from kdsearch.errors import KdsearchError


def test_variables_that_cannot_work_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDSEARCH_LEASE_SECONDS", "soon")
    with pytest.raises(KdsearchError, match=r"a number of seconds above 0, at most 86400 \(a day\), got 'soon'"):
        environment.lease_seconds()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(KdsearchError, match="expected a folder that can be written"):
        environment.home()
