"""The body of a request, with limits on its size, its time of arrival, and the size of all bodies that arrive together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

__all__ = ["BODY_TIMEOUT_S", "ArrivingBodies", "receive_body"]

BODY_TIMEOUT_S = 60.0
"""Longest time for a body to arrive."""
TOO_MANY = "the server is receiving too many large bodies: repeat this request later"


@dataclass(slots=True)
class ArrivingBodies:
    """The bodies that a server is receiving, and those of large events, until they are parsed.

    Attributes
    ----------
    most_bytes : int
        Largest size of all of them together.
    held_bytes : int
        Their size at present.
    """

    most_bytes: int
    held_bytes: int = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Count a body that has arrived and is kept until it is parsed.

        Raises
        ------
        HTTPException
            503 if all bodies are then too large together.
        """
        if self.held_bytes + size > self.most_bytes:
            raise HTTPException(503, TOO_MANY)
        self.held_bytes += size
        try:
            yield
        finally:
            self.held_bytes -= size


async def receive_body(request: Request, *, limit: int) -> bytes:
    """Receive the body of a request.

    Parameters
    ----------
    request : Request
        Its application's `arriving_bodies` bounds all bodies that arrive together.
    limit : int
        Largest size, bytes.

    Raises
    ------
    HTTPException
        413 if the body is larger, 408 if it does not arrive in time, 503 if the bodies that arrive together are too large, 400
        if the client disconnects before its end.
    """
    content = bytearray()
    bodies: ArrivingBodies = request.app.state.arriving_bodies
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                content += chunk
                bodies.held_bytes += len(chunk)
                if len(content) > limit:
                    raise HTTPException(413, f"the body is larger than {limit} bytes")
                if bodies.held_bytes > bodies.most_bytes:
                    raise HTTPException(503, TOO_MANY)
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from error
    except ClientDisconnect as error:  # any other exception would be logged as a fault of the server
        raise HTTPException(400, "the client disconnected before the end of the body") from error
    finally:
        bodies.held_bytes -= len(content)
    return bytes(content)
