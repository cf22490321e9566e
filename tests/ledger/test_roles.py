"""A study under the role with few rights that docs/security.md gives."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from faults.servers import TcpServer
from support import NOISY, run_program

from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.ledger.database import Database

DOCS = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TcpServer]:
    started = TcpServer(tmp_path / "tcp")
    yield started
    started.stop(signal.SIGQUIT)


def test_a_role_with_the_name_of_our_schema_has_optunas_tables_where_others_have_them(
    server: TcpServer, tmp_path: Path
) -> None:
    """PostgreSQL looks for a table without a schema in that of the role's name first."""
    server.sql("CREATE ROLE kdsearch LOGIN")
    server.sql("ALTER DATABASE kd OWNER TO kdsearch")
    url = server.url.replace("me@", "kdsearch@")
    settings = {"NOISY_RUNS": "6", "NOISY_CONFIRM": "2", "KDSEARCH_STORAGE": url}
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=tmp_path / "home", **settings)
    assert code == 0, output
    assert "is not up to date" not in output
    statement = "SELECT schemaname FROM pg_tables WHERE tablename IN ('studies', 'trials', 'version_info')"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert [row.schemaname for row in connection.execute(sa.text(statement))] == ["public"] * 3
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("KDSEARCH_STORAGE", url)
            (summary,) = optuna_storage(Database(url)).get_all_studies()
    assert summary.study_name == "noisy_quadratic@function"


@pytest.mark.slow
def test_the_role_of_the_docs_runs_a_study_and_makes_no_tables(server: TcpServer, tmp_path: Path) -> None:
    server.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    home = tmp_path / "home"
    code, output = run_program("db", "prepare", home=home, KDSEARCH_STORAGE=server.url)
    assert code == 0, output
    (statements,) = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)
    for statement in statements.split(";"):
        if statement.strip():
            server.sql(statement)
    url = server.url.replace("me@", "kd_user@")
    settings = {"NOISY_RUNS": "6", "NOISY_CONFIRM": "2", "KDSEARCH_STORAGE": url}
    code, output = run_program("launch", str(NOISY), "--engine", "debug", home=home, **settings)
    assert code == 0, output
    assert "is not up to date" not in output, "it draws the Optuna study too"
    code, output = run_program("report", "noisy_quadratic", home=home, **settings)
    assert code == 0, output
    code, output = run_program("db", "url", home=home, KDSEARCH_STORAGE=url.replace("/kd?", "/postgres?"))
    assert code == 1
    assert "permission denied" in output
    assert "Traceback" not in output
