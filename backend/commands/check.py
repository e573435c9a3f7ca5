"""`galaxyloop check`: whether this process could work here now; the health check of the containers that answer no HTTP."""

from __future__ import annotations

import os

from backend.commands.process import read_settings
from backend.commands.terminal import console, stop

__all__ = ["check"]


def check() -> None:
    """Say whether database, queue and data folder can be used; exit code 1 if one cannot."""
    from backend.connection import DatabaseUnavailable, connect, wait_for
    from backend.loop.queue import JobQueue, QueueUnavailable

    settings = read_settings()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        wait_for(connect(settings.database, password=settings.database_password.get_secret_value()), patience_s=0)
        JobQueue(settings.queue_file, url=settings.queue_url).queued()
    except (DatabaseUnavailable, QueueUnavailable, ValueError) as error:
        stop(str(error))
    except OSError as error:
        stop(f"the data folder {settings.data_dir} cannot be used: {error.strerror} ({error.filename})")
    if not os.access(settings.data_dir, os.W_OK):
        stop(f"the data folder {settings.data_dir} cannot be written")
    console.print("database, queue and data folder can be used")
