"""The first schema: studies, configurations, runs, events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "study",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("identity", JSONB(), nullable=False),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("chance", sa.Double(), nullable=False),
        sa.Column("data_hash", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("source_file", sa.Text(), server_default="", nullable=False),
        sa.Column("source_text", sa.Text(), server_default="", nullable=False),
        sa.Column("stop_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("teacher_run_id", sa.BigInteger(), nullable=True),
        sa.Column("winner_id", sa.BigInteger(), nullable=True),
        sa.Column("ablation_id", sa.BigInteger(), nullable=True),
        sa.Column("finalist_ids", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("phase IN ('teacher', 'search', 'confirm', 'finished')", name=op.f("ck_study_phase")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("name", name=op.f("uq_study_name")),
        schema="kdsearch",
    )
    op.create_table(
        "configuration",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("params", JSONB(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('searched', 'baseline', 'ablation', 'teacher')", name=op.f("ck_configuration_kind")
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["kdsearch.study.id"], name=op.f("fk_configuration_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration")),
        sa.UniqueConstraint("study_id", "kind", "name", name=op.f("uq_configuration_study_id_kind_name")),
        schema="kdsearch",
    )
    op.create_index(
        "uq_configuration_searched_params",
        "configuration",
        ["study_id", sa.literal_column("md5(CAST(params AS TEXT))")],
        unique=True,
        schema="kdsearch",
        postgresql_where=sa.text("kind = 'searched'"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), server_default="{}", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["kdsearch.study.id"], name=op.f("fk_event_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        schema="kdsearch",
    )
    op.create_index(op.f("ix_event_study_id"), "event", ["study_id"], unique=False, schema="kdsearch")
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("configuration_id", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("needs", sa.BigInteger(), nullable=True),
        sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("keep_weights", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=True),
        sa.Column("scores", JSONB(), server_default="{}", nullable=False),
        sa.Column("curve_names", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("curves", sa.ARRAY(sa.Double(), dimensions=2), server_default="{}", nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("peak_memory", sa.BigInteger(), nullable=True),
        sa.Column("code_hash", sa.Text(), nullable=True),
        sa.Column("data_hash", sa.Text(), nullable=True),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("(pool = 'confirm') = (seed >= 2147483648)", name=op.f("ck_run_confirm_seeds_are_fresh")),
        sa.CheckConstraint(
            "(state = 'leased') <= (token IS NOT NULL AND lease_until IS NOT NULL)", name=op.f("ck_run_lease")
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'diverged')) <= (objective IS NOT NULL)", name=op.f("ck_run_ended_has_objective")
        ),
        sa.CheckConstraint("pool IN ('search', 'confirm', 'teacher', 'preflight')", name=op.f("ck_run_pool")),
        sa.CheckConstraint(
            "state IN ('queued', 'leased', 'done', 'diverged', 'failed', 'cancelled')", name=op.f("ck_run_state")
        ),
        sa.CheckConstraint("seed >= 0", name=op.f("ck_run_seed")),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["kdsearch.configuration.id"],
            name=op.f("fk_run_configuration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["needs"], ["kdsearch.run.id"], name=op.f("fk_run_needs")),
        sa.ForeignKeyConstraint(["study_id"], ["kdsearch.study.id"], name=op.f("fk_run_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("configuration_id", "seed", name=op.f("uq_run_configuration_id_seed")),
        schema="kdsearch",
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_run_claimable",
        "run",
        ["study_id", "priority", "id"],
        unique=False,
        schema="kdsearch",
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    )
    op.create_index("ix_run_study_state", "run", ["study_id", "state"], unique=False, schema="kdsearch")
