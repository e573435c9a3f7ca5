"""The routes of Label Studio's ML protocol: health, setup, predict, webhook and versions; and metrics."""

from __future__ import annotations

import json
import logging
import threading
from functools import lru_cache
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest

from backend.registry.records import MAX_ID, config_hash
from backend.server.disconnect import watch_client
from backend.server.large_events import event_body
from backend.server.openapi import BODY_REFUSED, REFUSED, describe_body
from backend.server.protocol import (
    PredictRequest,
    SetupRequest,
    VersionsRequest,
    WebhookRequest,
    body_of,
    predict_body,
)
from backend.server.state import StateOfServer, require_caller, require_event_sender
from backend.services import Services
from sync.controls import CONTROLS
from sync.labelling.config import LabelConfigError, parse

__all__ = ["router"]

log = logging.getLogger("galaxyloop.server")

START_TRAINING = "START_TRAINING"
MOST_WARNINGS = 20
"""Number of controls that a warning names: a labelling config may have any number, and the warning is sent and logged."""
CLIENT_CLOSED = 499
"""HTTP status, as in nginx, of an answer to a client that has disconnected."""
KNOWN_ACTIONS = frozenset(
    {
        START_TRAINING, "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED",
        "TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED", "PROJECT_CREATED", "PROJECT_DELETED",
    }
)  # fmt: skip

router = APIRouter()
caller, event_sender = Depends(require_caller), Depends(require_event_sender)


@router.get("/health")
async def health() -> dict[str, str]:
    """Answer that the server runs; answered under any load."""
    return {"status": "UP", "model_class": "galaxyloop"}


@router.post("/setup", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=describe_body(SetupRequest))
async def setup(state: StateOfServer, body: Annotated[SetupRequest, Depends(body_of(SetupRequest))]) -> dict[str, str]:
    """Register a project with its labelling config; return the name of its live version."""
    state.warm_up.start()
    warning = await to_thread.run_sync(warning_of, body.label_config)
    if warning and state.logged_warnings.get(body.project) != warning:
        log.warning("event=controls_not_predicted project=%d warning=%r", body.project, warning)
        state.logged_warnings[body.project] = warning
    project = await to_thread.run_sync(
        lambda: state.services.register_project(body.project, label_config=body.label_config, extra_params=body.extra_params)
    )
    answer = {"model_version": project.live_name}
    return answer | ({"warning": warning} if warning else {})


@router.post("/predict", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=describe_body(PredictRequest))
async def predict(request: Request, state: StateOfServer, body: Annotated[PredictRequest, Depends(predict_body)]) -> Response:
    """Predict the tasks of a project or, if the request has a context, answer its prompts."""
    is_bulk = body.params is None or body.params.context is None
    async with watch_client(request) as disconnection:
        with state.metrics.seconds.labels("bulk" if is_bulk else "prompt").time():
            limiter = state.bulk if is_bulk else state.prompts
            await state.warm_up.finish()
            content = await to_thread.run_sync(answer_predict, state.services, body, disconnection, limiter=limiter)
    if disconnection.is_set():
        log.info("event=request_abandoned project=%d tasks=%d", body.project, len(body.tasks))
        return Response(status_code=CLIENT_CLOSED)
    if is_bulk:
        state.metrics.predictions.inc(len(body.tasks))
    else:
        state.metrics.prompts.inc()
    return Response(content, media_type="application/json")


@router.post("/webhook", dependencies=[event_sender], responses=BODY_REFUSED, openapi_extra=describe_body(WebhookRequest))
async def webhook(state: StateOfServer, body: Annotated[WebhookRequest, Depends(event_body)]) -> dict[str, str]:
    """Mark the project of an event of Label Studio as changed; the worker reads the annotations."""
    services, project_id, config = state.services, body.project.id, body.project.label_config
    state.metrics.events.labels(body.action if body.action in KNOWN_ACTIONS else "other").inc()
    if config is not None and state.event_configs.get(project_id) != (digest := config_hash(config)):
        await to_thread.run_sync(lambda: services.register_project(project_id, label_config=config, extra_params=None))
        state.event_configs[project_id] = digest
    if body.action == START_TRAINING:
        await to_thread.run_sync(services.request_training, project_id)
    else:
        await state.events.mark(project_id)
    return {"status": "accepted"}


