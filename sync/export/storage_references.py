"""Conversion between references to cloud storage in a task's data and the addresses from which Label Studio serves the files.

Label Studio's task list can resolve references to addresses with its own host, which another Label Studio could not use. The
export therefore requests unresolved data, converts references to addresses to fetch images, and converts them back before it
writes data.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["as_fetched", "as_stored"]

_REFERENCE = re.compile(r"(s3|gs|azure-blob)://\S.*", re.DOTALL)
"""References to the storages for which Label Studio 1.23.2 presigns URLs or acts as a proxy."""
_ADDRESS = re.compile(r"/tasks/[0-9]+/resolve/\?fileuri=([\w=-]+)", re.ASCII)


def as_fetched(data: Any, *, task: int) -> Any:
    """Return a task's data with each storage reference replaced by its address in Label Studio.

    Parameters
    ----------
    data : Any
        JSON value.
    task : int
        Number of the task.
    """

    def address(value: str) -> str:
        if not _REFERENCE.fullmatch(value):
            return value
        return f"/tasks/{task}/resolve/?fileuri={base64.urlsafe_b64encode(value.encode(errors='surrogatepass')).decode()}"

    return _each_text(data, address)


def as_stored(data: Any) -> Any:
    """Return a task's data as the project stores them; the inverse of `as_fetched`."""

    def reference(value: str) -> str:
        match = _ADDRESS.fullmatch(value)
        try:
            storage_path = base64.urlsafe_b64decode(match[1]).decode(errors="surrogatepass") if match else value
        except (binascii.Error, UnicodeDecodeError):
            return value
        return storage_path if _REFERENCE.fullmatch(storage_path) else value

    return _each_text(data, reference)


def _each_text(data: Any, change: Callable[[str], str]) -> Any:
    """Apply `change` to each text, also inside lists and objects, since an image may be `$pages` or `$bands[0].url`."""
    if isinstance(data, Mapping):
        return {key: _each_text(value, change) for key, value in data.items()}
    if isinstance(data, list):
        return [_each_text(value, change) for value in data]
    return change(data) if isinstance(data, str) else data
