"""The file of the job queue, checked without loading huey, which commands that only read do not need."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["QueueUnavailable", "check_queue_file", "explain_damage"]


class QueueUnavailable(RuntimeError):  # noqa: N818 - a state to wait out rather than an error
    """The queue cannot be used now; pending events stay in the registry."""


def check_queue_file(file: Path) -> None:
    """Check that the queue's SQLite file is a database, if it exists.

    Raises
    ------
    QueueUnavailable
        If it is not.
    """
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise explain_damage(file, error) from error


def explain_damage(file: Path, error: sqlite3.Error) -> QueueUnavailable:
    """Return the error of a queue's file that SQLite cannot use, with the remedy."""
    return QueueUnavailable(f"the queue {file} cannot be used: {error}; if it is damaged, delete it: it is created again")
