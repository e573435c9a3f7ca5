"""The bodies of the pages' forms."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from fastapi import Request

__all__ = ["MAX_FORM_BYTES", "read_form"]

MAX_FORM_BYTES = 4096
BODY_TIMEOUT_S = 60.0
CONTENT_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a form; return none if the body is not a form, is too long or does not arrive in time."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        return {}
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_FORM_BYTES:
                    return {}
        return dict(parse_qsl(content.decode("ascii"), max_num_fields=16))
    except (TimeoutError, ValueError):  # ValueError: not ASCII, or too many fields
        return {}
