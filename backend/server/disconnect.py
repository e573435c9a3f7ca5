"""Detects that a client has disconnected, so that its request is not computed any further."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

__all__ = ["watch_client"]

LOOK_EVERY_S = 0.5


@asynccontextmanager
async def watch_client(request: Request) -> AsyncIterator[threading.Event]:
    """Watch a request's client while the block runs; the body must have been read.

    Yields
    ------
    threading.Event
        Set once the client is gone.
    """
    gone = threading.Event()

    async def look() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(LOOK_EVERY_S)
        gone.set()

    looking = asyncio.create_task(look())
    try:
        yield gone
    finally:
        looking.cancel()
