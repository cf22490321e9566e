"""A study whose launch was killed under an older schema: the ledger is migrated, and the study ends as it would have.

``older/SCHEMA.sql`` is what ``pg_dump --schema=kdsearch`` wrote of the study of ``Short`` with 16 search runs, after
launcher and workers were killed: by the program of 21 November 2026 (schema 0001) and that of 27 November (0002).
``older/undisturbed.txt`` is the table of the same study that both programs ended undisturbed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from faults.harness import Short, broken_invariants
from kdsearch.ledger.server_account import ServerAccount

pytestmark = pytest.mark.slow
OLDER = Path(__file__).with_name("older")


@pytest.mark.parametrize("schema", ["0001", "0002"])
def test_a_study_begun_under_an_older_schema(short: Callable[..., Short], schema: str) -> None:
    study = short(runs=16)
    server = sa.make_url(study.url).query["host"]
    psql = ServerAccount.find(study.home).program("psql")
    command = [psql, "--quiet", "--set=ON_ERROR_STOP=1", f"--host={server}", "--username=postgres", "--file=-"]
    with (OLDER / f"{schema}.sql").open() as dump:
        subprocess.run(command, stdin=dump, check=True, stdout=subprocess.DEVNULL)
    before = study.query("SELECT id, objective, score, token FROM kdsearch.run WHERE state = 'done' ORDER BY id")
    assert before
    code, output = study.run()
    assert code == 0, output
    assert broken_invariants(study) == {}
    kept = study.query("SELECT id, objective, score, token FROM kdsearch.run WHERE state = 'done' ORDER BY id")
    assert set(before) <= set(kept), "what had ended stays as it was"
    rows = [line.split("|") for line in (OLDER / "undisturbed.txt").read_text().splitlines()]
    expected = [(*row[:3], int(row[3]), row[4], float(row[5]), float(row[6])) for row in rows]
    assert study.table() == expected
    assert study.query("SELECT version_num FROM kdsearch.alembic_version") == [("0005",)]
