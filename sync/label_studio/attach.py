"""The backend as Label Studio knows it: its row, its webhook, and the project's model version, kept in step.

Each rule here answers a trap of Label Studio 1.23.2, seen with the real server; the comments name them.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable

__all__ = [
    "WEBHOOK_SECRET_HEADER",
    "NotAttachedError",
    "asked_instead",
    "attach_backend",
    "attached",
    "backend_body",
    "detach_backend",
    "event_headers",
    "rename_backend",
    "show_predictions",
]

WEBHOOK_SECRET_HEADER = "X-Galaxyloop-Webhook-Secret"

logger = logging.getLogger(__name__)


class NotAttachedError(LabelStudioError):
    """A project has no backend at our address."""


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
    """Attach the backend at `url` to a project, or bring an attached one up to date; twice is the same as once.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    url : str
        Where Label Studio reaches the backend; it must answer now.
    title : str
        Name of the live model version: pre-annotations and uncertainty sampling work only with this title.
    basic_auth : (user, password), optional
        What the backend demands.
    webhook_secret : str, optional
        Sent with every event as `WEBHOOK_SECRET_HEADER`.
    extra_params : dict, optional
        Sent with every ``/setup``; those that the backend has stay if none are given.

    Returns
    -------
    int
        Id of the backend in Label Studio.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses: the message says what to set or to check.
    """
    url = url.rstrip("/")
    # The webhook first: Label Studio finds it there and makes none without credentials, whose events we would refuse;
    # and where only one of the two network settings is open, it would make the row and silently leave out the webhook.
    rekeyed = _put_webhook(client, project_id, url=url, headers=event_headers(basic_auth, webhook_secret))
    wanted = _wanted(title, basic_auth) | ({} if extra_params is None else {"extra_params": extra_params})
    row = _find(client, project_id, url)
    if row is None:
        row = _save(client, "POST", "/api/ml", _body(project_id, url, wanted, basic_auth))
    elif rekeyed or any(row[name] != value for name, value in wanted.items()):
        row = _save(client, "PATCH", f"/api/ml/{row['id']}", _body(project_id, url, wanted, basic_auth))
    show_predictions(client, project_id, version=title)
    return int(row["id"])


def rename_backend(client: LabelStudioClient, project_id: int, *, url: str, title: str) -> None:
    """Name the backend, and with it the project's model version, after the live version; twice is the same as once.

    Push the predictions of that version first: from here on annotators see only those.

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
        # A title alone is answered with status 500: Label Studio checks the backend with what this request says of it.
        # An empty password stands for the one it has.
        change = {"url": row["url"], "project": project_id, "title": title}
        if row["auth_method"] == "BASIC_AUTH":
            user = row["basic_auth_user"]
            change |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": ""}
        _save(client, "PATCH", f"/api/ml/{row['id']}", change)
    show_predictions(client, project_id, version=title)


def detach_backend(client: LabelStudioClient, project_id: int, *, url: str) -> bool:
    """Take the backend at `url` off a project, with its webhook, which Label Studio would leave behind.

    Label Studio asks only the first backend of a project: one that has moved must go before it is attached at its new
    address.

    Returns
    -------
    bool
        Whether there was either.
    """
    url = url.rstrip("/")
    row = _find(client, project_id, url)
    if row is not None:
        client.send("DELETE", f"/api/ml/{row['id']}", repeatable=True)
    hooks = [hook for hook in client.get("/api/webhooks/", project=project_id) if hook["url"] == f"{url}/webhook"]
    for hook in hooks:
        client.send("DELETE", f"/api/webhooks/{hook['id']}/", repeatable=True)
    return row is not None or bool(hooks)


def asked_instead(client: LabelStudioClient, project_id: int, *, url: str) -> str:
    """Return the address of the backend that Label Studio asks instead of the one at `url`, empty if it asks that one.

    Label Studio asks only a project's first backend: ours, attached beside another team's or at a new address, is never asked.
    """
    rows = sorted(client.get("/api/ml", project=project_id), key=lambda row: int(row["id"]))
    first = str(rows[0]["url"]).rstrip("/") if rows else ""
    return "" if first == url.rstrip("/") else first


