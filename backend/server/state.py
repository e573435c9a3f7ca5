"""State that the route functions share; FastAPI passes it to them as a dependency."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from cachetools import LRUCache
from fastapi import Depends, Request

from backend.server.auth import Access
from backend.server.coverage import Coverage
from backend.server.events import EventBatcher
from backend.server.metrics import Metrics
from backend.server.pages.form_tokens import FormTokens
from backend.server.warm_up import WarmUp
from backend.services import Services

__all__ = ["ServerState", "StateOfServer", "open_state", "require_caller", "require_event_sender"]


MOST_PROJECTS = 1000
"""Number of projects whose last labelling config and warning the server keeps in memory."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """State of one server.

    Attributes
    ----------
    bulk, prompts : CapacityLimiter
        The server computes one bulk request at a time. Prompts have separate threads, so that a click does not wait for a
        bulk request of a thousand tasks.
    large_events : CapacityLimiter
        One large event is parsed at a time.
    event_configs : mapping
        Project to the hash of the labelling config of its last event: most events repeat it, and only a change is registered.
    logged_warnings : mapping
        Project to the last logged warning, so that repeated calls of /setup log it once. Both mappings drop the projects that
        were not used for longest, because requests may name any number of projects.
    """

    services: Services
    access: Access
    metrics: Metrics
    events: EventBatcher
    warm_up: WarmUp
    form_tokens: FormTokens
    bulk: CapacityLimiter
    prompts: CapacityLimiter
    large_events: CapacityLimiter
    event_configs: LRUCache[int, str] = field(default_factory=lambda: LRUCache(MOST_PROJECTS))
    logged_warnings: LRUCache[int, str] = field(default_factory=lambda: LRUCache(MOST_PROJECTS))


def open_state(services: Services) -> ServerState:
    """Create the state of a server with opened services."""
    settings = services.settings
    return ServerState(
        services=services,
        access=Access(settings),
        metrics=Metrics(services.registry, services.pending_events, Coverage(settings)),
        events=EventBatcher(services),
        warm_up=WarmUp(services),
        form_tokens=FormTokens(settings),
        bulk=CapacityLimiter(1),
        prompts=CapacityLimiter(settings.predictions_at_once),
        large_events=CapacityLimiter(1),
    )


# Coroutines, because FastAPI runs each plain function in a thread, which takes a tenth of the time of an event.


async def _state_of(request: Request) -> ServerState:
    state: ServerState = request.app.state.server
    return state


StateOfServer = Annotated[ServerState, Depends(_state_of)]


async def require_caller(request: Request, state: StateOfServer) -> None:
    """Reject a request without valid basic auth, if a password is set."""
    state.access.check_caller(request)


async def require_event_sender(request: Request, state: StateOfServer) -> None:
    """Reject an event without the webhook's secret or valid basic auth, if either is set."""
    state.access.check_event_sender(request)
