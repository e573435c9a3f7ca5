"""Detects that a client has disconnected, so that the computation of its request stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

__all__ = ["watch_client"]

POLL_EVERY_S = 0.5


@asynccontextmanager
async def watch_client(request: Request) -> AsyncIterator[threading.Event]:
    """Poll the connection of a request while the block runs; the body must have been read before.

    Yields
    ------
    threading.Event
        Set once the client has disconnected.
    """
    disconnection = threading.Event()

    async def poll() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(POLL_EVERY_S)
        disconnection.set()

    task = asyncio.create_task(poll())
    try:
        yield disconnection
    finally:
        task.cancel()
