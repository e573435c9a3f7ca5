"""Projects and their versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label_config", sa.String, nullable=False),
        sa.Column("extra_params", sa.JSON, nullable=False),
        sa.Column("live_version", sa.Integer),
        sa.Column("published_version", sa.Integer),
        sa.Column("published_tasks", sa.Integer, nullable=False),
        sa.Column("bell_first_at", sa.Double),
        sa.Column("bell_last_at", sa.Double),
        sa.Column("training_requested", sa.Boolean, nullable=False),
        sa.Column("lease_owner", sa.String),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("status_at", sa.Double, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("config_hash", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("learned_from", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
    )
