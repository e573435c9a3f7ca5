"""Interface of a storage: stores files and returns the references for tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.errors.failures import RunError

__all__ = ["Storage", "StorageError", "StoredFile", "disable_sync"]


class StorageError(RunError, RuntimeError):
    """A storage cannot be used; the message is one sentence with the setting to change."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """File to store.

    Attributes
    ----------
    name : str
        Content id and suffix; files with equal names have equal contents.
    content : bytes
    """

    name: str
    content: bytes


class Storage(Protocol):
    """Stores files; storing a file is idempotent."""

    def put_images(self, files: Sequence[StoredFile]) -> list[str]:
        """Store images and return their references for tasks, in order."""

    def put_science(self, file: StoredFile) -> str:
        """Store a file with science values and return its reference for a task."""


def disable_sync(title: str) -> dict[str, object]:
    """Return the fields of a storage whose filter matches no file name, so that Label Studio's "Sync" creates no tasks."""
    return {"title": title, "regex_filter": "(?!)", "use_blob_urls": True}
