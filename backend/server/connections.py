"""HTTP connections of the server with limits on their number, and on the size and time of heads and trailers of requests.

uvicorn has none of these limits: a client without credentials could keep half-sent requests open until the process has no file
descriptor left. The parser is httptools, which takes a fifth less CPU per webhook than h11.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection", "bounded_connection"]

log = logging.getLogger("galaxyloop.connections")

HEAD_TIMEOUT_S = 10.0
"""Longest time from the opening of a connection, or from its last response, to the end of the next request's head. The rest of
a body that the server has answered without reading it has to arrive in this time, too."""
MAX_HEAD_BYTES = 65_536
"""Largest size of a head, and of what follows a body in chunks: uvicorn keeps such trailers in memory."""
SHARE_OF_DESCRIPTORS = 0.5
"""Share of the file descriptors for clients; the rest is for files, the database and outgoing connections."""


class BoundedConnection(HttpToolsProtocol):
    """One connection, which the server closes if its client does not finish a request.

    Attributes
    ----------
    most : int
        Largest number of simultaneous connections; a further one is closed immediately.
    head_timeout_s : float
        Longest time for the head of a request, seconds.
    """

    most: int
    head_timeout_s: float
    _timer: asyncio.TimerHandle | None = None
    _reads_head = True
    _has_advanced = False
    _unfinished_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accept a connection unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            log.warning("event=too_many_connections most=%d", self.most)
            transport.close()
            return
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes; reject a head, and close after trailers, that are too long."""
        self._has_advanced = False
        super().data_received(data)
        # If a head has ended or a body has advanced in these bytes, only the last of them can belong to a head or a trailer.
        self._unfinished_bytes = 0 if self._has_advanced else self._unfinished_bytes + len(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self._reads_head:
                self.send_400_response("The head of the request is too long.")
            else:
                self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Record that the body has advanced."""
        super().on_body(body)
        self._has_advanced = True

    def on_headers_complete(self) -> None:
        """Stop the timer of the head."""
        super().on_headers_complete()
        self._reads_head, self._has_advanced = False, True
        self._stop_timer()

    def on_message_complete(self) -> None:
        """Record that the next bytes are the head of another request."""
        super().on_message_complete()
        self._reads_head = self._has_advanced = True

    def on_response_complete(self) -> None:
        """Start the timer of the next head, unless the server already answers another request."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded_connection(**limits: Any) -> type[BoundedConnection]:
    """Return a class of connections for `uvicorn.run(http=...)`.

    Parameters
    ----------
    **limits
        `most` and `head_timeout_s`; the defaults are half of the file descriptors that the process may open (at least 16
        connections), and ten seconds.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    defaults = {"most": max(16, int(SHARE_OF_DESCRIPTORS * min(descriptors, 65536))), "head_timeout_s": HEAD_TIMEOUT_S}
    return type("Connection", (BoundedConnection,), defaults | limits)
