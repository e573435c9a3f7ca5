"""Errors of requests to Label Studio: exceptions, and the one-sentence messages of responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

from sync.errors.failures import RunError, WrongCallError

__all__ = ["AddressError", "LabelStudioError", "LabelStudioUnavailable", "NotConnected", "explain_response", "first_line"]

MESSAGE_CHARS = 600
"""Longest part of a response that an error message quotes."""
_SECRET = re.compile(r"(?i:bearer|basic|token)\s+[\w.~+/=-]{16,}|eyJ[\w.=-]{8,}")


class AddressError(WrongCallError, ValueError):
    """The address or the key of Label Studio that the settings give cannot be used; the message is one sentence."""


class LabelStudioError(RunError, RuntimeError):
    """Label Studio rejected a request; the message is one sentence without tokens.

    Attributes
    ----------
    status : int or None
        HTTP status of the response, None if there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(_SECRET.sub("[hidden]", message))
        self.status = status


class LabelStudioUnavailable(LabelStudioError):  # noqa: N818 - a state that passes rather than an error
    """Label Studio is unavailable: connection refused, timeout, 429 or 5xx after all retries. A later retry may succeed."""


class NotConnected(LabelStudioUnavailable):
    """The request was not sent, so a retry is always safe."""


def explain_response(response: httpx.Response) -> str:
    """Return the detail and the validation errors of an error body, without traceback or markup."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        return f"status {response.status_code}"
    parts = [str(body.get("detail") or "").strip()]
    parts += _sentences(body.get("validation_errors"))
    message = "; ".join(part for part in parts if part) or f"status {response.status_code}"
    return message if len(message) <= MESSAGE_CHARS else message[:MESSAGE_CHARS] + "…"


def _sentences(errors: Any) -> list[str]:
    """Flatten validation errors, which are nested dicts and lists of strings."""
    if isinstance(errors, Mapping):
        return [f"{name}: {text}" for name, nested_errors in errors.items() for text in _sentences(nested_errors)]
    if isinstance(errors, list):
        return [text for nested_errors in errors for text in _sentences(nested_errors)]
    return [] if errors is None else [str(errors)]


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
