"""Which processes run, and which projects are away: deleted in Label Studio, or detached."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("turned_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("project_id", sa.Integer),
        sa.Column("working_since", sa.Double),
    )
    op.add_column("projects", sa.Column("origin", sa.String, nullable=False, server_default=""))
    op.add_column("projects", sa.Column("away", sa.String, nullable=False, server_default=""))
    op.add_column("projects", sa.Column("away_since", sa.Double, nullable=False, server_default="0"))
