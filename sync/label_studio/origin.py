"""Identification of a project across Label Studio servers.

Every Label Studio numbers its projects from 1, so after a change of address or of the database, project 1 can be a different
project. The creation times of its organization and of the project distinguish them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["Absence", "find_absence", "is_same_project", "read_origin"]

_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Absence:
    """Reason why a project cannot be read.

    Attributes
    ----------
    deleted : bool
        Whether the Label Studio that had the project responds to a valid key that there is no project with this number.
    """

    deleted: bool


def read_origin(client: LabelStudioClient, project_id: int) -> str:
    """Return the identity of a project: the creation times of its organization and of the project.

    Raises
    ------
    LabelStudioError
        With status 404 if there is no such project.
    """
    project = client.get(f"/api/projects/{project_id}/")
    try:
        studio = _organizations(client).get(project["organization"], "")
    except LabelStudioError as error:
        if error.status not in (403, 404):
            raise
        studio = ""  # without permission to read it, only the project's own time is compared
    return f"{studio}{_SEPARATOR}{project['created_at']}"


def is_same_project(origin: str, created_at: str) -> bool:
    """Return whether a project that was created at `created_at` is the one that `origin` was read from."""
    return not origin or origin.partition(_SEPARATOR)[2] == created_at


def find_absence(client: LabelStudioClient, project_id: int, origin: str) -> Absence | None:
    """Return the reason why a project cannot be read, or None if it can.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    origin : str
        Result of an earlier `read_origin`; empty if there was none.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects the key (401 or 403) or fails, so that the reason is unknown.
    """
    try:
        client.get(f"/api/projects/{project_id}/")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        # This request checks that the key is valid, and that this is the Label Studio that had the project.
        studios = _organizations(client).values()
        studio = origin.partition(_SEPARATOR)[0]
        return Absence(deleted=bool(studios) and (not studio or studio in studios))
    return None


def _organizations(client: LabelStudioClient) -> dict[int, str]:
    """Return the creation time of each organization that the key can read, by id."""
    return {int(row["id"]): str(row["created_at"]) for row in client.get("/api/organizations/")}
