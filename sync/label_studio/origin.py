"""Identifies a project beyond its number.

Every Label Studio numbers its projects from 1, so after a change of address or with an empty database, project 1 is another
one. The creation times of its organization and of the project distinguish them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["Absence", "is_same_project", "read_origin", "why_absent"]

_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a project does not answer.

    Attributes
    ----------
    deleted : bool
        Whether the Label Studio that had the project answers, to a valid key, that it has none with this number.
    """

    deleted: bool


def read_origin(client: LabelStudioClient, project_id: int) -> str:
    """Return what identifies a project beyond its number.

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
        studio = ""  # the key may not read it: only the project's own time is compared
    return f"{studio}{_SEPARATOR}{project['created_at']}"


def is_same_project(origin: str, created_at: str) -> bool:
    """Whether a project that was created at `created_at` is the one that `origin` was read from."""
    return not origin or origin.partition(_SEPARATOR)[2] == created_at


def why_absent(client: LabelStudioClient, project_id: int, origin: str) -> Absence | None:
    """Find out why a project does not answer; None if it does.

    Parameters
    ----------
    origin : str
        From an earlier `read_origin`; empty if it was never read.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects the key (401 or 403) or fails: then the reason is unknown.
    """
    try:
        client.get(f"/api/projects/{project_id}/")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        # This request shows that the key is valid, and whether this is the Label Studio that had the project.
        studios = _organizations(client).values()
        studio = origin.partition(_SEPARATOR)[0]
        return Absence(deleted=bool(studios) and (not studio or studio in studios))
    return None


def _organizations(client: LabelStudioClient) -> dict[int, str]:
    """Return the creation time of each organization that the key may see."""
    return {int(row["id"]): str(row["created_at"]) for row in client.get("/api/organizations/")}
