"""Start of a process: settings, number of threads, log and services."""

from __future__ import annotations

import logging
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from backend.cli.setting_names import find_unknown_names
from backend.cli.terminal import notices, stop, wrong_call
from backend.settings import CONFIG_FILE, Settings

if TYPE_CHECKING:
    from backend.services import Services
    from sync.label_studio.client import LabelStudioClient

__all__ = [
    "explain_missing_registry",
    "limit_threads",
    "log_to_stderr",
    "open_existing_services",
    "open_label_studio",
    "open_queue",
    "open_services",
    "open_services_if_any",
    "read_settings",
]

IN_MEMORY = "sqlite://"
"""URL of an empty SQLite database in memory."""

LIBRARIES = ("asyncio", "httpcore", "httpx", "PIL", "urllib3")
"""Loggers of libraries that write below the level of warnings for each request or job."""


def read_settings() -> Settings:
    """Read the settings and warn of unknown names; end the command with a wrong call that names an invalid setting."""
    try:
        for sentence in find_unknown_names():
            notices.print(f"galaxyloop: {sentence}", highlight=False, soft_wrap=True)
        return Settings()
    except tomllib.TOMLDecodeError as error:
        wrong_call(f"{CONFIG_FILE} is not valid TOML: {error}")
    except (OSError, UnicodeDecodeError) as error:
        wrong_call(f"a file with settings cannot be read: {error}")
    except SettingsError as error:
        wrong_call(f"the secrets cannot be read: {error.__cause__ or error}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"GALAXYLOOP_{name.upper()}"
        wrong_call(f"the setting {variable} is {first['input']!r}: {first['msg']}")


def open_services(settings: Settings, *, database_patience_s: float = 0.0) -> Services:
    """Open the services of a process; end the command with the reason if they cannot be used."""
    from backend.jobs.queue_file import QueueUnavailable
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
    except (DatabaseUnavailable, QueueUnavailable) as error:
        stop(str(error))
    except ValueError as error:
        wrong_call(str(error))


def explain_missing_registry(settings: Settings) -> str:
    """Return the sentence that there is no registry at the place of the settings; empty if there is one, or a server has it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.database)
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            return ""
        Path(url.database).stat()
    except FileNotFoundError:
        remedy = "or start galaxyloop server, which creates it"
        if settings.database_url:
            return f"there is no database {url.database}: correct GALAXYLOOP_DATABASE_URL, {remedy}"
        folder = settings.data_dir
        absence = f"the data folder {folder} has no registry" if folder.exists() else f"there is no data folder {folder}"
        return f"{absence}: set GALAXYLOOP_DATA_DIR to that of this installation, {remedy}"
    except (ArgumentError, ValueError, OSError):  # which opening the services reports
        return ""
    return ""


def open_existing_services(settings: Settings) -> Services:
    """Open the services for a command that needs a registry; end it with a wrong call if there is none, and create nothing."""
    if reason := explain_missing_registry(settings):
        wrong_call(reason)
    return open_services(settings)


def open_services_if_any(settings: Settings) -> Services:
    """Open the services for a command that also works without a registry: it then has an empty one, and a notice states it."""
    reason = explain_missing_registry(settings)
    if not reason:
        return open_services(settings)
    notices.print(f"galaxyloop: {reason}", highlight=False, soft_wrap=True)
    return open_services(settings.model_copy(update={"database_url": IN_MEMORY}))


def open_label_studio(services: Services) -> LabelStudioClient:
    """Return the client of Label Studio; end the command with the reason if its address or key cannot be used."""
    try:
        return services.label_studio
    except ValueError as error:
        wrong_call(str(error))


def open_queue(services: Services) -> None:
    """Open the job queue of a process that cannot work without it; end the command with the reason if it cannot be used."""
    from backend.jobs.queue_file import QueueUnavailable

    try:
        services.queue  # noqa: B018 - opened by the first access
    except QueueUnavailable as error:
        stop(str(error))


def limit_threads(settings: Settings) -> None:
    """Limit the threads of the numerical libraries, which read these variables at import."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(settings.threads))


def log_to_stderr(settings: Settings) -> None:
    """Log events to standard error, one a line, in the format and from the level of the settings."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=names))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
