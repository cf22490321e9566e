"""What runs draw: the version of a study's rules, the fold of a run, the search without teacher, per-query values."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0003"
down_revision = "0002"

_FRESH = "confirm_seeds_are_fresh"


def upgrade() -> None:
    """Add the columns; what is there already is version 1, and keeps its confirm seeds from 2**31 on."""
    _add("study", sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
    _add("study", sa.Column("best_without_id", sa.BigInteger(), nullable=True))
    op.create_unique_constraint(op.f("uq_study_id_version"), "study", ["id", "version"], schema="kdsearch")
    _add("run", sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
    _add("run", sa.Column("partition", sa.Integer(), server_default="0", nullable=False))
    _add("run", sa.Column("fold", sa.Integer(), server_default="0", nullable=False))
    _add("run", sa.Column("queries", ARRAY(sa.REAL()), nullable=True))
    op.drop_constraint(op.f("fk_run_study_id"), "run", schema="kdsearch", type_="foreignkey")
    op.create_foreign_key(
        op.f("fk_run_study_id_version"),
        "run",
        "study",
        ["study_id", "version"],
        ["id", "version"],
        source_schema="kdsearch",
        referent_schema="kdsearch",
        ondelete="CASCADE",
    )
    _check(
        "run",
        _FRESH,
        "(pool = 'confirm') = (seed >= CASE version WHEN 1 THEN 2147483648 ELSE 1073741824 END) "
        "AND (version = 1 OR seed < 2147483648)",
    )
    _check("configuration", "kind", "kind IN ('searched', 'without', 'baseline', 'ablation', 'teacher')")
    op.create_index(
        "uq_configuration_without_params",
        "configuration",
        ["study_id", sa.literal_column("md5(CAST(params AS TEXT))")],
        unique=True,
        schema="kdsearch",
        postgresql_where=sa.text("kind = 'without'"),
    )


def _add(table: str, column: sa.Column[object]) -> None:
    op.add_column(table, column, schema="kdsearch")


def _check(table: str, name: str, condition: str) -> None:
    """Replace a check by one of the same name."""
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema="kdsearch", type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, schema="kdsearch")
