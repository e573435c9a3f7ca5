"""Alembic's entry point: runs the migrations on the connection that `open_database` passes."""

from __future__ import annotations

from alembic import context

from backend.registry.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
