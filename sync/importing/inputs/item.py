"""One image on its way into a project, not read yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.errors.failures import RunError

__all__ = ["InputError", "Item"]


class InputError(RunError, ValueError):
    """A source of images that cannot be used at all; the message is one sentence for the person who named it."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is known of an image before it is read.

    Attributes
    ----------
    name : str
        How the person knows it: a path, an address, a position. Goes into the list of failures.
    read : callable
        Gives the bytes of an image file, or raises ImageError.
    filename : str
        What the task shows as its file name.
    data : mapping
        What the source says of it, JSON values only: `ra` and `dec` in degrees, the catalogue's columns.
    identity : bytes
        Stands for the content where reading costs a download; empty where the content stands for itself.
    """

    name: str
    read: Callable[[], bytes]
    filename: str
    data: Mapping[str, Any] = field(default_factory=dict)
    identity: bytes = b""
