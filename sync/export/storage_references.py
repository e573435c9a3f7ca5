"""Storage references: what a task's data name in a bucket, and the address of Label Studio that gives it.

Its task list makes such addresses by itself, with its own host in them, and no other Label Studio could use what is written. So
the list is asked for as the data are stored; the address is made here while images are fetched, and taken back before data are
written.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["as_fetched", "as_stored"]

_REFERENCE = re.compile(r"(s3|gs|azure-blob)://\S.*", re.DOTALL)
"""Of the storages that Label Studio 1.23.2 signs addresses of, or reads for us."""
_ADDRESS = re.compile(r"/tasks/[0-9]+/resolve/\?fileuri=([\w=-]+)", re.ASCII)


def as_fetched(data: Any, *, task: int) -> Any:
    """Return a task's data with the address of each storage reference in its place."""

    def address(value: str) -> str:
        if not _REFERENCE.fullmatch(value):
            return value
        return f"/tasks/{task}/resolve/?fileuri={base64.urlsafe_b64encode(value.encode(errors='surrogatepass')).decode()}"

    return _each_text(data, address)


def as_stored(data: Any) -> Any:
    """Return a task's data as the project has them: what `as_fetched` was given."""

    def reference(value: str) -> str:
        found = _ADDRESS.fullmatch(value)
        try:
            decoded = base64.urlsafe_b64decode(found[1]).decode(errors="surrogatepass") if found else value
        except (binascii.Error, UnicodeDecodeError):
            return value
        return decoded if _REFERENCE.fullmatch(decoded) else value

    return _each_text(data, reference)


def _each_text(data: Any, change: Callable[[str], str]) -> Any:
    """Data with each text changed, those inside lists and objects too: an image may be `$pages` or `$bands[0].url`."""
    if isinstance(data, Mapping):
        return {key: _each_text(value, change) for key, value in data.items()}
    if isinstance(data, list):
        return [_each_text(value, change) for value in data]
    return change(data) if isinstance(data, str) else data