@router.get("/versions", dependencies=[caller], responses=BODY_REFUSED)
async def versions_by_get(
    state: StateOfServer, project: Annotated[int | None, Query(gt=0, le=MAX_ID)] = None
) -> dict[str, list[str]]:
    """List the names of a project's versions, or of those of all projects."""
    return {"versions": await to_thread.run_sync(version_names, state.services, project)}


@router.post(
    "/versions", dependencies=[caller], responses=BODY_REFUSED, openapi_extra=describe_body(VersionsRequest, required=False)
)
async def versions_by_post(
    state: StateOfServer, body: Annotated[VersionsRequest, Depends(body_of(VersionsRequest))]
) -> dict[str, Any]:
    """List the names of a project's versions, or of those of all projects."""
    return {"versions": await to_thread.run_sync(version_names, state.services, body.project)}


@router.get("/metrics", dependencies=[caller], responses=REFUSED, response_class=PlainTextResponse)
async def expose_metrics(state: StateOfServer) -> Response:
    """Return the metrics in Prometheus' text format."""
    content = await to_thread.run_sync(generate_latest, state.metrics.collectors)
    return Response(content, media_type="text/plain; version=0.0.4")


def answer_predict(services: Services, body: PredictRequest, disconnection: threading.Event) -> bytes:
    """Predict the tasks of a request, or answer its prompts; return the answer's JSON, empty if the client has disconnected."""
    from backend.prediction.predictor import PredictionTask  # imports torch
    from backend.prediction.records import records_of

    context = body.params.context if body.params else None
    tasks = [PredictionTask(id=item.id, data=item.data, stored_results=item.stored_results) for item in body.tasks]
    project = services.register_project(body.project, label_config=body.label_config, extra_params=None)
    predictor = services.predictors.of(project, label_config=body.label_config)
    if predictor.version != project.live_name:  # the live version's files are damaged: the worker promotes another one
        services.mark([project.id])
    if context is None:
        predictions = predictor.predict(tasks, stop=disconnection.is_set)
        if len(predictions) < len(tasks):
            return b""
        # Label Studio stores these predictions; the worker compares the records to find outdated ones.
        pairs = records_of(zip(tasks, predictions, strict=True), predictor.data_keys)
        services.prediction_records.write(project.id, project.live_version, pairs)
    else:
        predictions = predictor.answer(tasks, context)
    # One by one: one call for all predictions holds the interpreter lock for a second, in which the server answers no event.
    results = ", ".join([json.dumps(prediction.as_json(), allow_nan=False) for prediction in predictions])
    return f'{{"results": [{results}], "model_version": {json.dumps(predictor.version)}}}'.encode()


def version_names(services: Services, project: int | None) -> list[str]:
    """List the names of a project's versions, or of those of all projects."""
    registry = services.registry
    ids = [project] if project is not None else [project_row.id for project_row in registry.projects()]
    return sorted({version.name for id_ in ids for version in registry.versions(id_)})


@lru_cache(maxsize=16)  # Label Studio repeats /setup often, and parsing 50,000 classes takes a second
def warning_of(label_config: str) -> str:
    """Describe the controls of a labelling config that galaxyloop does not predict; empty if it predicts all of them."""
    sentence = "galaxyloop predicts " + ", ".join(sorted(CONTROLS)) + " of an Image"
    try:
        config = parse(label_config)
    except LabelConfigError as error:
        return f"the labelling config cannot be read ({error}): {sentence}"
    none = () if config.controls else (f"the labelling config has no control that galaxyloop predicts: {sentence}",)
    warnings = (*none, *config.passed_over)
    more = (f"and {len(warnings) - MOST_WARNINGS} more",) if len(warnings) > MOST_WARNINGS else ()
    return "; ".join(warnings[:MOST_WARNINGS] + more)
