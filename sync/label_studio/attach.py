"""Connection of the backend to a project: its ML backend entry, its webhook and the project's model version, which must agree.

Many rules follow from the behaviour of Label Studio 1.23.2, measured with a real server; the comments describe it.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable

__all__ = [
    "WEBHOOK_SECRET_HEADER",
    "NotAttachedError",
    "attach_backend",
    "backend_body",
    "check_attachment",
    "detach_backend",
    "event_headers",
    "find_other_backend",
    "rename_backend",
    "show_predictions",
]

WEBHOOK_SECRET_HEADER = "X-Galaxyloop-Webhook-Secret"

logger = logging.getLogger(__name__)


class NotAttachedError(LabelStudioError):
    """The project has no backend at the address of this one."""


def attach_backend(
    client: LabelStudioClient,
    project_id: int,
    *,
    url: str,
    title: str,
    basic_auth: tuple[str, str] | None = None,
    webhook_secret: str | None = None,
    extra_params: dict[str, Any] | None = None,
) -> int:
    """Attach the backend at `url` to a project, or update an attached one; idempotent.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    url : str
        Address at which Label Studio can reach the running backend.
    title : str
        Name of the live model version: pre-annotations and uncertainty sampling work only with this title.
    basic_auth : (user, password), optional
        Credentials that the backend requires.
    webhook_secret : str, optional
        Sent with every event as `WEBHOOK_SECRET_HEADER`.
    extra_params : dict, optional
        Sent with every ``/setup``; None keeps the existing ones.

    Returns
    -------
    int
        Id of the backend in Label Studio.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects a request; the message names the setting to change or to check.
    """
    url = url.rstrip("/")
    # The webhook is created first. Without one, Label Studio would create a webhook without credentials, whose events the
    # backend rejects; and with only one of the two network settings open, it would create the entry without a webhook.
    has_new_key = _put_webhook(client, project_id, url=url, headers=event_headers(basic_auth, webhook_secret))
    fields = _fields(title, basic_auth) | ({} if extra_params is None else {"extra_params": extra_params})
    row = _find(client, project_id, url)
    if row is None:
        row = _save(client, "POST", "/api/ml", _body(project_id, url, fields, basic_auth))
    elif has_new_key or any(row[name] != value for name, value in fields.items()):
        row = _save(client, "PATCH", f"/api/ml/{row['id']}", _body(project_id, url, fields, basic_auth))
    show_predictions(client, project_id, version=title)
    return int(row["id"])


def rename_backend(client: LabelStudioClient, project_id: int, *, url: str, title: str) -> None:
    """Set the backend's title and the project's model version to the live version; idempotent.

    The predictions of that version must be stored first, because Label Studio then shows only those to annotators.

    Raises
    ------
    NotAttachedError
        If the project has no backend at `url`.
    LabelStudioError
        If Label Studio cannot reach it.
    """
    row = _find(client, project_id, url.rstrip("/"))
    if row is None:
        raise NotAttachedError(f"project {project_id} has no backend at {url}: attach it first")
    if row["title"] != title:
        # A title alone gives status 500, because Label Studio checks the backend with the fields of this request. With an
        # empty password it uses the stored one.
        change = {"url": row["url"], "project": project_id, "title": title}
        if row["auth_method"] == "BASIC_AUTH":
            user = row["basic_auth_user"]
            change |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": ""}
        _save(client, "PATCH", f"/api/ml/{row['id']}", change)
    show_predictions(client, project_id, version=title)


def detach_backend(client: LabelStudioClient, project_id: int, *, url: str) -> bool:
    """Detach the backend at `url` from a project and delete its webhook, which Label Studio does not delete.

    Label Studio uses only the first backend of a project, so a backend with a new address must be detached first.

    Returns
    -------
    bool
        Whether the project had a backend or webhook at `url`.
    """
    url = url.rstrip("/")
    row = _find(client, project_id, url)
    if row is not None:
        client.send("DELETE", f"/api/ml/{row['id']}", repeatable=True)
    hooks = [hook for hook in client.get("/api/webhooks/", project=project_id) if hook["url"] == f"{url}/webhook"]
    for hook in hooks:
        client.send("DELETE", f"/api/webhooks/{hook['id']}/", repeatable=True)
    return row is not None or bool(hooks)


def find_other_backend(client: LabelStudioClient, project_id: int, *, url: str) -> str:
    """Return the address of the backend that Label Studio uses instead of the one at `url`; empty if it uses that one.

    Label Studio uses only a project's first backend, so a backend that is attached after another one gets no requests.
    """
    rows = sorted(client.get("/api/ml", project=project_id), key=lambda row: int(row["id"]))
    first = str(rows[0]["url"]).rstrip("/") if rows else ""
    return "" if first == url.rstrip("/") else first


def check_attachment(client: LabelStudioClient, project_id: int, *, url: str) -> tuple[bool, bool]:
    """Return whether a project has a backend at `url`, and whether it has an active webhook to it."""
    url = url.rstrip("/")
    backend = any(row["url"].rstrip("/") == url for row in client.get("/api/ml", project=project_id))
    hooks = client.get("/api/webhooks/", project=project_id)
    return backend, any(hook["url"] == f"{url}/webhook" and hook["is_active"] for hook in hooks)


def show_predictions(client: LabelStudioClient, project_id: int, *, version: str) -> None:
    """Set the project to show the predictions of `version`, of which it must have some; idempotent."""
    path = f"/api/projects/{project_id}/"
    project = client.get(path)
    # With `evaluate_predictions_automatically`, each view of the task list would request predictions from the backend.
    settings = {"show_collab_predictions": True, "evaluate_predictions_automatically": False, "model_version": version}
    change = {name: value for name, value in settings.items() if project[name] != value}
    if change:
        client.send("PATCH", path, json=change, repeatable=True)


def _find(client: LabelStudioClient, project_id: int, url: str) -> dict[str, Any] | None:
    """Return the project's backend at `url`, or None; delete duplicate entries of an earlier failure."""
    rows = [row for row in client.get("/api/ml", project=project_id) if row["url"].rstrip("/") == url]
    for duplicate in rows[1:]:
        logger.warning("event=backend_deleted project=%s backend=%s url=%s", project_id, duplicate["id"], url)
        client.send("DELETE", f"/api/ml/{duplicate['id']}", repeatable=True)
    return rows[0] if rows else None


