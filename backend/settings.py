"""Every setting of galaxyloop: its environment variable, its default, its unit.

The environment has precedence over `.env`, `.env` over `galaxyloop.toml` (both in the current folder), and that over the files
of the secrets folder. Nothing below this module reads the environment; functions receive what they need.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

__all__ = ["CONFIG_FILE", "DOTENV_FILE", "SECRETS_DIR_VARIABLE", "Settings"]

CONFIG_FILE = Path("galaxyloop.toml")
DOTENV_FILE = Path(".env")
"""Files of the current folder with settings: the first by their names without prefix, the second as environment variables."""

SECRETS_DIR_VARIABLE = "GALAXYLOOP_SECRETS_DIR"
SECRETS_DIR = "/run/secrets"
"""Folder in which containers have their secrets as files."""


def _half_the_cores() -> int:
    # With one thread per core each, server and worker slow each other down: a 22 ms encoder pass took one second.
    return max(1, (os.cpu_count() or 2) // 2)


class Settings(BaseSettings):
    """Settings, read from the environment variable `GALAXYLOOP_<NAME>` (for Label Studio: its own names), else from a file."""

    model_config = SettingsConfigDict(env_prefix="GALAXYLOOP_", extra="ignore", populate_by_name=True)

    label_studio_url: str = Field(
        "http://127.0.0.1:8080",
        validation_alias=AliasChoices("LABEL_STUDIO_URL", "GALAXYLOOP_LABEL_STUDIO_URL"),
        description="URL of Label Studio, as this process reaches it.",
    )
    label_studio_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("LABEL_STUDIO_API_KEY", "GALAXYLOOP_LABEL_STUDIO_API_KEY"),
        description="Access token of the user that reads annotations and stores predictions.",
    )
    label_studio_public_url: str = Field(
        "",
        validation_alias=AliasChoices("LABEL_STUDIO_HOST", "GALAXYLOOP_LABEL_STUDIO_PUBLIC_URL"),
        description="URL of Label Studio in image references, if it differs.",
    )
    data_dir: Path = Field(Path("galaxyloop-data"), description="Folder of versions, caches, queue and database.")
    database_url: str = Field("", description="SQLAlchemy URL of the registry; empty: SQLite in the data folder.")
    database_password: SecretStr = Field(SecretStr(""), description="Password of the database, if its URL has none.")
    queue_url: str = Field("", description="Redis URL of the job queue; empty: SQLite in the data folder.")

    host: str = Field("127.0.0.1", description="Address the backend listens on.")
    port: int = Field(9090, ge=1, le=65535, description="Port the backend listens on.")
    backend_url: str = Field("", description="URL of the backend, as Label Studio reaches it; empty: host and port.")
    basic_auth_user: str = Field("galaxyloop", description="User name of basic auth, which Label Studio sends.")
    basic_auth_password: SecretStr = Field(SecretStr(""), description="Password of basic auth; empty: no check, loopback only.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Secret in the header of Label Studio's webhooks.")
    max_body_bytes: int = Field(256 * 2**20, gt=0, description="Largest request body, bytes; annotations include masks.")
    predictions_at_once: int = Field(2, ge=1, description="Prompt requests that are computed at the same time.")
    threads: int = Field(default_factory=_half_the_cores, ge=1, description="Computing threads of each process.")

    encoder: str = Field("", description="Encoder of projects: shipped, hf_hub:…, local-dir:…, a timm name, a checkpoint.")
    sam_checkpoint: Path | None = Field(None, description="Official checkpoint of SAM or MobileSAM for the masks.")
    image_hosts: str = Field("", description="Further hosts that images may come from, comma-separated host[:port].")
    image_max_bytes: int = Field(64 * 2**20, gt=0, description="Largest image file, bytes.")
    image_max_pixels: int = Field(100_000_000, gt=0, description="Largest image, width times height, pixels.")
    image_timeout_s: float = Field(20.0, gt=0, description="Time-out for fetching an image, seconds.")
    cache_max_bytes: int = Field(4 * 2**30, gt=0, description="Size of both caches together, bytes.")

    local_files_document_root: Path | None = Field(
        None,
        validation_alias=AliasChoices("GALAXYLOOP_LOCAL_FILES_DOCUMENT_ROOT", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"),
        description="Folder of Label Studio's local files, for imports.",
    )
    s3_access_key_id: str = Field("", description="S3 key that Label Studio signs URLs with; empty: its own.")
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Secret of that key.")

    batch: int = Field(10, ge=1, description="New or changed annotations that start a training; extra_params override it.")
    webhook_debounce_s: float = Field(2.0, ge=0, description="Debounce after a webhook, seconds.")
    webhook_patience_s: float = Field(20.0, ge=0, description="Longest debounce while webhooks continue, seconds.")
    reconcile_every_s: float = Field(
        120.0, gt=0, description="Interval of reconciliation, seconds, rounded to minutes; at least 60."
    )
    lease_s: float = Field(30.0, gt=0, description="Lease of a project, seconds; after a worker dies, another waits this long.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level of events in the log.")
    log_format: Literal["text", "json"] = Field("text", description="Format of the log: text, or one JSON object per line.")
    worker_niceness: int = Field(10, ge=0, le=19, description="Nice level of the worker process.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read settings that the environment lacks from `.env`, `galaxyloop.toml` and the secrets folder, in this order."""
        secrets_folder = os.environ.get(SECRETS_DIR_VARIABLE)
        folder = Path(secrets_folder or SECRETS_DIR)
        return (
            init_settings,
            env_settings,
            DotEnvSettingsSource(settings_cls, env_file=DOTENV_FILE),
            TomlConfigSettingsSource(settings_cls, toml_file=CONFIG_FILE),
            *((SecretsSettingsSource(settings_cls, secrets_dir=folder),) if secrets_folder or folder.is_dir() else ()),
        )

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the registry."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'galaxyloop.db').absolute()}"

    @property
    def public_url(self) -> str:
        """URL of the backend, as Label Studio reaches it."""
        return self.backend_url or f"http://{self.host}:{self.port}"

    @property
    def versions_dir(self) -> Path:
        """Folder of the trained versions, with one folder per project."""
        return self.data_dir / "versions"

    @property
    def encoders_dir(self) -> Path:
        """Folder of the encoders that users have chosen."""
        return self.data_dir / "encoders"

    @property
    def cache_dir(self) -> Path:
        """Folder of the cache of images, embeddings and sources."""
        return self.data_dir / "cache"

    def class_numbers_file(self, project: int, created_at: str) -> Path:
        """File with the class numbers of a project's exports; another Label Studio may give its number to another project."""
        digits = "".join(filter(str.isdigit, created_at))[:14]
        return self.data_dir / "exports" / f"classes-{project}-{digits}.json"

    @property
    def queue_file(self) -> Path:
        """SQLite file of the job queue."""
        return self.data_dir / "queue.db"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Further hosts that images may come from."""
        return frozenset(host.strip() for host in self.image_hosts.split(",") if host.strip())
