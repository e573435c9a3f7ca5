"""What the forms of a project's page do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backend.projects.live_version import DamagedVersionError, make_live, pin, unpin
from backend.projects.similar import SimilarError, clear_similar, request_similar
from backend.registry.records import MAX_ID, RegistryError
from backend.services import Services
from sync.label_studio.client import LabelStudioError

__all__ = ["ACTIONS", "ACTION_ERRORS", "Action"]

Action = Callable[[Services, int, Mapping[str, str]], object]
"""Takes the number of the project and the fields of the form."""

ACTION_ERRORS = (RegistryError, DamagedVersionError, SimilarError, LabelStudioError)
"""Why an action could not be done; the message is one sentence for the page."""


def _find_similar(services: Services, project_id: int, fields: Mapping[str, str]) -> None:
    task = fields.get("task", "")
    if not (task.isascii() and task.isdecimal() and 0 < int(task) <= MAX_ID):
        raise SimilarError(f"{task[:20]!r} is not the number of a task")
    request_similar(services, project_id, [int(task)])


ACTIONS: dict[str, Action] = {
    "rollback": lambda services, project, fields: make_live(services, project, fields.get("version", "")),
    "pin": lambda services, project, fields: pin(services, project, fields.get("version", "")),
    "unpin": lambda services, project, _: unpin(services, project),
    "similar": _find_similar,
    "any-order": lambda services, project, _: clear_similar(services, project),
}
"""Last part of a form's address to its action."""
