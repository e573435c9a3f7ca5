"""Projects: creation, upload of images, state and task sampling."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sync.label_studio.attach import attach_backend, detach_backend, rename_backend
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.login import login
from sync.label_studio.tasks import read_tasks

__all__ = [
    "UNCERTAINTY_SAMPLING",
    "ProjectState",
    "attach_backend",
    "create_project",
    "detach_backend",
    "list_states",
    "login",
    "project_state",
    "rename_backend",
    "set_uncertainty_sampling",
    "upload_images",
]

FILES_A_REQUEST = 25
"""Files per upload request; Label Studio accepts at most 100 files and 250 MB."""

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"})
"""Suffixes of image files that Label Studio accepts; they include neither FITS nor TIFF."""

UNCERTAINTY_SAMPLING = "Uncertainty sampling"
"""Value of a project's `sampling` with which Label Studio presents the tasks with the lowest score first."""
PROJECTS_A_PAGE = 100
SHORTEST_TITLE = 3
LONGEST_TITLE = 50


@dataclass(frozen=True, slots=True)
class ProjectState:
    """The state of a project in Label Studio.

    Attributes
    ----------
    id : int
    title, label_config : str
    model_version : str or None
        Version whose predictions Label Studio shows and uses for sampling; None if there is none.
    sampling : str
        ``"Sequential sampling"``, ``"Uniform sampling"`` or ``"Uncertainty sampling"``.
    task_count : int
    created_at : str
        Time stamp as Label Studio writes it.
    annotated_count : int
        Number of tasks with an annotation.
    """

    id: int
    title: str
    label_config: str
    model_version: str | None
    sampling: str
    task_count: int
    created_at: str = ""
    annotated_count: int = 0


def create_project(client: LabelStudioClient, title: str, config: str, *, instructions: str = "") -> int:
    """Create a project with a labelling configuration and return its id.

    Parameters
    ----------
    client : LabelStudioClient
    title, config : str
    instructions : str
        HTML that the page shows to annotators before they start, and with a button; empty for none.

    Raises
    ------
    ValueError
        If Label Studio does not accept the title.
    LabelStudioError
        If Label Studio rejects the configuration.
    """
    if not SHORTEST_TITLE <= len(title) <= LONGEST_TITLE:
        raise ValueError(f"a project's title needs {SHORTEST_TITLE} to {LONGEST_TITLE} characters, not {title!r}")
    body = {"title": title, "label_config": config, "expert_instruction": instructions, "show_instruction": bool(instructions)}
    return int(client.send("POST", "/api/projects/", json=body)["id"])


def project_state(client: LabelStudioClient, project_id: int) -> ProjectState:
    """Return the state of a project.

    Raises
    ------
    LabelStudioError
        If the project does not exist, or Label Studio does not respond.
    """
    try:
        project = client.get(f"/api/projects/{project_id}/")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        raise LabelStudioError(f"Label Studio has no project {project_id} that this key may see", status=404) from error
    return _state(project)


def list_states(client: LabelStudioClient) -> list[ProjectState]:
    """Return the states of all projects that the key can read, ordered by id.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects the request or does not respond.
    """
    projects: list[dict[str, Any]] = []
    for page in count(1):
        answer = client.get("/api/projects/", page=page, page_size=PROJECTS_A_PAGE)
        projects += answer["results"]
        if not answer["next"]:
            break
    return sorted((_state(project) for project in projects), key=lambda state: state.id)


def _state(project: dict[str, Any]) -> ProjectState:
    return ProjectState(
        id=int(project["id"]),
        title=str(project["title"]),
        label_config=str(project["label_config"]),
        model_version=project["model_version"] or None,
        sampling=str(project["sampling"]),
        task_count=int(project["task_number"] or 0),
        created_at=str(project["created_at"]),
        annotated_count=int(project["num_tasks_with_annotations"] or 0),
    )


def set_uncertainty_sampling(client: LabelStudioClient, project_id: int) -> None:
    """Set the project's sampling so that annotators get the tasks with the lowest score first.

    It takes effect only if the project's model version is that of the predictions; `rename_backend` sets it.
    """
    change = {"sampling": UNCERTAINTY_SAMPLING}
    client.send("PATCH", f"/api/projects/{project_id}/", json=change, repeatable=True)


def upload_images(
    client: LabelStudioClient,
    project_id: int,
    files: Sequence[Path],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Upload image files as tasks; files with the name of an earlier upload are left out.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    files : sequence of Path
    progress : callable, optional
        Called with the number of finished files and of all files.

    Returns
    -------
    int
        Number of files uploaded by this call.

    Raises
    ------
    ValueError
        If Label Studio does not accept the suffix of a file.
    OSError
        If a file cannot be read.
    """
    for file in files:
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            raise ValueError(f"Label Studio does not accept {file.name} as an image: it accepts {kinds}")
    upload_counts = Counter(
        _uploaded_name(str(value)) for task in read_tasks(client, project_id) for value in task.data.values()
    )
    new = []
    for file in files:
        name = _stored_name(file.name)
        if upload_counts[name] > 0:
            upload_counts[name] -= 1
        else:
            new.append(file)
    for start in range(0, len(new), FILES_A_REQUEST):
        batch = new[start : start + FILES_A_REQUEST]
        answer = client.upload(f"/api/projects/{project_id}/import", [(file.name, file.read_bytes()) for file in batch])
        if answer["task_count"] != len(batch):
            message = f"Label Studio made {answer['task_count']} tasks of {len(batch)} images in project {project_id}"
            raise LabelStudioError(message)
        if progress is not None:
            progress(len(files) - len(new) + start + len(batch), len(files))
    return len(new)


def _stored_name(name: str) -> str:
    """Return the name under which Label Studio stores a file (Django's `get_valid_filename`)."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _uploaded_name(reference: str) -> str:
    """Return the file name of a reference ``/data/upload/<project>/<8 hex digits>-<name>``; empty for any other reference."""
    match = re.fullmatch(r"/data/upload/\d+/[0-9a-f]{8}-(.+)", unquote(reference))
    return match.group(1) if match else ""
