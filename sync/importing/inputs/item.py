"""Items of an import: images that are not read yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.errors.failures import RunError

__all__ = ["InputError", "Item"]


class InputError(RunError, ValueError):
    """An input cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image that is not read yet.

    Attributes
    ----------
    name : str
        Path, address or position, for the list of failures.
    read : callable
        Returns the bytes of an image file, or raises ImageError.
    filename : str
        File name for the task's data.
    data : mapping
        JSON values for the task's data: `ra` and `dec` in degrees, and the columns of the catalogue.
    identity : bytes
        Bytes that identify the content if `read` downloads it; empty if the content itself is hashed.
    read_spectrum : callable or None
        Returns the bytes of the file with the galaxy's spectrum, or raises ImageError; None if there is none.
    """

    name: str
    read: Callable[[], bytes]
    filename: str
    data: Mapping[str, Any] = field(default_factory=dict)
    identity: bytes = b""
    read_spectrum: Callable[[], bytes] | None = None