def attached(client: LabelStudioClient, project_id: int, *, url: str) -> tuple[bool, bool]:
    """Return whether a project has the backend at `url`, and whether its events reach it."""
    url = url.rstrip("/")
    backend = any(row["url"].rstrip("/") == url for row in client.get("/api/ml", project=project_id))
    hooks = client.get("/api/webhooks/", project=project_id)
    return backend, any(hook["url"] == f"{url}/webhook" and hook["is_active"] for hook in hooks)


def show_predictions(client: LabelStudioClient, project_id: int, *, version: str) -> None:
    """Make the project show the predictions of `version`, which it must have, to annotators; twice is the same as once."""
    path = f"/api/projects/{project_id}/"
    project = client.get(path)
    # Not `evaluate_predictions_automatically`: with it every look at the task list asks the backend for predictions.
    wanted = {"show_collab_predictions": True, "evaluate_predictions_automatically": False, "model_version": version}
    change = {name: value for name, value in wanted.items() if project[name] != value}
    if change:
        client.send("PATCH", path, json=change, repeatable=True)


def _find(client: LabelStudioClient, project_id: int, url: str) -> dict[str, Any] | None:
    """Return the project's backend at `url`; rows that an earlier fault doubled are removed."""
    rows = [row for row in client.get("/api/ml", project=project_id) if row["url"].rstrip("/") == url]
    for spare in rows[1:]:  # only a project's first backend is asked
        logger.warning("backend_doubled project=%s backend=%s url=%s", project_id, spare["id"], url)
        client.send("DELETE", f"/api/ml/{spare['id']}", repeatable=True)
    return rows[0] if rows else None


def _wanted(title: str, basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return what the backend's row is to say."""
    return {
        "title": title,
        "is_interactive": True,
        "auth_method": "BASIC_AUTH" if basic_auth else "NONE",
        "basic_auth_user": basic_auth[0] if basic_auth else "",
    }


def backend_body(project_id: int, url: str, *, title: str, basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return what Label Studio is told of a backend that is new to it."""
    return _body(project_id, url, _wanted(title, basic_auth), basic_auth)


def _body(project_id: int, url: str, wanted: dict[str, Any], basic_auth: tuple[str, str] | None) -> dict[str, Any]:
    """Return what Label Studio is told of the backend; it refuses a password without basic auth."""
    return {"project": project_id, "url": url, **wanted, **({"basic_auth_pass": basic_auth[1]} if basic_auth else {})}


def _save(client: LabelStudioClient, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create or change the backend's row."""
    try:
        row: dict[str, Any] = client.send(method, path, json=body, repeatable=method == "PATCH")
    except LabelStudioError as error:
        raise _explained(error, body["url"]) from error
    return row


def _put_webhook(client: LabelStudioClient, project_id: int, *, url: str, headers: dict[str, str]) -> bool:
    """See to exactly one webhook to the backend; return whether the `headers` of an existing one were changed."""
    target = f"{url}/webhook"
    wanted = {"url": target, "project": project_id, "headers": headers}
    wanted |= {"send_payload": True, "send_for_all_actions": True, "is_active": True}
    found = [hook for hook in client.get("/api/webhooks/", project=project_id) if hook["url"] == target]
    for spare in found[1:]:
        client.send("DELETE", f"/api/webhooks/{spare['id']}/", repeatable=True)
    try:
        if not found:
            client.send("POST", "/api/webhooks/", json=wanted)
        elif any(found[0][name] != value for name, value in wanted.items()):
            client.send("PATCH", f"/api/webhooks/{found[0]['id']}/", json=wanted, repeatable=True)
    except LabelStudioError as error:
        raise _explained(error, url) from error
    return bool(found) and found[0]["headers"] != headers


def event_headers(basic_auth: tuple[str, str] | None, secret: str | None) -> dict[str, str]:
    """Return the headers of every event: Label Studio sends none of the backend's credentials with them."""
    headers = {}
    if basic_auth:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic_auth).encode()).decode()
    if secret:
        headers[WEBHOOK_SECRET_HEADER] = secret
    return headers


def _explained(error: LabelStudioError, url: str) -> LabelStudioError:
    """Say what to do about a refusal that has a known cause; a backend that is down will come back."""
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
