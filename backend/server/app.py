"""Label Studio's ML protocol over HTTP: health, setup, predict, webhook, versions, metrics.

`/health` and `/setup` answer in milliseconds whatever else is going on: predictions run in threads, bounded in number, and
training runs in another process. An event is acknowledged as soon as the bell has rung.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest
from sqlalchemy.exc import DatabaseError

from backend.jobs.heartbeat import BEAT_S, Heartbeat
from backend.jobs.memory import return_free_memory
from backend.prediction.predictor import Task
from backend.prediction.records import records_of
from backend.registry.connection import reason_of
from backend.registry.records import MAX_ID
from backend.server.auth import Access
from backend.server.coverage import Coverage
from backend.server.disconnect import watch_client
from backend.server.metrics import Metrics
from backend.server.openapi import BODY_REFUSED, REFUSED, describe, takes
from backend.server.protocol import (
    PredictRequest,
    SetupRequest,
    VersionsRequest,
    WebhookRequest,
    body_of,
    predict_body,
)
from backend.services import Services
from sync.controls import CONTROLS
from sync.labelling.config import LabelConfigError, parse

__all__ = ["create_app"]

log = logging.getLogger("galaxyloop.server")

START_TRAINING = "START_TRAINING"
CLIENT_CLOSED = 499
"""Status, after nginx, of an answer that nobody waits for."""
KNOWN_ACTIONS = frozenset(
    {
        START_TRAINING, "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED",
        "TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED", "PROJECT_CREATED", "PROJECT_DELETED",
    }
)  # fmt: skip


def create_app(services: Services) -> FastAPI:
    """Make the web application over already opened services."""
    settings, registry, access = services.settings, services.registry, Access(services.settings)
    metrics = Metrics(registry, services.pending_events, Coverage(settings))
    # One bulk request at a time; prompts have threads of their own, so that a click never waits behind a thousand tasks.
    bulk, prompts = CapacityLimiter(1), CapacityLimiter(settings.predictions_at_once)
    doorbell = _EventBatcher(services)
    heard: dict[int, str] = {}  # the labelling config of each project's last event: nearly every event repeats it

    warned: dict[int, str] = {}  # what the log has of each project: Label Studio repeats /setup all the time
    heartbeat = Heartbeat(services.engine, "server")

    async def turn() -> None:
        while True:
            heartbeat.turned()
            await to_thread.run_sync(return_free_memory)
            await asyncio.sleep(BEAT_S)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Whatever happened while the server was down rang at a closed door.
        await to_thread.run_sync(services.mark, [project.id for project in registry.projects()])
        tasks = [asyncio.create_task(to_thread.run_sync(services.predictors.warm_up)), asyncio.create_task(turn())]
        with heartbeat.running():
            yield
        for task in tasks:
            task.cancel()

    app = FastAPI(
        title="galaxyloop",
        description="Label Studio ML backend for galaxies.",
        lifespan=lifespan,
        openapi_url=None,  # below, for those alone who may call
    )
    app.state.max_body_bytes = settings.max_body_bytes
    caller, event = Depends(access.of_caller), Depends(access.of_event)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("event=request_failed path=%s error=%s", request.url.path, type(error).__name__, exc_info=error)
        return JSONResponse({"detail": "the backend failed on this request; its log says why"}, 500)

    @app.exception_handler(DatabaseError)
    async def no_database(request: Request, error: DatabaseError) -> JSONResponse:
        log.error("event=database_unavailable path=%s error=%r", request.url.path, reason_of(error))
        return JSONResponse({"detail": "the backend cannot use its database now; its log says why"}, 503)

    @app.exception_handler(RequestValidationError)
    async def unfit(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "galaxyloop"}

    @app.post("/setup", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=takes(SetupRequest))
    async def setup(body: Annotated[SetupRequest, Depends(body_of(SetupRequest))]) -> dict[str, str]:
        warning = await to_thread.run_sync(_warning, body.label_config)
        if warning and warned.get(body.project) != warning:
            log.warning("event=not_all_is_filled project=%d warning=%r", body.project, warning)
            warned[body.project] = warning
        project = await to_thread.run_sync(
            lambda: services.register_project(body.project, label_config=body.label_config, extra_params=body.extra_params)
        )
        answer = {"model_version": project.live_name}
        return answer | ({"warning": warning} if warning else {})

    @app.post("/predict", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=takes(PredictRequest))
    async def predict(request: Request, body: Annotated[PredictRequest, Depends(predict_body)]) -> Response:
        context = body.params.context if body.params else None
        tasks = [Task(id=item.id, data=item.data, stored=item.stored) for item in body.tasks]

        def answer(abandoned: threading.Event) -> bytes:
            project = services.register_project(body.project, label_config=body.label_config, extra_params=None)
            predictor = services.predictors.of(project, label_config=body.label_config)
            if predictor.version != project.live_name:  # its files are damaged: the worker lets another go live
                services.mark([project.id])
            if context is None:
                predictions = predictor.predict(tasks, stop=abandoned.is_set)
                if len(predictions) < len(tasks):
                    return b""
                # Label Studio stores them: what they are made of must be known, for they may have to be made again.
                pairs = records_of(zip(tasks, predictions, strict=True), predictor.config.image_key.values())
                services.prediction_records.write(project.id, project.live_version, pairs)
            else:
                predictions = predictor.answer(tasks, context)
            # One by one: writing all at once would hold the interpreter for a second, and no event is heard meanwhile.
            results = ", ".join([json.dumps(prediction.as_json(), allow_nan=False) for prediction in predictions])
            return f'{{"results": [{results}], "model_version": {json.dumps(predictor.version)}}}'.encode()

        kind = "bulk" if context is None else "prompt"
        async with watch_client(request) as abandoned:
            with metrics.seconds.labels(kind).time():
                content = await to_thread.run_sync(answer, abandoned, limiter=bulk if context is None else prompts)
        if abandoned.is_set():
            log.info("event=request_abandoned project=%d tasks=%d", body.project, len(tasks))
            return Response(status_code=CLIENT_CLOSED)
        if context is None:
            metrics.predictions.inc(len(tasks))
        else:
            metrics.prompts.inc()
        return Response(content, media_type="application/json")

    @app.post("/webhook", dependencies=[event], responses=BODY_REFUSED, openapi_extra=takes(WebhookRequest))
    async def webhook(body: Annotated[WebhookRequest, Depends(body_of(WebhookRequest))]) -> dict[str, str]:
        metrics.events.labels(body.action if body.action in KNOWN_ACTIONS else "other").inc()
        config = body.project.label_config
        if config is not None and heard.get(body.project.id) != config:
            await to_thread.run_sync(lambda: services.register_project(body.project.id, label_config=config, extra_params=None))
            heard[body.project.id] = config
        if body.action == START_TRAINING:
            await to_thread.run_sync(services.request_training, body.project.id)
        else:
            await doorbell.mark(body.project.id)
        return {"status": "heard"}

    async def versions(project: int | None) -> dict[str, list[str]]:
        def names() -> list[str]:
            ids = [project] if project is not None else [known.id for known in registry.projects()]
            return sorted({version.name for id_ in ids for version in registry.versions(id_)})

        return {"versions": await to_thread.run_sync(names)}

    @app.get("/versions", dependencies=[caller], responses=BODY_REFUSED)
    async def versions_by_get(project: Annotated[int | None, Query(gt=0, le=MAX_ID)] = None) -> dict[str, list[str]]:
        return await versions(project)

    @app.post("/versions", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=takes(VersionsRequest, required=False))
    async def versions_by_post(body: Annotated[VersionsRequest, Depends(body_of(VersionsRequest))]) -> dict[str, Any]:
        return await versions(body.project)

    @app.get("/metrics", dependencies=[caller], responses=REFUSED, response_class=PlainTextResponse)
    async def expose_metrics() -> Response:
        return Response(await to_thread.run_sync(generate_latest, metrics.exposed), media_type="text/plain; version=0.0.4")

    @app.get("/openapi.json", dependencies=[caller], include_in_schema=False)
    async def contract() -> dict[str, Any]:
        return describe(app)

    return app


@lru_cache(maxsize=16)  # Label Studio repeats /setup all the time, and parsing 50,000 classes takes a second
def _warning(label_config: str) -> str:
    supported = "galaxyloop fills " + ", ".join(sorted(CONTROLS)) + " of an Image"
    try:
        config = parse(label_config)
    except LabelConfigError as error:
        return f"the labelling config cannot be read ({error}): {supported}"
    nothing = () if config.controls else (f"the labelling config has nothing to fill: {supported}",)
    return "; ".join((*nothing, *config.passed_over))


class _EventBatcher:
    """Rings for all events that arrive while a ring is being written in one transaction: fifty at once cost two."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: dict[int, None] = {}
        self._next: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def mark(self, project_id: int) -> None:
        """Return once the ring is on disk."""
        self._waiting[project_id] = None
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        await asyncio.shield(self._next)

    async def _write(self) -> None:
        async with self._writing:
            ids, self._waiting, self._next = list(self._waiting), {}, None
            await to_thread.run_sync(self._services.mark, ids)
