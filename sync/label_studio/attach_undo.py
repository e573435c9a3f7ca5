"""Restores a project after a failed attachment: deletes what was created, and resets what was changed.

Label Studio can keep the entry of a backend that it has rejected (1.23.2, with one of its two network settings closed), so this
module compares the states before and after.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["undo_on_failure"]

SETTINGS = ("show_collab_predictions", "evaluate_predictions_automatically", "model_version", "sampling")
"""Settings of a project that attaching a backend changes."""

logger = logging.getLogger(__name__)


@contextmanager
def undo_on_failure(client: LabelStudioClient, project_id: int) -> Iterator[None]:
    """If the block fails, delete the backends and webhooks that it created, and reset the project's settings.

    Existing backends and webhooks are kept. If Label Studio does not respond, the error is logged; attaching again repairs the
    state.
    """
    backends, hooks, settings = _state(client, project_id)
    try:
        yield
    except BaseException:
        try:
            _undo(client, project_id, backends, hooks, settings)
        except LabelStudioError as error:
            logger.error("event=attach_not_undone project=%d error=%r", project_id, str(error))
        raise


def _state(client: LabelStudioClient, project_id: int) -> tuple[set[int], set[int], dict[str, Any]]:
    """Return the ids of a project's backends and webhooks, and its settings."""
    project = client.get(f"/api/projects/{project_id}/")
    backends = {int(row["id"]) for row in client.get("/api/ml", project=project_id)}
    hooks = {int(hook["id"]) for hook in client.get("/api/webhooks/", project=project_id)}
    return backends, hooks, {name: project[name] for name in SETTINGS}


def _undo(client: LabelStudioClient, project_id: int, backends: set[int], hooks: set[int], settings: dict[str, Any]) -> None:
    # Webhooks are deleted first: to list the backends, Label Studio calls each of them, which can fail for a rejected one.
    for hook in {int(hook["id"]) for hook in client.get("/api/webhooks/", project=project_id)} - hooks:
        _delete(client, f"/api/webhooks/{hook}/")
    new_backends, _, new_webhooks = _state(client, project_id)
    for backend in new_backends - backends:
        _delete(client, f"/api/ml/{backend}")
    if change := {name: value for name, value in settings.items() if new_webhooks[name] != value}:
        client.send("PATCH", f"/api/projects/{project_id}/", json=change, repeatable=True)


def _delete(client: LabelStudioClient, path: str) -> None:
    with suppress(LabelStudioError):
        client.send("DELETE", path, repeatable=True)
