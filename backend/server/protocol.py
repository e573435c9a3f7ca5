"""Label Studio's ML protocol: models of the bodies that it sends, and functions that read them from a request.

Bodies reach tens of megabytes, because annotations contain their masks; the parser skips fields that are not declared here. The
answer to an invalid body is one sentence, never a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import HTTPException, Request
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator
from pydantic_core import from_json

from backend.registry.records import MAX_ID
from backend.server.request_body import receive_body
from sync.labelling.config import MAX_CHARACTERS

__all__ = [
    "PredictRequest",
    "SetupRequest",
    "TaskItem",
    "VersionsRequest",
    "WebhookRequest",
    "body_of",
    "parse_body",
    "predict_body",
    "project_id_of",
    "read_content",
]

MAX_TASKS = 100_000
MAX_LISTS = 4_000_000
"""Largest number of lists and objects in a body whose values are kept: each takes up to 140 bytes of memory for two bytes of
JSON, and while a body is parsed, the server answers nothing else."""
PROJECT_ID = re.compile(r"([0-9]{1,18})(?:\.[0-9]*)?")
Body = TypeVar("Body", bound=BaseModel)


def _check_characters(label_config: str) -> str:
    if "\0" in label_config:  # PostgreSQL cannot store it
        raise ValueError("the labelling config has the character 0, which XML does not allow")
    return label_config


ConfigText = Annotated[
    str,
    Field(max_length=MAX_CHARACTERS, json_schema_extra={"pattern": r"^[^\u0000]*$"}),
    AfterValidator(_check_characters),
]


def project_id_of(value: Any) -> int:
    """Return a project's id as Label Studio sends it: "12.1795416464" is the id, a dot, and the time of creation.

    Raises
    ------
    ValueError
        If `value` does not have this form.
    """
    match = PROJECT_ID.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r:.40} is not a project id")
    return int(match[1])


class SetupRequest(BaseModel):
    """The body of `/setup`, which Label Studio sends on most actions of a user; its `access_token` is not read."""

    project: int = Field(gt=0, le=MAX_ID)
    label_config: ConfigText = Field(alias="schema")
    extra_params: dict[str, Any] | None = None

    _id = field_validator("project", mode="before")(project_id_of)

    @field_validator("extra_params", mode="before")
    @classmethod
    def _parse_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return from_json(value) if value.strip() else None  # unlike json.loads, it rejects deep nesting
        except ValueError as error:
            raise ValueError(f"extra_params is not JSON: {error}") from error

    @field_validator("extra_params")
    @classmethod
    def _check_options(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value:
            # Imported here, since scipy takes as much memory as the rest of the server.
            from backend.loop.extra_params import check_extra_params

            check_extra_params(value)
        return value


class TaskItem(BaseModel):
    """A task: its id and its data."""

    id: int = 0
    data: dict[str, Any]

    @property
    def stored_results(self) -> dict[str, Any]:
        """Stored predictions, annotations and drafts; read only with prompts, since they reach tens of megabytes."""
        return {}


class PromptedTaskItem(TaskItem):
    """The task of a prompt, with the predictions, annotations and drafts that the annotator's screen may show."""

    predictions: Any = None
    annotations: Any = None
    drafts: Any = None

    @property
    def stored_results(self) -> dict[str, Any]:
        """Predictions, annotations and drafts, not validated."""
        return {"predictions": self.predictions, "annotations": self.annotations, "drafts": self.drafts}


class PredictParams(BaseModel):
    """Options of a prediction; the context holds the prompts of an interactive prediction."""

    context: dict[str, Any] | None = None


class PredictRequest(BaseModel):
    """Tasks to predict, or one task with prompts."""

    tasks: list[TaskItem] = Field(max_length=MAX_TASKS)
    project: int = Field(gt=0, le=MAX_ID)
    label_config: ConfigText
    params: PredictParams | None = None

    _id = field_validator("project", mode="before")(project_id_of)


class PromptRequest(PredictRequest):
    """One task with prompts."""

    tasks: list[PromptedTaskItem] = Field(max_length=MAX_TASKS)  # type: ignore[assignment]  # pydantic allows a narrower item


class WebhookProject(BaseModel):
    """The project that an event is about; its invite token is not read."""

    id: int = Field(gt=0, le=MAX_ID)
    label_config: ConfigText | None = None


class WebhookRequest(BaseModel):
    """An event. Only the action and the project are read: the worker reads the annotations from Label Studio."""

    action: str = Field(max_length=64)
    project: WebhookProject


class VersionsRequest(BaseModel):
    """The project whose versions to list; Label Studio sends an empty body."""

    project: int | None = Field(None, gt=0, le=MAX_ID)

    @field_validator("project", mode="before")
    @classmethod
    def _id(cls, value: Any) -> int | None:
        return None if value is None else project_id_of(value)


def body_of(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Return a dependency that reads and validates a request's body.

    Raises
    ------
    HTTPException
        408 if the body takes too long, 413 if it is larger than the settings allow or has too many lists and objects, 415 if
        its Content-Type is not JSON, 422 if `model` does not validate it. The dependency raises it.
    """

    async def read(request: Request) -> Body:
        return parse_body(model, await read_content(request))

    return read


async def predict_body(request: Request) -> PredictRequest:
    """Read the body of `/predict`; with prompts, also the task's stored predictions, annotations and drafts.

    Raises
    ------
    HTTPException
        As `body_of`.
    """
    content = await read_content(request)
    body = parse_body(PredictRequest, content)
    has_prompts = body.params is not None and body.params.context is not None and body.params.context.get("result")
    return parse_body(PromptRequest, content) if has_prompts else body


async def read_content(request: Request) -> bytes:
    """Receive the body of a request, which must be JSON by its Content-Type; errors as `body_of`."""
    content = await receive_body(request, limit=request.app.state.max_body_bytes)
    # Browsers let a page of another site send text and forms. JSON needs a CORS preflight, which this server does not allow.
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content and not (kind == "application/json" or kind.endswith("+json")):
        raise HTTPException(415, "the body must be JSON, with the header Content-Type: application/json")
    return content or b"{}"


def parse_body(model: type[Body], content: bytes) -> Body:
    """Parse and validate a body; errors as `body_of`."""
    if model is not WebhookRequest and content.count(b"[") + content.count(b"{") > MAX_LISTS:  # of events no list is kept
        raise HTTPException(413, f"the body has more than {MAX_LISTS} lists and objects")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise HTTPException(422, _describe_error(error)) from error


def _describe_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    further_errors = error.error_count() - 1
    return f"{place}: {first['msg']}" + (f" (and {further_errors} more)" if further_errors else "")
