"""``--help`` gives each command a whole sentence."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kdsearch.cli.app import app

GROUPS = [[], ["export"], ["studies"], ["db"], ["data"]]


def summaries(group: list[str], width: int) -> dict[str, str]:
    done = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": str(width)})
    assert done.exit_code == 0, done.output
    lines = done.output.partition("Commands:\n")[2].splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line.strip())


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: " ".join(group) or "all")
def test_no_summary_is_cut(group: list[str], width: int) -> None:
    found = summaries(group, width)
    assert len(found) > 1
    assert [text for text in found.values() if not text.endswith(".") or text.endswith("..") or "…" in text] == []


def test_every_group_is_looked_at() -> None:
    groups = [[info.name] for info in app.registered_groups]
    assert sorted(groups, key=str) == sorted(GROUPS[1:], key=str)
