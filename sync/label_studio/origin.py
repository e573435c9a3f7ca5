"""Which project of which Label Studio a number stands for.

Numbers begin anew in every Label Studio, so a project's is not enough to know it by: after a change of address or an empty
database, project 1 is another one. Its organization's and its own time of creation tell them apart.
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
        Whether its Label Studio answers, to a key that it accepts, that it has no such project.
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
        studio = ""  # the key may not read it: then the project's own time must do
    return f"{studio}{_SEPARATOR}{project['created_at']}"


def is_same_project(origin: str, created_at: str) -> bool:
    """Whether a project that was created at `created_at` is the one that `origin` was read from."""
    return not origin or origin.partition(_SEPARATOR)[2] == created_at


def why_absent(client: LabelStudioClient, project_id: int, origin: str) -> Absence | None:
    """Tell why a project does not answer; None if it does.

    Parameters
    ----------
    origin : str
        From `read_origin` while it answered; empty where it was not read then.

    Raises
    ------
    LabelStudioError
        If Label Studio does not accept the key (401), lets it read nothing (403), or fails: then nothing is known.
    """
    try:
        client.get(f"/api/projects/{project_id}/")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        # The same key reads this: it is valid, and it is seen whether this is the Label Studio that had the project.
        studios = _organizations(client).values()
        studio = origin.partition(_SEPARATOR)[0]
        return Absence(deleted=bool(studios) and (not studio or studio in studios))
    return None


def _organizations(client: LabelStudioClient) -> dict[int, str]:
    """Return when each organization that the key may see was created; its invite token is not asked for."""
    return {int(row["id"]): str(row["created_at"]) for row in client.get("/api/organizations/")}
