"""An image that will be imported and is not read yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.errors.failures import RunError

__all__ = ["InputError", "Item"]


class InputError(RunError, ValueError):
    """An input cannot be used at all; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Item:
    """Image that is not read yet.

    Attributes
    ----------
    name : str
        Path, address or position; used in the list of failures.
    read : callable
        Returns the bytes of an image file, or raises ImageError.
    filename : str
        File name in the task.
    data : mapping
        JSON values for the task: `ra` and `dec` in degrees, the columns of the catalogue.
    identity : bytes
        Identifies the content if reading it is a download; empty if the content itself is hashed.
    """

    name: str
    read: Callable[[], bytes]
    filename: str
    data: Mapping[str, Any] = field(default_factory=dict)
    identity: bytes = b""
