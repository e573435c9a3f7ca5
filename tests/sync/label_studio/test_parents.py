"""Parent predictions are found by their version's name, or by the predicted regions in an annotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from sync.label_studio.annotations import Annotation
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.parents import Parent, find_parent, has_parent


class Shelf:
    """Stored predictions, as Label Studio's API lists them."""

    def __init__(self, *predictions: dict[str, Any], refuses: int | None = None) -> None:
        self._predictions = predictions
        self._refuses = refuses

    def get(self, path: str, **params: Any) -> Any:
        if self._refuses:
            raise LabelStudioError("refused", status=self._refuses)
        if path == "/api/predictions/":
            return [one for one in self._predictions if one["task"] == params["task"]]
        found = [one for one in self._predictions if path == f"/api/predictions/{one['id']}/"]
        if not found:
            raise LabelStudioError("No Prediction matches the given query.", status=404)
        return found[0]


def regions(*ids: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": one, **more} for one in ids]


def prediction(id_: int, *ids: str, version: str = "v0002", task: int = 3) -> dict[str, Any]:
    return {"id": id_, "task": task, "model_version": version, "result": regions(*ids)}


def annotation(result: list[dict[str, Any]], *, parent: int | None = None) -> Annotation:
    return Annotation(1, 3, {}, result, "2026-01-01T00:00:00Z", 1, False, parent, None)


def find(shelf: Shelf, made: Annotation) -> Parent | None:
    return find_parent(cast(LabelStudioClient, shelf), made)


@pytest.mark.parametrize("origin", ["prediction", "prediction-changed"])
def test_regions_that_came_from_a_prediction_say_that_there_was_one(origin: str) -> None:
    assert has_parent(annotation(regions("a", origin="manual") + regions("b", origin=origin)))


def test_an_annotation_that_was_begun_empty_has_no_parent() -> None:
    assert not has_parent(annotation(regions("a", origin="manual")))
    assert not has_parent(annotation(regions("a")))
    assert has_parent(annotation([], parent=9))


def test_the_parent_is_the_prediction_that_the_annotation_names() -> None:
    shelf = Shelf(prediction(8, "a", version="v0001"), prediction(9))
    assert find(shelf, annotation(regions("a"), parent=9)) == Parent("v0002", [])


def test_a_prediction_that_was_kept_when_its_version_was_pruned_is_still_that_versions() -> None:
    shelf = Shelf(prediction(9, "a", version="v0002 (annotated)"))
    assert find(shelf, annotation([], parent=9)) == Parent("v0002", regions("a"))


def test_a_parent_that_is_gone_is_none() -> None:
    assert find(Shelf(), annotation(regions("a"), parent=9)) is None


def test_an_annotation_that_has_forgotten_its_parent_is_known_by_its_regions() -> None:
    shelf = Shelf(prediction(7, "x"), prediction(8, "a", "b", version="v0001"), prediction(9, "a", task=4))
    found = find(shelf, annotation(regions("b", origin="prediction") + regions("new", origin="manual")))
    assert found == Parent("v0001", regions("a", "b"))


@pytest.mark.parametrize("shelf", [Shelf(), Shelf(prediction(7, "x"))])
def test_regions_that_no_prediction_of_the_task_has_tell_of_none(shelf: Shelf) -> None:
    assert find(shelf, annotation(regions("a", origin="prediction"))) is None


def test_a_refusal_for_another_reason_is_no_missing_parent() -> None:
    with pytest.raises(LabelStudioError, match="refused"):
        find(Shelf(refuses=403), annotation([], parent=9))


@pytest.mark.parametrize("result", [None, "text", [1, None]])
def test_a_broken_prediction_has_no_regions(result: Any) -> None:
    broken: Mapping[str, Any] = prediction(9) | {"result": result}
    assert find(Shelf(dict(broken)), annotation([], parent=9)) == Parent("v0002", [])
