"""`galaxyloop check`, and the error message of a command if database, queue or data folder cannot be used."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.cli.commands import serve
from backend.jobs.heartbeat import Heartbeat
from backend.registry.database import open_database
from backend.registry.tables import ProcessRow
from backend.settings import Settings

NO_DATABASE = "postgresql://galaxyloop@127.0.0.1:1/galaxyloop"
NO_QUEUE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def run_rejected(*words: str, code: int = 1) -> str:
    """Run a command that must fail with one sentence; return it."""
    result = run(*words)
    assert result.exit_code == code, result.output
    return next(line for line in result.stderr.splitlines() if line.startswith("galaxyloop: "))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = open_database(Settings().database)
    yield engine
    engine.dispose()


def test_check_fails_if_no_process_runs(engine: Engine) -> None:
    result = run("check")
    assert result.stdout == "database, queue and data folder can be used\n"
    assert run_rejected("check") == (
        "galaxyloop: the server does not run, and none has run before: start galaxyloop server; "
        "the worker does not run, and none has run before: start galaxyloop worker"
    )


def test_check_passes_while_server_and_worker_run(engine: Engine) -> None:
    with Heartbeat(engine, "server").run(), Heartbeat(engine, "worker").run() as worker:
        assert run("check").exit_code == 0
        with worker.record_work(7):
            assert "worker has worked on project 7 since" in run("check").stdout
    assert f"the worker does not run: process {os.getpid()} on {socket.gethostname()} ended" in run_rejected("check")


def test_check_worker_requires_a_worker_on_this_machine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Heartbeat(engine, "worker").run():
        assert run("check", "--worker").exit_code == 0
    assert "no worker on this machine is alive: ended" in run_rejected("check", "--worker")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "elsewhere")
        elsewhere = Heartbeat(engine, "worker").run()
        elsewhere.__enter__()
    assert "no worker on this machine is alive: none has run" in run_rejected("check", "--worker")
    elsewhere.__exit__(None, None, None)


def test_a_stuck_worker_is_not_alive(engine: Engine) -> None:
    with Heartbeat(engine, "worker", every_s=3600).run():
        with engine.begin() as connection:
            connection.execute(update(ProcessRow).values(turned_at=ProcessRow.turned_at - 1000))
        assert "no worker on this machine is alive: stuck" in run_rejected("check", "--worker")
        assert "hangs: process" in run_rejected("check")


def test_check_passes_with_postgresql_and_redis(postgresql: Any, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATABASE_URL", postgresql.emptied_database())
    monkeypatch.setenv("GALAXYLOOP_QUEUE_URL", redis.url)
    assert run("check").stdout == "database, queue and data folder can be used\n"


def test_an_unreachable_queue_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_QUEUE_URL", NO_QUEUE)
    assert "the queue cannot be used" in run_rejected("check")


@pytest.mark.parametrize("words", [["check"], ["status"], ["versions", "7"], ["project", "attach", "7"]])
def test_an_unreachable_database_is_named_without_delay(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATABASE_URL", NO_DATABASE)
    assert "the database galaxyloop at 127.0.0.1:1 cannot be used" in run_rejected(*words)


@pytest.mark.parametrize("words", [["check"], ["status"]])
def test_a_data_folder_that_cannot_be_created_is_named(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert f"the data folder {tmp_path / 'data'} cannot be used" in run_rejected(*words)


@pytest.mark.parametrize("name", ["GALAXYLOOP_DATABASE_URL", "GALAXYLOOP_QUEUE_URL"])
@pytest.mark.parametrize(("command", "code"), [("check", 1), ("status", 2)])
def test_an_invalid_url_is_named(engine: Engine, command: str, code: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "nonsense")
    assert name in run_rejected(command, code=code)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["server", "worker"])
def test_server_and_worker_wait_for_the_database_before_they_fail(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATABASE_URL", NO_DATABASE)
    monkeypatch.setattr(serve, "DATABASE_PATIENCE_S", 0.1)
    assert "cannot be used" in run_rejected(command)


def test_an_unreadable_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "galaxyloop_webhook_secret"
    secret.write_text("hush")

    def refuse(file: Path, **_: Any) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setenv("GALAXYLOOP_SECRETS_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "read_text", refuse)
    assert run_rejected("check", code=2) == f"galaxyloop: the secrets cannot be read: [Errno 13] Permission denied: '{secret}'"
