"""Further metrics of a run beside its objective, by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row."""
    op.add_column("run", sa.Column("metrics", JSONB, server_default="{}", nullable=False), schema="kdsearch")
