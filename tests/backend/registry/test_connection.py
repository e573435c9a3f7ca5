"""The connection to the database: error messages, waiting for its start, and reconnection after a restart."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from backend.jobs.lease import hold_lease
from backend.registry.connection import DatabaseUnavailable, connect, read_clock, wait_for
from backend.registry.database import open_database
from backend.services import Services


@pytest.fixture
def unreachable_url() -> str:
    """Return the URL of a PostgreSQL that is not running."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://galaxyloop@127.0.0.1:{probe.getsockname()[1]}/galaxyloop"


def test_the_password_can_be_separate_from_the_url(postgresql: Any) -> None:
    url = postgresql.emptied_database().replace(f":{postgresql.password}@", "@")
    wait_for(connect(url, password=postgresql.password), patience_s=0)


def test_a_postgresql_url_uses_the_installed_driver() -> None:
    assert connect("postgresql://galaxyloop@postgres/galaxyloop").driver == "psycopg"


def test_a_wrong_password_is_reported_without_the_password(postgresql: Any) -> None:
    url = postgresql.url("postgres").replace(postgresql.password, "guessed")
    with pytest.raises(
        DatabaseUnavailable, match=r"the database postgres at 127.0.0.1:\d+ cannot be used: .*password"
    ) as error:
        open_database(url)
    assert "guessed" not in str(error.value)


def test_a_missing_database_is_named_with_the_reason(unreachable_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"the database galaxyloop at 127.0.0.1:\d+ cannot be used: .*refused"):
        open_database(unreachable_url)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "galaxyloop.db").mkdir()
    with pytest.raises(DatabaseUnavailable, match=r"galaxyloop.db cannot be used: unable to open"):
        open_database(f"sqlite:///{tmp_path}/galaxyloop.db")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://root@db/galaxyloop", "must be a sqlite or postgresql URL, not mysql"),
        ("postgres", "is not a URL such as postgresql://"),
        ("", "is not a URL such as postgresql://"),
    ],
)
def test_other_kinds_of_databases_are_rejected(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        connect(url)


def test_an_old_sqlite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    with pytest.raises(ValueError, match=r"and 3\.35 is needed: use a newer Python, or name a PostgreSQL database"):
        connect("sqlite://")


def test_a_missing_driver_is_named_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.registry.connection.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs psycopg: pip install 'galaxyloop\[services\]'"):
        connect("postgresql://galaxyloop@postgres/galaxyloop")


def test_a_starting_database_is_awaited(postgresql: Any, caplog: pytest.LogCaptureFixture) -> None:
    url = postgresql.emptied_database()
    postgresql.stop()
    later = threading.Timer(1.0, postgresql.start)
    later.start()
    with caplog.at_level(logging.WARNING, "galaxyloop.database"):
        engine = open_database(url, patience_s=60)
    later.join()
    with engine.connect():
        assert "event=waiting_for_database" in caplog.text


def test_the_next_query_after_a_database_restart_succeeds(postgresql: Any) -> None:
    engine = open_database(postgresql.emptied_database())
    with Session(engine) as session:
        before = read_clock(session)
    postgresql.stop()
    postgresql.start()
    with Session(engine) as session:
        assert read_clock(session) > before


def test_the_time_is_read_from_the_database(postgresql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, now = connect(postgresql.emptied_database()), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    with Session(engine) as session:
        assert read_clock(session) == pytest.approx(now, abs=30)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_with_a_wrong_clock_takes_over_no_project(
    postgresql: Any, open_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    services, now = open_services(database_url=postgresql.emptied_database()), time.time()
    services.registry.register_project(1, label_config="<View/>", extra_params=None)
    with hold_lease(services.engine, 1, seconds=60) as lease:
        monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
        assert lease is not None
        with hold_lease(services.engine, 1, seconds=60) as other:
            assert other is None
    with hold_lease(services.engine, 1, seconds=60) as after:
        assert after is not None
