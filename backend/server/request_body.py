"""The body of a request, with limits on its size and on the time that it takes to arrive."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

__all__ = ["BODY_TIMEOUT_S", "receive_body"]

BODY_TIMEOUT_S = 60.0
"""Longest time for a body to arrive."""


async def receive_body(request: Request, *, limit: int) -> bytes:
    """Receive the body of a request.

    Parameters
    ----------
    request : Request
    limit : int
        Largest size, bytes.

    Raises
    ------
    HTTPException
        413 if the body is larger, 408 if it does not arrive in time, 400 if the client disconnects before its end.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > limit:
                    raise HTTPException(413, f"the body is larger than {limit} bytes")
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from error
    except ClientDisconnect as error:  # any other exception would be logged as a fault of the server
        raise HTTPException(400, "the client disconnected before the end of the body") from error
    return bytes(content)
