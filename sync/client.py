"""The connection to Label Studio: one client that authenticates, waits, retries, and explains what went wrong."""

from __future__ import annotations

from typing import Any

__all__ = ["LabelStudioClient", "LabelStudioError", "LabelStudioUnavailable"]


class LabelStudioError(RuntimeError):
    """Label Studio refused a request; the message is one sentence and holds no token."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class LabelStudioUnavailable(LabelStudioError):
    """Label Studio cannot be reached now (refused, timed out, or 5xx after all retries): wait and try again."""


class LabelStudioClient:
    """Authenticated access to one Label Studio: `LabelStudioClient(url, api_key)`; a context manager; thread-safe."""

    url: str

    def __init__(self, url: str, api_key: str, *, timeout_s: float = 60.0, patience_s: float = 15.0) -> None: ...

    def authorization(self) -> str:
        """Return ``"Bearer <access token>"``, refreshed when it is about to expire (or ``"Token …"`` for a legacy key)."""
        raise NotImplementedError

    def get(self, path: str, **params: Any) -> Any:
        """GET `path` and return its JSON."""
        raise NotImplementedError

    def send(self, method: str, path: str, *, json: Any = None, repeatable: bool = False) -> Any:
        """Send a change; retried after 5xx only if `repeatable`."""
        raise NotImplementedError
