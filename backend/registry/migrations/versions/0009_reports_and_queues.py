"""Reports of projects, the order of their queues, and pinned versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("content", sa.String, nullable=False),
    )
    op.create_table(
        "queues",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("front", sa.JSON, nullable=False),
    )
    op.add_column("projects", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
