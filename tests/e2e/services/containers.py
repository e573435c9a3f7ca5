"""Replacements of Docker on this machine: a container's process, a name with several addresses, and a name service."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import httpx

__all__ = ["Name", "Process", "free_port", "healthy", "write_names"]

NAMES = """
import socket

def asked(name, resolve):
    setattr(socket, name, lambda host, *more, **named: resolve({names}.get(host, host), *more, **named))

asked("getaddrinfo", socket.getaddrinfo)
asked("gethostbyname", socket.gethostbyname)
"""
"""Start-up code of a Python process, which resolves names as Docker's name service does."""


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def write_names(folder: Path, names: dict[str, str]) -> None:
    """Make Python processes with `folder` in their path resolve these names."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NAMES.replace("{names}", repr(names)))


def healthy(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health", timeout=2, trust_env=False).is_success
    return False


class Name:
    """A name with several addresses: a connection goes to the next address that accepts it."""

    def __init__(self, address: tuple[str, int], behind: list[tuple[str, int]]) -> None:
        self._listening = socket.create_server(address)
        self._behind = itertools.cycle(behind)
        self._count = len(behind)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                for _ in range(self._count):
                    with contextlib.suppress(OSError):
                        client = socket.create_connection(next(self._behind))
                        for ends in ((caller, client), (client, caller)):
                            threading.Thread(target=self._bundle_version, args=ends, daemon=True).start()
                        break

    @staticmethod
    def _bundle_version(come: socket.socket, go: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := come.recv(65536):
                go.sendall(content)
            go.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.close()


class Process:
    """A container's process: it has compose's environment only."""

    def __init__(self, name: str, command: list[str | Path], environment: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def read_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
