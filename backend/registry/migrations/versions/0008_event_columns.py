"""Rename the columns of pending events."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # Plain SQL, because Alembic renames a column of SQLite only by copying the table.
    for old, new in (("bell_first_at", "events_first_at"), ("bell_last_at", "events_last_at")):
        op.execute(f"ALTER TABLE projects RENAME COLUMN {old} TO {new}")
