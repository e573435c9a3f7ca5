"""The encoder that a user has chosen for a project, and the one that the heads of a version were trained on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("projects", sa.Column("encoder", sa.String, nullable=False, server_default=""))
    op.add_column("versions", sa.Column("encoder", sa.String, nullable=False, server_default=""))
