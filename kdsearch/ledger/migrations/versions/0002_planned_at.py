"""When a launcher decided last: workers decide by themselves only where none does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("study", sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True), schema="kdsearch")
