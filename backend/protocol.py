"""Label Studio's ML protocol: the bodies it sends, typed, and how a body is read from a request.

Bodies reach tens of megabytes, because annotations carry their masks; what is not named here is skipped while parsing. A body
that does not fit gets one sentence, never a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_core import from_json

from backend.records import MAX_ID
from sync.labelconfig import MAX_CHARACTERS

__all__ = [
    "PredictRequest",
    "SetupRequest",
    "TaskItem",
    "VersionsRequest",
    "WebhookRequest",
    "body_of",
    "body_schema",
    "project_id_of",
]

MAX_TASKS = 100_000
PROJECT_ID = re.compile(r"([0-9]{1,18})(?:\.[0-9]*)?")
Body = TypeVar("Body", bound=BaseModel)


def project_id_of(value: Any) -> int:
    """Read a project's id as Label Studio sends it: "12.1795416464" is the id, a dot, and the time of creation.

    Raises
    ------
    ValueError
        If there is no number.
    """
    found = PROJECT_ID.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r:.40} is no project id")
    return int(found[1])


class SetupRequest(BaseModel):
    """Sent on nearly everything that a user does; `access_token` is never read, Label Studio itself refuses it."""

    project: int = Field(gt=0, le=MAX_ID)
    label_config: str = Field(alias="schema", max_length=MAX_CHARACTERS)
    extra_params: dict[str, Any] | None = None

    _id = field_validator("project", mode="before")(project_id_of)

    @field_validator("extra_params", mode="before")
    @classmethod
    def _parse_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return from_json(value) if value.strip() else None  # unlike json.loads, it refuses deep nesting
        except ValueError as error:
            raise ValueError(f"extra_params is not JSON: {error}") from error


class TaskItem(BaseModel):
    """A task: its id and its data."""

    id: int = 0
    data: dict[str, Any]


class PredictParams(BaseModel):
    """Options of a prediction; a context holds the prompts of an interactive one."""

    context: dict[str, Any] | None = None


class PredictRequest(BaseModel):
    """Tasks to predict, or one task with prompts."""

    tasks: list[TaskItem] = Field(max_length=MAX_TASKS)
    project: int = Field(gt=0, le=MAX_ID)
    label_config: str = Field(max_length=MAX_CHARACTERS)
    params: PredictParams | None = None

    _id = field_validator("project", mode="before")(project_id_of)


class WebhookProject(BaseModel):
    """The project that an event is about; its invite token is not read."""

    id: int = Field(gt=0, le=MAX_ID)
    label_config: str | None = Field(None, max_length=MAX_CHARACTERS)


class WebhookRequest(BaseModel):
    """An event. Only the project matters: what happened is read from Label Studio."""

    action: str = Field(max_length=64)
    project: WebhookProject


class VersionsRequest(BaseModel):
    """Which project's versions to list; Label Studio sends nothing."""

    project: int | None = Field(None, gt=0, le=MAX_ID)

    _id = field_validator("project", mode="before")(project_id_of)


def body_of(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Make a dependency that reads and checks a request's body.

    Raises
    ------
    HTTPException
        413 if the body is larger than the settings allow, 422 if it does not fit `model`.
    """

    async def read(request: Request) -> Body:
        limit: int = request.app.state.max_body_bytes
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit:
                raise HTTPException(413, f"the body is larger than {limit} bytes")
        try:
            return model.model_validate_json(bytes(content) or b"{}")
        except ValidationError as error:
            raise HTTPException(422, _sentence(error)) from error

    return read


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body for OpenAPI, since `body_of` reads it past FastAPI."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    more = error.error_count() - 1
    return f"{place}: {first['msg']}" + (f" (and {more} more)" if more else "")
