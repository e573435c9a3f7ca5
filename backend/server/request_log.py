"""The log of requests: slow ones at the level INFO, all of them at DEBUG, with status and seconds."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestLog"]

log = logging.getLogger("galaxyloop.requests")

SLOW_S = 5.0
"""Requests that take longer are logged at INFO; a click usually takes a tenth of a second."""


class RequestLog:
    """ASGI middleware that logs each request when its answer is sent. Queries are not logged: they may contain secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            seconds = time.perf_counter() - started_at
            level = logging.INFO if seconds > SLOW_S else logging.DEBUG
            if log.isEnabledFor(level):
                log.log(
                    level,
                    "event=request method=%s path=%r status=%d seconds=%.3f",
                    scope["method"],
                    scope["path"],
                    status,
                    seconds,
                )
