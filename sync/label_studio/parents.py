"""Parent of an annotation: the prediction that the annotation started from.

`parent_prediction` may be missing. Measured with Label Studio 1.23.2: an annotation that is submitted from a draft has none,
and deleting a prediction removes it from its annotations. The regions keep an `origin`, and their ids in the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync.label_studio.annotations import Annotation
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.predictions import KEPT_SUFFIX

__all__ = ["Parent", "find_parent", "has_parent"]

_NOT_FOUND = 404
_PREDICTED = ("prediction", "prediction-changed")
"""`origin` of a region that was copied from a prediction, and of one that was edited since; otherwise it is "manual"."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A prediction in Label Studio.

    Attributes
    ----------
    version : str
        Version of the prediction, such as ``v0002-3f9a7c``, without `KEPT_SUFFIX`.
    result : list of dict
        Regions; not validated.
    """

    version: str
    result: list[dict[str, Any]]


def has_parent(annotation: Annotation) -> bool:
    """Return whether an annotation started from a prediction, by its `parent_prediction` or the `origin` of its regions."""
    return annotation.parent_prediction is not None or any(region.get("origin") in _PREDICTED for region in annotation.result)


def find_parent(client: LabelStudioClient, annotation: Annotation) -> Parent | None:
    """Return the prediction that an annotation started from; None if it was deleted.

    If the annotation has no `parent_prediction`, return the prediction of its task that shares most region ids with it.
    """
    if annotation.parent_prediction is not None:
        try:
            return _parent(client.get(f"/api/predictions/{annotation.parent_prediction}/"))
        except LabelStudioError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
    ids = _ids(annotation.result)
    candidates = [_parent(item) for item in client.get("/api/predictions/", task=annotation.task_id)]
    likeliest_parent = max(candidates, key=lambda parent: len(ids & _ids(parent.result)), default=None)
    return likeliest_parent if likeliest_parent is not None and ids & _ids(likeliest_parent.result) else None


def _parent(item: dict[str, Any]) -> Parent:
    result = item["result"] if isinstance(item["result"], list) else []
    regions = [region for region in result if isinstance(region, dict)]
    return Parent(version=str(item["model_version"]).removesuffix(KEPT_SUFFIX), result=regions)


def _ids(result: list[dict[str, Any]]) -> set[str]:
    return {str(region["id"]) for region in result if region.get("id")}
