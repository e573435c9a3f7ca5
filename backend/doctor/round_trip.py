"""Check that Label Studio calls the backend and sends it events, with a temporary project.

Other projects are not changed. The next run deletes a temporary project that a killed run has left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from backend.doctor.parts import Parts
from backend.doctor.report import Check, report_failure, report_success
from backend.jobs.lease import hold_lease
from backend.projects.forget import ProjectInUseError, forget_project
from sync.label_studio.attach import backend_body, event_headers
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.projects import create_project, list_states

__all__ = ["check_round_trip"]

TITLE = "galaxyloop doctor (temporary)"
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""
EVENT_WITHIN_S = 4.0
POLL_S = 0.05
LEASE_S = 30.0
BLOCKED, NOT_REACHED = "reserved network address", "Can't connect to ML backend"
OR_NETWORK = "or remove this network from those that it rejects (docs/deploy.md, Networks)"
WEBHOOKS, CALLS, EVENTS = "network switch for events", "network switch for calls", "delivery of an event"


def check_round_trip(services: Parts, client: LabelStudioClient) -> list[Check]:
    """Attach the backend to a temporary project, change that project, and wait for the event in the registry.

    Returns
    -------
    list of Check
        Checks of Label Studio's network switches for events and for calls, and of the delivery of an event to the registry.
    """
    try:
        with _temporary_project(services, client) as project:
            webhook = _check_webhook(services, client, project)
            backend = _check_backend(services, client, project, webhook_ok=webhook.ok)
            all_ok = webhook.ok and backend.ok
            event = _check_event(services, client, project) if all_ok else report_failure(EVENTS, "not tested: see above")
            return [webhook, backend, event]
    except LabelStudioError as error:
        return [report_failure(EVENTS, f"no temporary project could be created: {error}")]


@contextmanager
def _temporary_project(services: Parts, client: LabelStudioClient) -> Iterator[int]:
    """Create a project and hold its lease, so that no worker runs a cycle; delete it here and in Label Studio at the end."""
    for left_over in [state.id for state in list_states(client) if state.title == TITLE]:
        _remove(services, client, left_over)
    project = create_project(client, TITLE, CONFIG)
    try:
        services.registry.register_project(project, label_config=CONFIG, extra_params=None)
        with hold_lease(services.engine, project, seconds=LEASE_S):
            yield project
    finally:
        _remove(services, client, project)


def _remove(services: Parts, client: LabelStudioClient, project: int) -> None:
    with suppress(LabelStudioError):
        client.send("DELETE", f"/api/projects/{project}/", repeatable=True)
    with suppress(ProjectInUseError):
        forget_project(services, project, patience_s=1.0)


def _check_webhook(services: Parts, client: LabelStudioClient, project: int) -> Check:
    url = services.settings.public_url.rstrip("/")
    hook = {"project": project, "url": f"{url}/webhook", "headers": event_headers(*_secrets(services))}
    hook |= {"send_payload": True, "send_for_all_actions": True, "is_active": True}
    try:
        client.send("POST", "/api/webhooks/", json=hook)
    except LabelStudioError as error:
        if BLOCKED not in str(error):
            return report_failure(WEBHOOKS, f"{error}: check GALAXYLOOP_BACKEND_URL")
        return report_failure(
            WEBHOOKS,
            f"Label Studio sends no events to the private address {url}: start it with "
            f"LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false, {OR_NETWORK}",
        )
    return report_success(WEBHOOKS, f"Label Studio may send events to {url}")


def _check_backend(services: Parts, client: LabelStudioClient, project: int, *, webhook_ok: bool) -> Check:
    url = services.settings.public_url.rstrip("/")
    body = backend_body(project, url, title="doctor", basic_auth=_secrets(services)[0])
    try:
        client.send("POST", "/api/ml", json=body)
    except LabelStudioError as error:
        if BLOCKED not in str(error):
            why = "" if NOT_REACHED in str(error) else f" ({error})"
            return report_failure(
                CALLS,
                f"Label Studio does not reach the backend at {url}{why}: start galaxyloop server, and set "
                "GALAXYLOOP_BACKEND_URL to where Label Studio's machine finds it",
            )
        # If only the switch for events is closed, Label Studio also refuses, but only after it has created the backend's row.
        if webhook_ok or not client.get("/api/ml", project=project):
            return report_failure(
                CALLS,
                f"Label Studio calls no backend at the private address {url}: start it with "
                f"LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false, {OR_NETWORK}",
            )
    return report_success(CALLS, f"Label Studio reaches the backend at {url}")


def _check_event(services: Parts, client: LabelStudioClient, project: int) -> Check:
    def last_event_at() -> float:
        pending_events = services.pending_events.pending().get(project)
        return pending_events.last_at if pending_events else 0.0

    before, began = last_event_at(), time.monotonic()
    client.send("PATCH", f"/api/projects/{project}/", json={"description": "tests the delivery of an event"}, repeatable=True)
    if _wait_until(EVENT_WITHIN_S, lambda: last_event_at() > before):
        return report_success(
            EVENTS, f"from Label Studio through the server to the registry in {time.monotonic() - began:.1f} s"
        )
    return report_failure(
        EVENTS,
        f"none arrived within {EVENT_WITHIN_S:.0f} s: the server must run with the same database and the same "
        "GALAXYLOOP_WEBHOOK_SECRET and GALAXYLOOP_BASIC_AUTH_PASSWORD as this command; its log lists events that it rejected",
    )


def _wait_until(seconds: float, condition: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def _secrets(services: Parts) -> tuple[tuple[str, str] | None, str | None]:
    settings = services.settings
    password = settings.basic_auth_password.get_secret_value()
    return (settings.basic_auth_user, password) if password else None, settings.webhook_secret.get_secret_value() or None
