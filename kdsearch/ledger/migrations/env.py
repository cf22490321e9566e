"""Alembic's entry: uses the connection that ``migrate.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from kdsearch.ledger.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table_schema=SCHEMA
)
context.run_migrations()
