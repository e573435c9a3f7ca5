"""What annotators did with predictions: of each annotation, and the sums with each version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("versions", sa.Column("effort", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "efforts",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("annotation_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("updated_at", sa.String, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("effort", sa.JSON, nullable=False),
    )
