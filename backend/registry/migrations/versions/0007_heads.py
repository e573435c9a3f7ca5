"""Which version's folder each control's head comes from; of the versions there are, each has its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("versions", sa.Column("heads", sa.JSON, nullable=False, server_default="{}"))
