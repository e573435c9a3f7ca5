"""The web application: the routes, the error handlers, and the background tasks.

`/health` and `/setup` answer in milliseconds under any load: predictions run in a limited number of threads, and training runs
in another process. The server acknowledges an event as soon as its mark is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DatabaseError

from backend.jobs.heartbeat import BEAT_S, Heartbeat
from backend.jobs.memory import return_free_memory
from backend.registry.connection import reason_of
from backend.server.openapi import describe
from backend.server.pages.api_page import render_api
from backend.server.pages.routes import router as pages
from backend.server.request_body import ArrivingBodies
from backend.server.request_log import RequestLog
from backend.server.routes import router
from backend.server.state import open_state, require_caller
from backend.services import Services

__all__ = ["create_app"]

log = logging.getLogger("galaxyloop.server")

LARGEST_BODIES = 2
"""Number of bodies of the largest size that may arrive together."""


def create_app(services: Services) -> FastAPI:
    """Create the web application with opened services."""
    app = FastAPI(
        title="galaxyloop",
        description="Label Studio ML backend for galaxies.",
        lifespan=_run_beside_requests,
        openapi_url=None,  # the route below requires credentials
        docs_url=None,  # FastAPI's page loads scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(RequestLog)
    app.state.server = open_state(services)
    app.state.max_body_bytes = services.settings.max_body_bytes
    app.state.arriving_bodies = ArrivingBodies(LARGEST_BODIES * services.settings.max_body_bytes)
    app.include_router(router)
    app.include_router(pages)
    app.add_api_route("/openapi.json", _describe, dependencies=[Depends(require_caller)], include_in_schema=False)
    app.add_api_route("/docs", _show_api, dependencies=[Depends(require_caller)], include_in_schema=False)
    app.add_exception_handler(Exception, _answer_unexpected)
    app.add_exception_handler(DatabaseError, _answer_no_database)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    return app


@asynccontextmanager
async def _run_beside_requests(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.server.services
    heartbeat = Heartbeat(services.engine, "server")
    if await to_thread.run_sync(_mark_all, services):
        app.state.server.warm_up.start()  # the first click after a restart must not wait for the networks
    heartbeats = asyncio.create_task(_write_heartbeats(heartbeat))
    with heartbeat.run():
        yield
    heartbeats.cancel()
    await app.state.server.warm_up.stop()


def _mark_all(services: Services) -> int:
    """Mark all projects, since events that were sent while the server was down are lost; return their number."""
    try:
        ids = [project.id for project in services.registry.projects()]
        services.mark(ids)
        return len(ids)
    except DatabaseError as error:  # such as a full disk: the worker's next reconciliation marks them
        log.error("event=database_unavailable error=%r", reason_of(error))
        return 0


async def _write_heartbeats(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.record_iteration()
        await to_thread.run_sync(return_free_memory)
        await asyncio.sleep(BEAT_S)


async def _describe(request: Request) -> dict[str, Any]:
    return describe(request.app, router)


async def _show_api(request: Request) -> Response:
    return render_api(describe(request.app, router))


async def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("event=request_failed path=%s error=%s", request.url.path, type(error).__name__, exc_info=error)
    return JSONResponse({"detail": "the backend failed on this request; see its log"}, 500)


async def _answer_no_database(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DatabaseError)
    log.error("event=database_unavailable path=%s error=%r", request.url.path, reason_of(error))
    return JSONResponse({"detail": "the backend cannot use its database now; see its log"}, 503)


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)
