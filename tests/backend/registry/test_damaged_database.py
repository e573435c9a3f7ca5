"""A registry or queue that is damaged, full or of another release: one sentence with the file and the remedy, no traceback."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from typer.testing import CliRunner

from backend.cli.app import app
from backend.jobs.queue import JobQueue
from backend.jobs.queue_file import QueueUnavailable
from backend.registry.connection import DatabaseUnavailable
from backend.registry.database import check_tables, open_database

JUNK = b"this is no database, whatever its name says" * 400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a registry with all of its tables."""
    open_database(f"sqlite:///{tmp_path}/galaxyloop.db").dispose()
    return tmp_path / "galaxyloop.db"


def test_a_file_that_is_not_a_database_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "galaxyloop.db").write_bytes(JUNK)
    with pytest.raises(DatabaseUnavailable, match=r"galaxyloop\.db cannot be used: file is not a database; restore it"):
        open_database(f"sqlite:///{tmp_path}/galaxyloop.db")


def test_the_check_detects_damaged_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 * 2 :] = b"\x7f" * (len(content) - 4096 * 2)
    file.write_bytes(content)
    with pytest.raises(DatabaseUnavailable, match=r"galaxyloop\.db (is damaged|cannot be used)"):
        check_tables(open_database(f"sqlite:///{file}"))


def test_the_check_detects_a_missing_table(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE versions")
    engine = open_database(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnavailable, match="no such table: versions"):
        check_tables(engine)


def test_a_database_of_a_newer_galaxyloop_is_rejected(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnavailable, match="a newer galaxyloop wrote the database"):
        open_database(f"sqlite:///{file}")


def test_a_full_disk_is_reported_in_one_sentence(tmp_path: Path) -> None:
    """SQLite reports a file that must not grow as a full disk."""

    def limit_pages(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA max_page_count=2")

    event.listen(Engine, "connect", limit_pages)
    try:
        with pytest.raises(DatabaseUnavailable, match=r"galaxyloop\.db cannot be used: database or disk is full$"):
            open_database(f"sqlite:///{tmp_path}/galaxyloop.db")
    finally:
        event.remove(Engine, "connect", limit_pages)


@pytest.mark.parametrize("command", [["status"], ["check"], ["versions", "7"], ["worker"], ["server"], ["doctor"]])
@pytest.mark.parametrize("damage", ["galaxyloop.db", "queue.db"])
def test_every_command_reports_a_damaged_database_in_one_sentence(command: list[str], damage: str, file: Path) -> None:
    tmp_path = file.parent
    (tmp_path / damage).write_bytes(JUNK)
    environment = {"GALAXYLOOP_DATA_DIR": str(tmp_path), "COLUMNS": "400"}
    result = CliRunner().invoke(app, command, env=environment)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert f"{tmp_path / damage} cannot be used: file is not a database" in result.output


def test_damage_of_the_queue_during_use_loses_no_event(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.db")
    queue.schedule(7, delay_s=60)
    queue._huey.storage.close()
    for file in tmp_path.glob("queue.db*"):
        file.write_bytes(JUNK)
    with pytest.raises(QueueUnavailable, match="cannot be used"):
        queue.schedule(7, delay_s=0)
