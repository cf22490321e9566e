"""Which configuration leads a large study, as its launcher found it: ``kdsearch status`` shows that at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("study", sa.Column("leader", JSONB, nullable=True), schema="kdsearch")
