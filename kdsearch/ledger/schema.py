"""The ledger's tables, in a Postgres schema of their own (Optuna's live in ``public``).

The rules that must hold whatever a process does are constraints here: one run for a configuration and seed, confirm
seeds disjoint from all others, by the version of the study, a token while leased.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from kdsearch.draws import FIRST_CONFIRM_SEED

SCHEMA = "kdsearch"
POOLS = ("search", "confirm", "teacher", "preflight")
STATES = ("queued", "leased", "done", "diverged", "failed", "cancelled", "stopped")
KINDS = ("searched", "without", "baseline", "ablation", "teacher")
PHASES = ("teacher", "search", "confirm", "finished")

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


study = sa.Table(
    "study",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    # Workspaces of several databases may share one folder: this, not the id, tells studies apart there.
    sa.Column("uid", sa.Uuid, nullable=False, server_default=sa.func.gen_random_uuid()),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("identity", JSONB, nullable=False),
    sa.Column("settings", JSONB, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("chance", sa.Double, nullable=False),
    sa.Column("data_hash", sa.Text, nullable=False),
    sa.Column("code_hash", sa.Text, nullable=False),
    sa.Column("source_file", sa.Text, nullable=False, server_default=""),
    sa.Column("source_text", sa.Text, nullable=False, server_default=""),
    sa.Column("stop_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("teacher_run_id", sa.BigInteger),
    sa.Column("winner_id", sa.BigInteger),
    sa.Column("ablation_id", sa.BigInteger),
    sa.Column("finalist_ids", ARRAY(sa.BigInteger), nullable=False, server_default="{}"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("planned_at", sa.DateTime(timezone=True)),
    # 1: what was made, or is still made by a program from, before there were versions.
    sa.Column("version", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("best_without_id", sa.BigInteger),
    # What a large study's launcher found last, so that whoever asks need not read all runs: a cache.
    sa.Column("leader", JSONB),
    sa.UniqueConstraint("id", "version"),
    sa.CheckConstraint(_one_of("phase", PHASES), name="phase"),
)

configuration = sa.Table(
    "configuration",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("study_id", sa.BigInteger, sa.ForeignKey(study.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("params", JSONB, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("proposal", JSONB, nullable=False, server_default="{}"),
    sa.UniqueConstraint("study_id", "kind", "name"),
    sa.CheckConstraint(_one_of("kind", KINDS), name="kind"),
)
# The same numbers are the same configuration: a sampler that repeats itself gets further seeds, not a second row.
for _kind in ("searched", "without"):
    sa.Index(
        f"uq_configuration_{_kind}_params",
        configuration.c.study_id,
        sa.func.md5(sa.cast(configuration.c.params, sa.Text)),
        unique=True,
        postgresql_where=configuration.c.kind == _kind,
    )

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("study_id", sa.BigInteger, nullable=False),
    sa.Column("configuration_id", sa.BigInteger, sa.ForeignKey(configuration.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("needs", sa.BigInteger, sa.ForeignKey("kdsearch.run.id")),
    sa.Column("priority", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("keep_weights", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("state", sa.Text, nullable=False, server_default="queued"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("losses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("token", sa.Uuid),
    sa.Column("worker", sa.Text),
    sa.Column("lease_until", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("objective", sa.Double),
    sa.Column("score", sa.Double),
    sa.Column("epoch", sa.Integer),
    sa.Column("epochs", sa.Integer),
    sa.Column("scores", JSONB, nullable=False, server_default="{}"),
    sa.Column("metrics", JSONB, nullable=False, server_default="{}"),
    sa.Column("curve_names", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("curves", ARRAY(sa.Double, dimensions=2), nullable=False, server_default="{}"),
    sa.Column("seconds", sa.Double),
    sa.Column("device", sa.Text),
    sa.Column("peak_memory", sa.BigInteger),
    sa.Column("code_hash", sa.Text),
    sa.Column("data_hash", sa.Text),
    sa.Column("artifact", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("version", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("partition", sa.Integer, nullable=False, server_default="0"),
    sa.Column("fold", sa.Integer, nullable=False, server_default="0"),
    sa.Column("queries", ARRAY(sa.REAL)),
    # The version stands in the run for the sake of its check, and is its study's by this key.
    sa.ForeignKeyConstraint(["study_id", "version"], [study.c.id, study.c.version], ondelete="CASCADE"),
    sa.UniqueConstraint("configuration_id", "seed"),
    sa.CheckConstraint(_one_of("pool", POOLS), name="pool"),
    sa.CheckConstraint(_one_of("state", STATES), name="state"),
    sa.CheckConstraint("seed >= 0", name="seed"),
    sa.CheckConstraint(
        f"(pool = 'confirm') = (seed >= CASE version WHEN 1 THEN {FIRST_CONFIRM_SEED[1]} "
        f"ELSE {FIRST_CONFIRM_SEED[2]} END) AND (version = 1 OR seed < {2**31})",
        name="confirm_seeds_are_fresh",
    ),
    sa.CheckConstraint("(state = 'leased') <= (token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"),
    sa.CheckConstraint("(state IN ('done', 'diverged')) <= (objective IS NOT NULL)", name="ended_has_objective"),
    # Claims, renewals and results rewrite rows in place; room on the page keeps them off the indexes.
    postgresql_with={"fillfactor": 70},
)
sa.Index(
    "ix_run_claimable", run.c.study_id, run.c.priority, run.c.id, postgresql_where=run.c.state.in_(("queued", "leased"))
)
sa.Index("ix_run_study_state", run.c.study_id, run.c.state)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("study_id", sa.BigInteger, sa.ForeignKey(study.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("run_id", sa.BigInteger),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", JSONB, nullable=False, server_default="{}"),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
