"""The state and the settings of the demo, with its secrets: files that only their owner can read."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

from rich.console import Console

from backend.demo.options import DemoOptions
from backend.settings import Settings
from sync.files.atomic import atomic_write

__all__ = [
    "BACKEND_PASSWORD",
    "STUDIO_PASSWORD",
    "USER",
    "DemoState",
    "load_state",
    "make_settings",
    "password_hint",
    "save_state",
    "write_env",
]

USER = "astronomer@example.com"
STUDIO_PASSWORD, BACKEND_PASSWORD = "GALAXYLOOP_LABEL_STUDIO_PASSWORD", "GALAXYLOOP_BASIC_AUTH_PASSWORD"
"""Variables of the file `env`."""
SECRET_MODE = 0o600
"""Permissions of the files that hold passwords."""


@dataclass(slots=True)
class DemoState:
    """State that a later start of the demo needs, with secrets; its file is readable only by its owner."""

    password: str
    basic_auth_password: str
    webhook_secret: str
    api_key: str = ""
    project_id: int = 0
    backend_url: str = ""
    images_uploaded: bool = False


def load_state(file: Path) -> DemoState:
    """Read the state of an earlier start, or create one with new secrets and write it."""
    if file.exists():
        return DemoState(**json.loads(file.read_text()))
    state = DemoState(secrets.token_urlsafe(9), secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    save_state(file, state)
    return state


def save_state(file: Path, state: DemoState) -> None:
    """Write the state, readable only by its owner."""
    with atomic_write(file, mode=SECRET_MODE) as content:
        content.write(json.dumps(asdict(state), indent=1).encode())


def make_settings(options: DemoOptions, state: DemoState, url: str) -> Settings:
    """Return the settings of the demo's backend and worker; `url` is that of Label Studio."""
    return Settings(
        label_studio_url=url,
        label_studio_api_key=state.api_key,
        data_dir=(options.data_dir / "galaxyloop").absolute(),
        port=options.backend_port,
        basic_auth_password=state.basic_auth_password,
        webhook_secret=state.webhook_secret,
    )


def password_hint(variable: str, password: str, env: Path, console: Console) -> str:
    """Return a password for a terminal; for a pipe or a log, which others may read, its variable in the private file `env`."""
    return f"password {password}" if console.is_terminal else f"the {variable} in {env}"


def write_env(options: DemoOptions, settings: Settings, state: DemoState) -> Path:
    """Write the file `env` of the data folder: URLs, project and secrets, for commands on the demo. Return its path."""
    env = options.data_dir / "env"
    lines = {
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": state.api_key,
        "GALAXYLOOP_PROJECT_ID": str(state.project_id),
        "GALAXYLOOP_BACKEND_URL": settings.public_url,
        "GALAXYLOOP_DATA_DIR": str(settings.data_dir),
        BACKEND_PASSWORD: state.basic_auth_password,
        "GALAXYLOOP_WEBHOOK_SECRET": state.webhook_secret,
        "GALAXYLOOP_LABEL_STUDIO_USER": USER,
        STUDIO_PASSWORD: state.password,
    }
    with atomic_write(env, mode=SECRET_MODE) as content:
        content.write("".join(f"{name}={quote(value)}\n" for name, value in lines.items()).encode())
    return env
