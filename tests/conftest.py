"""Servers for the tests: PostgreSQL and Redis as processes with their own folders, a Ray cluster, S3."""

from __future__ import annotations

import contextlib
import gc
import getpass
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine, make_url
from typer.main import get_command

from tests.installed_wheel import install_wheel

# No deadline and no check of durations: several processes of tests run at the same time, so they depend on the load.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("galaxyloop", **PATIENT)
hypothesis.settings.register_profile("fast", max_examples=15, **PATIENT)  # of make test-fast
hypothesis.settings.load_profile("galaxyloop")


# rich fixes the width of a console that is created while COLUMNS is set, and typer that of its help at the first help while
# TERMINAL_WIDTH is set. Tests set COLUMNS themselves. pytest imports readline, which sets COLUMNS=80 and LINES=24 for all child
# processes, such as the workers of pytest-xdist. Before the commands are imported by another conftest.py:
for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
    os.environ.pop(name, None)
import_module("backend.cli.terminal")
import_module("typer.rich_utils")

# Modules and tests are not garbage: without their scans the collection takes a fifth less time.
gc.disable()


def pytest_collection_finish() -> None:
    """Exclude modules and tests from the scans of the garbage collector."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _build_command_line_once() -> Iterator[None]:
    """Keep the commands that typer builds for each call: 12 ms, in hundreds of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


SERVICES = {"postgresql", "redis", "ray_cluster", "s3"}
HOST = "127.0.0.1"
DEADLINE_S = 60.0
POSTGRES_BINARIES = "/usr/lib/postgresql/*/bin"
"""Debian installs them outside the search path, with one folder per version."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a service: by a fixture, or by a parameter that names one."""
    for item in items:
        if isinstance(item, pytest.Function):
            values = {str(value) for value in item.callspec.params.values()} if hasattr(item, "callspec") else set()
            if SERVICES & {*item.fixturenames, *values}:
                item.add_marker("services")


class Server:
    """A process that listens on a port and has its files in a folder; it can be stopped and restarted.

    Parameters
    ----------
    user : str
        User of the process if the tests run as root, because PostgreSQL refuses root.
    """

    stop_by = signal.SIGTERM
    end_by = signal.SIGKILL

    def __init__(self, *, user: str) -> None:
        self.user = user if os.geteuid() == 0 else getpass.getuser()
        # Not in pytest's own folder, which other users cannot enter.
        self.folder = Path(tempfile.mkdtemp(prefix="galaxyloop-test-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, **self._as_user())
        deadline = time.monotonic() + DEADLINE_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, f"{self.command()[0]} does not answer"
            time.sleep(0.05)

    def stop(self, *, by: signal.Signals | None = None) -> None:
        if self._process is not None:
            self._process.send_signal(by or self.stop_by)
            self._process.wait(DEADLINE_S)
            self._process = None

    def remove(self) -> None:
        self.stop(by=self.end_by)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self) -> dict[str, Any]:
        us: dict[str, Any] = {"cwd": self.folder, "start_new_session": True}
        if os.geteuid() != 0:
            return us
        person = pwd.getpwnam(self.user)
        return us | {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}


class PostgreSQL(Server):
    """An empty PostgreSQL; its user `postgres` needs the password."""

    stop_by = signal.SIGINT  # does not wait for clients
    end_by = signal.SIGQUIT  # does not write its files either
    password = "postgres-for-tests"

    def __init__(self, binaries: Path) -> None:
        super().__init__(user="postgres")
        self._binaries = binaries
        self._numbers = itertools.count()
        self._shared_url: str | None = None
        password = self.folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)
        make: list[str | Path] = [binaries / "initdb", "--pgdata", self.folder / "data", "--username", "postgres"]
        make += ["--auth", "scram-sha-256", "--pwfile", password, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, **self._as_user())

    def command(self) -> Sequence[str | Path]:
        settings = [f"unix_socket_directories={self.folder}", f"listen_addresses={HOST}", "fsync=off", "max_connections=200"]
        flags = [part for setting in settings for part in ("-c", setting)]
        return [self._binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port), *flags]

    def answers(self) -> bool:
        command: list[str | Path] = [self._binaries / "pg_isready", "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables of PostgreSQL's client programs."""
        return {"PGHOST": HOST, "PGPORT": str(self.port), "PGPASSWORD": self.password, "POSTGRES_USER": "postgres"}

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres:{self.password}@{HOST}:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._run("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def emptied_database(self) -> str:
        """Empty the database that tests share, in a tenth of the time of a new one; return its URL."""
        if self._shared_url is None:
            self._shared_url = self.new_database()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        self._run(
            str(make_url(self._shared_url).database),
            f"{others} AND pid <> pg_backend_pid()",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
        )
        return self._shared_url

    def _run(self, database: str, *statements: str) -> None:
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


class RedisServer(Server):
    """Redis as compose runs it, without files on disk."""

    def __init__(self) -> None:
        super().__init__(user="nobody")

    def command(self) -> Sequence[str | Path]:
        return ["redis-server", "--bind", HOST, "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.client.ping())
        return False

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def client(self) -> Redis:
        return Redis.from_url(self.url)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Run PostgreSQL for the session; a test that stops it restarts it."""
    newest = max(Path("/").glob(f"{POSTGRES_BINARIES[1:]}/initdb"), default=None)
    program = newest or (Path(which) if (which := shutil.which("initdb")) else None)
    if program is None:
        _missing("no PostgreSQL: apt-get install postgresql")
    yield from _running(PostgreSQL(program.parent))


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """Run Redis for the session; a test that stops it restarts it."""
    if shutil.which("redis-server") is None:
        _missing("no Redis: apt-get install redis-server")
    yield from _running(RedisServer())


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """Run a Ray cluster of two cores, connected to this process; yield its address."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield str(ray.get_runtime_context().gcs_address)
    finally:
        ray.shutdown()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of moto's S3 with the bucket `sky`."""
    moto = pytest.importorskip("moto", reason="no moto: install moto[server] and boto3")
    boto3 = pytest.importorskip("boto3", reason="no boto3: install galaxyloop[s3]")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="sky")
        yield client


@pytest.fixture(scope="session")
def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of a virtual environment with the wheel of this working copy."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))


def _running(server: Any) -> Iterator[Any]:
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _missing(what: str) -> NoReturn:
    """Skip the test, or fail in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