def _fields(title: str, basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return the fields of the backend's entry."""
    return {
        "title": title,
        "is_interactive": True,
        "auth_method": "BASIC_AUTH" if basic_auth else "NONE",
        "basic_auth_user": basic_auth[0] if basic_auth else "",
    }


def backend_body(project_id: int, url: str, *, title: str, basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return the body of the request that creates a backend."""
    return _body(project_id, url, _fields(title, basic_auth), basic_auth)


def _body(project_id: int, url: str, fields: dict[str, Any], basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return the body of a request for the backend; Label Studio rejects a password without basic auth."""
    return {"project": project_id, "url": url, **fields, **({"basic_auth_pass": basic_auth[1]} if basic_auth else {})}


def _save(client: LabelStudioClient, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create or change the backend's entry."""
    try:
        row: dict[str, Any] = client.send(method, path, json=body, repeatable=method == "PATCH")
    except LabelStudioError as error:
        raise _explain(error, body["url"]) from error
    return row


def _put_webhook(client: LabelStudioClient, project_id: int, *, url: str, headers: dict[str, str]) -> bool:
    """Ensure exactly one webhook to the backend; return whether the headers of an existing one were changed."""
    target = f"{url}/webhook"
    fields = {"url": target, "project": project_id, "headers": headers}
    fields |= {"send_payload": True, "send_for_all_actions": True, "is_active": True}
    hooks = [hook for hook in client.get("/api/webhooks/", project=project_id) if hook["url"] == target]
    for duplicate in hooks[1:]:
        client.send("DELETE", f"/api/webhooks/{duplicate['id']}/", repeatable=True)
    try:
        if not hooks:
            client.send("POST", "/api/webhooks/", json=fields)
        elif any(hooks[0][name] != value for name, value in fields.items()):
            client.send("PATCH", f"/api/webhooks/{hooks[0]['id']}/", json=fields, repeatable=True)
    except LabelStudioError as error:
        raise _explain(error, url) from error
    return bool(hooks) and hooks[0]["headers"] != headers


def event_headers(basic_auth: tuple[str, str] | None, secret: str | None) -> dict[str, str]:
    """Return the webhook's headers with the backend's credentials, which Label Studio does not add to events."""
    headers = {}
    if basic_auth:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic_auth).encode()).decode()
    if secret:
        headers[WEBHOOK_SECRET_HEADER] = secret
    return headers


def _explain(error: LabelStudioError, url: str) -> LabelStudioError:
    """Return an error with the remedy for a known cause; an unreachable backend gives LabelStudioUnavailable."""
    if "Can't connect to ML backend" in str(error):
        message = f"Label Studio does not reach the backend at {url}, which must run now"
        return LabelStudioUnavailable(message, status=error.status)
    if "reserved network address" in str(error):
        return LabelStudioError(
            f"Label Studio does not call the local or private address {url}: start Label Studio with both "
            "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false and LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false",
            status=error.status,
        )
    return error
