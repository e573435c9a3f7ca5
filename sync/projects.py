"""Projects: create one, attach the backend so that every trap is avoided, rename it when a version goes live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.client import LabelStudioClient

__all__ = [
    "ProjectState",
    "attach_backend",
    "create_project",
    "login",
    "project_state",
    "rename_backend",
    "set_uncertainty_sampling",
    "upload_images",
]


@dataclass(frozen=True, slots=True)
class ProjectState:
    id: int
    title: str
    label_config: str
    model_version: str | None
    sampling: str
    task_count: int


def create_project(client: LabelStudioClient, title: str, config: str) -> int: raise NotImplementedError


def attach_backend(
    client: LabelStudioClient,
    project_id: int,
    *,
    url: str,
    title: str,
    basic_auth: tuple[str, str] | None = None,
    webhook_secret: str | None = None,
    extra_params: dict[str, Any] | None = None,
) -> int: raise NotImplementedError


def rename_backend(client: LabelStudioClient, project_id: int, *, url: str, title: str) -> None: raise NotImplementedError


def project_state(client: LabelStudioClient, project_id: int) -> ProjectState: raise NotImplementedError


def set_uncertainty_sampling(client: LabelStudioClient, project_id: int) -> None: raise NotImplementedError


def upload_images(
    client: LabelStudioClient, project_id: int, files: Sequence[Path], *, progress: Callable[[int, int], None] | None = None
) -> int: raise NotImplementedError


def login(url: str, user: str, password: str) -> str: raise NotImplementedError
