"""The time of a request to train, in place of a mark, so that a cycle clears only a request that it has handled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

REQUESTED_EARLIER = 1.0
"""Time of a request that an earlier version stored without one, Unix seconds."""


def upgrade() -> None:
    op.add_column("projects", sa.Column("training_requested_at", sa.Double, nullable=True))
    projects = sa.table("projects", sa.column("training_requested", sa.Boolean), sa.column("training_requested_at", sa.Double))
    op.execute(projects.update().where(projects.c.training_requested.is_(True)).values(training_requested_at=REQUESTED_EARLIER))
    op.execute("ALTER TABLE projects DROP COLUMN training_requested")  # plain SQL: Alembic would copy the table of SQLite
