"""The OpenAPI description of the server: all statuses of each path, and the schemas of bodies that FastAPI does not parse."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.server.protocol import PredictRequest, SetupRequest, VersionsRequest, WebhookRequest

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
    413: "The body is larger than the settings allow.",
    415: "The Content-Type of the body is not JSON.",
    422: "The request is invalid.",
    500: "The backend failed; see its log.",
    503: "The database cannot be used now.",
}
REFUSED = _describe_refusals(401, 500, 503)
"""Error answers of each path that requires credentials."""
BODY_REFUSED = REFUSED | _describe_refusals(408, 413, 415, 422)
"""Error answers of each path that also reads a body."""


def describe_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return the OpenAPI description of a path's body."""
    schema = {"$ref": SCHEMAS.format(model=model.__name__)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of all paths."""
    description = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema([(body, "validation") for body in BODIES], ref_template=SCHEMAS)
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions.get("$defs", {}))
    for operations in description["paths"].values():
        for operation in operations.values():
            # FastAPI's default description of 422 differs from this server's answer.
            if "422" in operation["responses"]:
                operation["responses"]["422"]["content"] = {
                    "application/json": {"schema": {"$ref": SCHEMAS.format(model=Refusal.__name__)}}
                }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return description
