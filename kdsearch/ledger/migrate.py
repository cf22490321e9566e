"""Schema migrations by Alembic, run at every connection and a no-op when the schema is up to date."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.errors import LedgerError
from kdsearch.ledger.database import Database
from kdsearch.ledger.schema import SCHEMA

HEAD = "0005"
_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Bring the schema to ``HEAD``; refuses one that a newer kdsearch has written."""
    if _version_of(database) == HEAD:
        return  # the usual case, without importing Alembic
    database.transaction(_upgrade)


@lru_cache(maxsize=8)
def _known() -> frozenset[str]:
    return frozenset(path.name.split("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def _version_of(database: Database) -> str | None:
    def read(connection: Connection) -> str | None:
        if connection.execute(sa.text(f"SELECT to_regclass('{SCHEMA}.alembic_version')")).scalar() is None:
            return None
        version: str | None = connection.execute(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()
        return version

    version = database.transaction(read)
    if version is not None and version not in _known():
        raise LedgerError(
            f"the database {database.rendered_url()} has kdsearch schema {version}, this program knows up to {HEAD}. "
            "Upgrade kdsearch, or name another database."
        )
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    # Two programs may meet an empty database at once; the second waits and finds it done.
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(5137)"))
    connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
