"""The bodies of the pages' forms."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from backend.server.request_body import receive_body

__all__ = ["MAX_FORM_BYTES", "read_form"]

MAX_FORM_BYTES = 4096
CONTENT_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a form; return none if the body is not a form, is too long or does not arrive in time."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        return {}
    try:
        content = await receive_body(request, limit=MAX_FORM_BYTES)
        return dict(parse_qsl(content.decode("ascii"), max_num_fields=16))
    except (HTTPException, ValueError):  # ValueError: not ASCII, or too many fields
        return {}
