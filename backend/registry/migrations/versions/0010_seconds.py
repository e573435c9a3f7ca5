"""The time that annotators spent on each annotation, next to its effort."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("efforts", sa.Column("seconds", sa.Double, nullable=True))
