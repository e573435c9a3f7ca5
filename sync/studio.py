"""A Label Studio of our own as a child process: started, waited for, and ended with everything it started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

__all__ = ["LabelStudioServer", "StudioError"]


class StudioError(RuntimeError):
    """Label Studio did not start; the message says why, in one sentence, with the last lines of its log."""


class LabelStudioServer:
    """One Label Studio process on loopback; a context manager that stops it at the end."""

    url: str

    def __init__(self, executable: Path, data_dir: Path, *, port: int, user: str, password: str) -> None: ...

    def start(self) -> None: raise NotImplementedError

    def wait(self, *, timeout_s: float = 300.0, progress: Callable[[float], None] | None = None) -> None: raise NotImplementedError

    def stop(self) -> None: raise NotImplementedError

    @property
    def running(self) -> bool: raise NotImplementedError
