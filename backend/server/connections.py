"""HTTP connections of the server, bounded: in number, and in the time that a client may take to send a request's head.

uvicorn bounds neither: a client without credentials could keep half-sent requests open until the process has no descriptor left
for anybody else.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BoundedConnection", "bounded_connection"]

log = logging.getLogger("galaxyloop.connections")

HEAD_TIMEOUT_S = 10.0
"""Longest time from a connection, or from the end of a request on it, to the end of the next request's head."""
SHARE_OF_DESCRIPTORS = 0.5
"""The rest is for files, the database and the connections that the process opens itself."""


class BoundedConnection(H11Protocol):
    """One connection; it ends by itself where its client does not finish what it begins.

    Attributes
    ----------
    most : int
        Connections at the same time; one more is closed at once.
    head_timeout_s : float
        Seconds for the head of a request.
    """

    most: int
    head_timeout_s: float
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            log.warning("event=too_many_connections most=%d", self.most)
            transport.close()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Read on; once a request's head is there, its time does not count any more."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        else:
            self._forget()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def bounded_connection(**limits: Any) -> type[BoundedConnection]:
    """Make the class of connections that `uvicorn.run(http=...)` takes.

    Parameters
    ----------
    **limits
        `most` and `head_timeout_s`, where the usual ones do not do: half of the descriptors that the process may open, and ten
        seconds.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    usual = {"most": max(16, int(SHARE_OF_DESCRIPTORS * min(descriptors, 65536))), "head_timeout_s": HEAD_TIMEOUT_S}
    return type("Connection", (BoundedConnection,), usual | limits)
