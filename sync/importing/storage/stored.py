"""What every storage can do: keep files and say how a task refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.errors.failures import RunError

__all__ = ["Storage", "StorageError", "StoredFile", "never_synced"]


class StorageError(RunError, RuntimeError):
    """A storage that cannot be used; the message is one sentence that says what to set."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file to keep.

    Attributes
    ----------
    name : str
        Its content id and its suffix: the same name means the same content.
    content : bytes
    """

    name: str
    content: bytes


class Storage(Protocol):
    """Keeps files; keeping one twice is the same as once."""

    def put_pictures(self, files: Sequence[StoredFile]) -> list[str]:
        """Keep pictures and return, in order, what stands in a task for each."""

    def put_science(self, file: StoredFile) -> str:
        """Keep a file with science values and return what stands in a task for it."""


def never_synced(title: str) -> dict[str, object]:
    """Return what keeps Label Studio's "Sync" button from making a second task of every stored file: no name matches."""
    return {"title": title, "regex_filter": "(?!)", "use_blob_urls": True}
