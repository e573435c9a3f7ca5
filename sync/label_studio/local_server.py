"""Runs Label Studio as a child process, for `galaxyloop demo` and the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

__all__ = ["LabelStudioServer", "StudioError"]

HOST = "127.0.0.1"
POLL_S = 0.25
STOP_S = 10.0
LOG_LINES = 15
DATABASE = "label_studio.sqlite3"


class StudioError(RuntimeError):
    """Label Studio did not start; the message has the reason and, if there is a log, its last lines."""


class LabelStudioServer:
    """A Label Studio server on the loopback interface with SQLite; a context manager that stops the server at its end.

    The first start takes 30-45 s, mostly for creating the database; later ones take 5-8 s.

    Parameters
    ----------
    executable : Path
        ``label-studio`` in its own virtual environment (its dependencies conflict with those of this package).
    data_dir : Path
        Folder of its database, uploads and log; created if missing.
    port : int
    user, password : str
        Account that the first start creates; `user` is an e-mail address.
    local_files : Path, optional
        Document root of local storages; None disables serving of local files.
    """

    def __init__(
        self, executable: Path, data_dir: Path, *, port: int, user: str, password: str, local_files: Path | None = None
    ) -> None:
        self.executable = executable
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._own = {"LABEL_STUDIO_USERNAME": user, "LABEL_STUDIO_PASSWORD": password}
        if local_files is not None:
            self._own["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] = "true"
            self._own["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] = str(local_files.absolute())
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        """File with the output of Label Studio."""
        return self.data_dir / "label-studio.log"

    @property
    def fresh(self) -> bool:
        """Whether there is no database yet, so that the start takes longer."""
        return not (self.data_dir / DATABASE).exists()

    def start(self) -> None:
        """Start the process; call `wait` afterwards.

        Raises
        ------
        StudioError
            If the port is taken or the executable is missing.
        OSError
            If the data directory cannot be written.
        """
        if not self.executable.is_file():
            raise StudioError(f"{self.executable} does not exist: make test and make demo install Label Studio")
        _check_port(self.port)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        command = [str(self.executable), "start", "--no-browser", "--internal-host", HOST, "--port", str(self.port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,  # otherwise it waits for input
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(os.environ, data_dir=self.data_dir.resolve(), url=self.url) | self._own,
                start_new_session=True,  # its own process group, which `stop` ends
            )

    def wait(self, *, timeout_s: float = 600.0, progress: Callable[[float], None] | None = None) -> None:
        """Wait until Label Studio responds.

        Parameters
        ----------
        timeout_s : float
            Longest wait, seconds.
        progress : callable, optional
            Called several times a second with the seconds waited.

        Raises
        ------
        StudioError
            If the process has ended, or does not respond in time.
        """
        began = time.monotonic()
        while not self._healthy():
            waited_s = time.monotonic() - began
            if not self.running:
                raise StudioError(f"Label Studio exited before it responded; its log {self.log} ends:\n{self._log_tail()}")
            if waited_s > timeout_s:
                tail = self._log_tail()
                late = f"Label Studio did not respond within {timeout_s:.0f} s: try again, a new start continues"
                raise StudioError(f"{late}; its log {self.log} ends:\n{tail}")
            if progress is not None:
                progress(waited_s)
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop the process group, with all processes that Label Studio started; do nothing if it is not running."""
        process = self._process
        if process is None:
            return
        for demand in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, demand)
                process.wait(timeout=STOP_S)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
            break
        process.wait()
        self._process = None

    def _healthy(self) -> bool:
        """Return whether Label Studio responds; proxies of the environment are not used, since they cannot reach loopback."""
        try:
            return httpx.get(f"{self.url}/health", timeout=2.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _log_tail(self) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _environment(parent_environment: Mapping[str, str], *, data_dir: Path, url: str) -> dict[str, str]:
    """Return Label Studio's environment: the parent's without variables that affect it, and settings for the backend."""
    prefixes = ("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")
    environment = {name: value for name, value in parent_environment.items() if not name.startswith(prefixes)}
    return environment | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir),
        "LABEL_STUDIO_HOST": url,
        "DJANGO_DB": "sqlite",
        "PYTHONUNBUFFERED": "1",
        # Both are needed for requests and events to a backend on this machine.
        "LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false",
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false",
        # Label Studio validates imported predictions.
        "fflag_feat_utc_210_prediction_validation_15082025": "true",
        # Usage statistics and the check for newer versions are off.
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


def _check_port(port: int) -> None:
    """Raise StudioError if `port` is taken; Label Studio would silently use the next one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StudioError(f"port {port} is in use: stop the program that listens on it, or choose another") from error
