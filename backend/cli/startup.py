"""Start of a process: settings, number of threads, log and services."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from backend.cli.terminal import stop, wrong_call
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.services import Services

__all__ = ["limit_threads", "log_to_stderr", "open_services", "read_settings"]


def read_settings() -> Settings:
    """Read the settings; end the command with a wrong call that names an invalid setting."""
    try:
        return Settings()
    except SettingsError as error:
        wrong_call(f"the secrets cannot be read: {error.__cause__ or error}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"GALAXYLOOP_{name.upper()}"
        wrong_call(f"the setting {variable} is {first['input']!r}: {first['msg']}")


def open_services(settings: Settings, *, database_patience_s: float = 0.0) -> Services:
    """Open the services of a process; end the command with the reason if they cannot be used."""
    from backend.jobs.queue import QueueUnavailable
    from backend.registry.connection import DatabaseUnavailable
    from backend.services import Services
    from sync.http.network import Proxies, trusted_certificates

    try:
        # Invalid certificates or proxies end the command here and not at the first image.
        trusted_certificates()
        Proxies()
        return Services(settings, database_patience_s=database_patience_s)
    except OSError as error:
        stop(f"the data folder {settings.data_dir} cannot be used: {error.strerror} ({error.filename})")
    except (DatabaseUnavailable, QueueUnavailable, ValueError) as error:
        stop(str(error))


def limit_threads(settings: Settings) -> None:
    """Limit the threads of the numerical libraries, which read these variables at import."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(settings.threads))


def log_to_stderr() -> None:
    """Log events to standard error, one a line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
