"""The demo's child processes, which it starts, restarts after a crash, and stops at its end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from backend.settings import Settings

__all__ = ["Child", "create_children", "port_is_free"]

PATIENCE_S = 10.0
"""Time from SIGTERM to SIGKILL, seconds."""


class Child:
    """A child process that can be restarted.

    Parameters
    ----------
    name : str
        Name in messages, and of the log file.
    command : list of str
        Program and arguments.
    environment : dict
        Variables that are added to this process's environment.
    logs : Path
        Folder of the log files.
    """

    def __init__(self, name: str, command: list[str], *, environment: dict[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process in a new session, so that Ctrl-C interrupts only the demo, which then stops its children."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    def stop(self) -> None:
        """Send SIGTERM, and after `PATIENCE_S` SIGKILL to the process and its children."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        with contextlib.suppress(ProcessLookupError):  # the process and its children
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_lines(self, count: int = 5) -> str:
        """Return the last `count` lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except FileNotFoundError:
            return ""


def create_children(settings: Settings, logs: Path) -> tuple[Child, ...]:
    """Return the server and the worker of galaxyloop with these settings, not started."""
    environment = {
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        "GALAXYLOOP_DATA_DIR": str(settings.data_dir),
        "GALAXYLOOP_PORT": str(settings.port),
        "GALAXYLOOP_BASIC_AUTH_PASSWORD": settings.basic_auth_password.get_secret_value(),
        "GALAXYLOOP_WEBHOOK_SECRET": settings.webhook_secret.get_secret_value(),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "backend.cli"]
    return tuple(Child(name, [*command, name], environment=environment, logs=logs) for name in ("server", "worker"))


def port_is_free(port: int) -> bool:
    """Return whether a process can listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
