"""What a process sets up before it works: its settings, its threads, its log."""

from __future__ import annotations

import logging
import os

from pydantic import ValidationError

from backend.commands.terminal import stop
from backend.settings import Settings

__all__ = ["bound_threads", "log_to_stderr", "read_settings"]


def read_settings() -> Settings:
    """Read the settings, or say which one makes no sense."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"GALAXYLOOP_{name.upper()}"
        stop(f"the setting {variable} is {first['input']!r}: {first['msg']}")


def bound_threads(settings: Settings) -> None:
    """Bound the threads of every numerical library, which read this when they are loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(settings.threads))


def log_to_stderr() -> None:
    """Log events, one a line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
