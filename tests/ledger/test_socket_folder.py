"""Where the server's socket may lie: never in a folder that belongs to somebody else."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kdsearch.errors import LedgerError
from kdsearch.ledger.socket_folder import socket_folder


def test_a_folder_under_our_name_that_belongs_to_another_account_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    data = tmp_path / ("n" * 100)
    data.mkdir()
    given: list[Path] = []
    own: Any = SimpleNamespace(uid=os.getuid(), give=given.append, can_enter=lambda path: True)
    other: Any = SimpleNamespace(uid=os.getuid() + 4242, give=given.append, can_enter=lambda path: True)
    try:
        assert socket_folder(data, own).stat().st_mode & 0o777 == 0o700
        given[0].chmod(0o755)  # left by an older version
        assert socket_folder(data, own).stat().st_mode & 0o777 == 0o700
        with pytest.raises(LedgerError, match="no temporary folder takes one"):
            socket_folder(data, other)  # all that is made here belongs to us
    finally:
        for folder in given:
            folder.rmdir()
