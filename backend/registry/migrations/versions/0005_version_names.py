"""Names of versions: those that are there keep theirs, `v0007`; new ones carry a random tag of their project besides."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("projects", sa.Column("version_tag", sa.String, nullable=False, server_default=""))
    op.add_column("versions", sa.Column("name", sa.String, nullable=False, server_default=""))
    projects = sa.table("projects", sa.column("id"), sa.column("version_tag"))
    versions = sa.table("versions", sa.column("number"), sa.column("name"))
    connection = op.get_bind()
    for project in connection.scalars(sa.select(projects.c.id)).all():
        tag = projects.update().where(projects.c.id == project).values(version_tag=secrets.token_hex(3))
        connection.execute(tag)
    for number in connection.scalars(sa.select(versions.c.number).distinct()).all():
        connection.execute(versions.update().where(versions.c.number == number).values(name=f"v{number:04d}"))
