"""Further metrics of a run beside its objective, what a sampler keeps of a configuration, runs that were stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; a constant default rewrites no row."""
    for table, column in (("run", "metrics"), ("configuration", "proposal")):
        op.add_column(table, sa.Column(column, JSONB, server_default="{}", nullable=False), schema="kdsearch")
    op.drop_constraint(op.f("ck_run_state"), "run", schema="kdsearch")
    states = "state IN ('queued', 'leased', 'done', 'diverged', 'failed', 'cancelled', 'stopped')"
    op.create_check_constraint(op.f("ck_run_state"), "run", states, schema="kdsearch")
