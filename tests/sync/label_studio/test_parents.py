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
            return [prediction for prediction in self._predictions if prediction["task"] == params["task"]]
        matches = [prediction for prediction in self._predictions if path == f"/api/predictions/{prediction['id']}/"]
        if not matches:
            raise LabelStudioError("No Prediction matches the given query.", status=404)
        return matches[0]


def regions(*ids: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": region_id, **more} for region_id in ids]


def prediction(id_: int, *ids: str, version: str = "v0002", task: int = 3) -> dict[str, Any]:
    return {"id": id_, "task": task, "model_version": version, "result": regions(*ids)}


def annotation(result: list[dict[str, Any]], *, parent: int | None = None) -> Annotation:
    return Annotation(1, 3, {}, result, "2026-01-01T00:00:00Z", 1, False, parent, None)


def find(shelf: Shelf, note: Annotation) -> Parent | None:
    return find_parent(cast(LabelStudioClient, shelf), note)


@pytest.mark.parametrize("origin", ["prediction", "prediction-changed"])
def test_regions_with_a_predicted_origin_imply_a_parent(origin: str) -> None:
    assert has_parent(annotation(regions("a", origin="manual") + regions("b", origin=origin)))


def test_an_annotation_that_was_started_empty_has_no_parent() -> None:
    assert not has_parent(annotation(regions("a", origin="manual")))
    assert not has_parent(annotation(regions("a")))
    assert has_parent(annotation([], parent=9))


def test_the_parent_is_the_prediction_that_the_annotation_names() -> None:
    shelf = Shelf(prediction(8, "a", version="v0001"), prediction(9))
    assert find(shelf, annotation(regions("a"), parent=9)) == Parent("v0002", [])


def test_a_parent_kept_by_pruning_still_has_its_version() -> None:
    shelf = Shelf(prediction(9, "a", version="v0002 (annotated)"))
    assert find(shelf, annotation([], parent=9)) == Parent("v0002", regions("a"))


def test_a_deleted_parent_gives_none() -> None:
    assert find(Shelf(), annotation(regions("a"), parent=9)) is None


def test_a_parent_is_found_by_the_ids_of_the_regions() -> None:
    shelf = Shelf(prediction(7, "x"), prediction(8, "a", "b", version="v0001"), prediction(9, "a", task=4))
    parent = find(shelf, annotation(regions("b", origin="prediction") + regions("new", origin="manual")))
    assert parent == Parent("v0001", regions("a", "b"))


@pytest.mark.parametrize("shelf", [Shelf(), Shelf(prediction(7, "x"))])
def test_regions_without_a_matching_prediction_have_no_parent(shelf: Shelf) -> None:
    assert find(shelf, annotation(regions("a", origin="prediction"))) is None


def test_another_error_is_not_a_missing_parent() -> None:
    with pytest.raises(LabelStudioError, match="refused"):
        find(Shelf(refuses=403), annotation([], parent=9))


@pytest.mark.parametrize("result", [None, "text", [1, None]])
def test_a_malformed_prediction_has_no_regions(result: Any) -> None:
    bad_prediction: Mapping[str, Any] = prediction(9) | {"result": result}
    assert find(Shelf(dict(bad_prediction)), annotation([], parent=9)) == Parent("v0002", [])
