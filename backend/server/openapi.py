"""The OpenAPI description of the server: statuses and credentials of each path, and schemas of the bodies that it reads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.server.auth import Access
from backend.server.protocol import PredictRequest, SetupRequest, VersionsRequest, WebhookRequest
from backend.server.state import require_caller, require_event_sender
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER

__all__ = ["BODY_REFUSED", "REFUSED", "describe", "describe_body"]

BODIES: tuple[type[BaseModel], ...] = (SetupRequest, PredictRequest, WebhookRequest, VersionsRequest)
SCHEMAS = "#/components/schemas/{model}"


class Refusal(BaseModel):
    """Why the server rejected a request, in one sentence."""

    detail: str


def _describe_refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Refusal, "description": DESCRIPTIONS[status]} for status in statuses}


DESCRIPTIONS = {
    401: "Credentials are missing or wrong.",
    408: "The body did not arrive in time.",
    413: "The body is larger than the settings allow, or has too many lists and objects.",
    415: "The Content-Type of the body is not JSON.",
    422: "The request is invalid.",
    500: "The backend failed; see its log.",
    503: "The database cannot be used now, or too many large bodies arrive together.",
}
BASIC, SECRET = "basic", "webhookSecret"
SECURITY_SCHEMES = {
    BASIC: {"type": "http", "scheme": "basic", "description": "User and password of the backend in Label Studio."},
    SECRET: {"type": "apiKey", "in": "header", "name": WEBHOOK_SECRET_HEADER, "description": "Secret of the webhook."},
}
REFUSED = _describe_refusals(401, 500, 503)
"""Error answers of each path that requires credentials."""
BODY_REFUSED = REFUSED | _describe_refusals(408, 413, 415, 422)
"""Error answers of each path that also reads a body."""


def describe_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return the OpenAPI description of a path's body."""
    schema = {"$ref": SCHEMAS.format(model=model.__name__)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI, router: APIRouter) -> dict[str, Any]:
    """Return the OpenAPI description of an application whose paths are those of a router."""
    description = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema([(body, "validation") for body in BODIES], ref_template=SCHEMAS)
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions.get("$defs", {}))
    schemas[SetupRequest.__name__]["properties"]["extra_params"] = _describe_extra_params()
    description["components"]["securitySchemes"] = SECURITY_SCHEMES
    for route in router.routes:
        assert isinstance(route, APIRoute)
        for method in route.methods or ():
            description["paths"][route.path][method.lower()]["security"] = _list_credentials(app.state.server.access, route)
    for operations in description["paths"].values():
        for operation in operations.values():
            # FastAPI describes 422 otherwise than this server answers, and errors of /metrics as text, like its metrics.
            for status in {str(status) for status in DESCRIPTIONS} & set(operation["responses"]):
                operation["responses"][status]["content"] = {
                    "application/json": {"schema": {"$ref": SCHEMAS.format(model=Refusal.__name__)}}
                }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return description


def _describe_extra_params() -> dict[str, Any]:
    from backend.loop.extra_params import SCHEMA  # imported here, since scipy takes as much memory as the rest of the server

    return SCHEMA


def _list_credentials(access: Access, route: APIRoute) -> list[dict[str, list[str]]]:
    """Return the alternative credentials of a route with the server's settings; an empty alternative means none."""
    dependencies = {dependency.dependency for dependency in route.dependencies}
    if require_caller in dependencies:
        return [{BASIC: []}] if access.has_password else [{}, {BASIC: []}]
    if require_event_sender not in dependencies:
        return []
    schemes = [scheme for scheme, is_set in ((BASIC, access.has_password), (SECRET, access.has_secret)) if is_set]
    return [{scheme: []} for scheme in schemes] or [{}, {BASIC: []}, {SECRET: []}]
