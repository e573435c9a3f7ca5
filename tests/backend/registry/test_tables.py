"""The database: created if missing, migrated, and opened by several processes at the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, func, insert, inspect, select

import backend
from backend.jobs.pending import EventTimes, PendingEvents
from backend.registry.database import open_database
from backend.registry.store import Registry
from backend.registry.tables import Base, ProjectRow

pytestmark = pytest.mark.databases

ROUNDS = 8
OPEN_TOGETHER = """
import sys
from pathlib import Path
from backend.registry.database import open_database
folder, me, other, *urls = Path(sys.argv[1]), *sys.argv[2:]
for turn, url in enumerate(urls):
    (folder / f"{me}-{turn}").touch()
    while not (folder / f"{other}-{turn}").exists(): pass
    open_database(url)
"""


@pytest.fixture
def url(database: str, tmp_path: Path) -> str:
    """Return the URL of a database that is missing or empty."""
    return database or f"sqlite:///{tmp_path}/deep/down/galaxyloop.db"


@contextmanager
def database_of_revision(url: str, revision: str) -> Iterator[Connection]:
    """Create a database as an earlier release did."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(Path(backend.__file__).parent / "registry" / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()


def test_opening_creates_the_folder_and_the_tables(url: str) -> None:
    engine = open_database(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}


def test_the_migrations_create_the_declared_tables(url: str) -> None:
    with open_database(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_keeps_the_rows(url: str) -> None:
    with open_database(url).begin() as connection:
        connection.execute(insert(ProjectRow).values(id=7, label_config="<View/>"))
    with open_database(url).connect() as connection:
        assert connection.execute(select(ProjectRow.id)).scalar() == 7


def test_migrations_keep_the_versions_of_a_database_of_the_first_release(url: str, tmp_path: Path) -> None:
    with database_of_revision(url, "0001") as connection:
        connection.exec_driver_sql("INSERT INTO projects VALUES (7, '<View/>', '{}', 1, 1, 0, 0, 0, false, NULL, 0, '', 0)")
        connection.exec_driver_sql("INSERT INTO versions VALUES (7, 1, 0, 'c', '', 0, 'base', '{\"reason\": \"shipped\"}')")
    registry = Registry(open_database(url), folder=tmp_path)
    (version,) = registry.versions(7)
    assert (version.name, version.evidence, version.effort) == ("v0001", {"reason": "shipped"}, {})


def test_versions_without_a_tag_keep_their_names_after_the_migration(url: str, tmp_path: Path) -> None:
    with database_of_revision(url, "0002") as connection:
        for project, live in ((7, 12), (8, 1)):
            connection.exec_driver_sql(
                f"INSERT INTO projects VALUES ({project}, '<View/>', '{{}}', {live}, {live}, 40, 0, 0, false, NULL, 0, '', 0)"
            )
            for number in {1, live}:
                connection.exec_driver_sql(
                    f"INSERT INTO versions VALUES ({project}, {number}, 0, 'c', 'f', 9, 'live', '{{}}', '{{}}')"
                )
    registry = Registry(open_database(url), folder=tmp_path)
    assert registry.project(7).live_name == registry.version_named(7, "12").name == "v0012"
    assert (registry.project(7).published_version, registry.project(7).published_tasks) == (12, 40)
    with registry.create_version(7, label_config="<View/>", fingerprint="g", learned_from=10) as (folder, number):
        (folder / "heads.json").write_text("{}")
    assert registry.version(7, number).name.startswith("v0013-")
    tags = set()
    for project in (7, 8):
        with registry.create_version(project, label_config="<View/>", fingerprint="h", learned_from=10) as (folder, number):
            (folder / "heads.json").write_text("{}")
        tags.add(registry.version(project, number).name.partition("-")[2])
    assert len(tags) == 2


def test_pending_events_are_kept_by_the_migration(url: str) -> None:
    with database_of_revision(url, "0007") as connection:
        for project, times in ((7, "1.5, 2.5"), (8, "NULL, NULL")):
            connection.exec_driver_sql(
                "INSERT INTO projects (id, label_config, extra_params, version_tag, published_tasks, training_requested, "
                "lease_until, status, status_at, bell_first_at, bell_last_at) "
                f"VALUES ({project}, '<View/>', '{{}}', 'abc123', 0, false, 0, '', 0, {times})"
            )
    assert PendingEvents(open_database(url)).pending() == {7: EventTimes(1.5, 2.5)}


def test_a_training_request_is_kept_by_the_migration(url: str) -> None:
    with database_of_revision(url, "0012") as connection:
        for project, is_requested in ((7, "true"), (8, "false")):
            connection.exec_driver_sql(
                "INSERT INTO projects (id, label_config, extra_params, version_tag, published_tasks, training_requested, "
                f"lease_until, status, status_at) VALUES ({project}, '<View/>', '{{}}', 'abc123', 0, {is_requested}, 0, '', 0)"
            )
            connection.exec_driver_sql(
                "INSERT INTO versions (project_id, number, name, created_at, config_hash, fingerprint, learned_from, verdict, "
                f"evidence) VALUES ({project}, 1, 'v0001', 0, 'c', 'f', 0, 'base', '{{}}')"
            )
    registry = Registry(open_database(url), folder=Path())
    assert registry.project(7).training_requested_at == 1.0
    assert registry.project(8).training_requested_at is None


def test_readers_do_not_wait_for_a_writer(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as writer, engine.connect() as reader:
        writer.execute(insert(ProjectRow).values(id=7, label_config="<View/>"))
        assert reader.execute(select(func.count()).select_from(ProjectRow)).scalar() == 0


@pytest.mark.slow
def test_a_kill_during_the_migrations_leaves_no_table(url: str) -> None:
    script = f"""
import os
from sqlalchemy import event
from sqlalchemy.engine import Engine
from backend.registry.database import open_database

@event.listens_for(Engine, "before_cursor_execute")
def die(connection, cursor, statement, *rest):
    if "CREATE TABLE versions" in statement:
        os.kill(os.getpid(), 9)

open_database({url!r})
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode == -9
    assert "versions" in inspect(open_database(url)).get_table_names()


@pytest.mark.slow
def test_two_processes_can_open_a_new_database_at_the_same_time(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: Any = request.getfixturevalue("postgresql") if database else None
    urls = [server.new_database() if server else f"sqlite:///{tmp_path}/{turn}.db" for turn in range(ROUNDS)]
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN_TOGETHER, tmp_path, *names, *urls], stderr=subprocess.PIPE, text=True)
        for names in ("ab", "ba")
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
