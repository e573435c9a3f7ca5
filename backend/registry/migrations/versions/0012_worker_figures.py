"""Counts and times of the worker's cycles and trainings of each project."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "worker_figures",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("cycles", sa.Integer, nullable=False),
        sa.Column("cycle_seconds", sa.Double, nullable=False),
        sa.Column("failed_cycles", sa.Integer, nullable=False),
        sa.Column("trainings", sa.Integer, nullable=False),
        sa.Column("training_seconds", sa.Double, nullable=False),
        sa.Column("last_training_seconds", sa.Double),
    )
