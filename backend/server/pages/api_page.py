"""The page `/docs`: the paths of the API from its OpenAPI description, readable without JavaScript and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Response

from backend.server.pages.rendering import render

__all__ = ["render_api"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a request body: its name, its JSON types, whether it is required, and its description."""

    name: str
    types: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, with the fields of its body and the meaning of each status."""

    method: str
    path: str
    summary: str
    fields: tuple[Field, ...]
    statuses: Mapping[str, str]
    credentials: str


def render_api(description: Mapping[str, Any]) -> Response:
    """Render an OpenAPI description as a page."""
    operations = [
        _read_operation(method.upper(), path, operation, description)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return render("api.html", root="", operations=operations)


def _read_operation(method: str, path: str, operation: Mapping[str, Any], description: Mapping[str, Any]) -> Operation:
    schemas = description["components"]["schemas"]
    schemes = [name for alternative in operation.get("security", ()) for name in alternative]
    body = operation.get("requestBody")
    fields: tuple[Field, ...] = ()
    if body is not None:
        schema = schemas[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
        fields = tuple(
            Field(name, _types(field), name in schema.get("required", ()), str(field.get("description", "")))
            for name, field in schema.get("properties", {}).items()
        )
    return Operation(
        method,
        path,
        str(operation.get("description") or operation.get("summary", "")),
        fields,
        {status: str(answer["description"]) for status, answer in sorted(operation["responses"].items())},
        ", ".join(sorted(set(schemes))),
    )


def _types(field: Mapping[str, Any]) -> str:
    alternatives = field.get("anyOf", [field])
    return " or ".join(str(each.get("type") or each.get("$ref", "any").rpartition("/")[2]) for each in alternatives)
