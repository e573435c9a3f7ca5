"""Origin of each object, from annotations as Label Studio lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sync.export.reading.annotations import parse_annotations
from sync.export.reading.spool import with_parents
from sync.geometry.shapes import Box, Point
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def origins_of(config: LabelConfig, task: Say, annotation: Say) -> Callable[..., list[tuple[str, str, str]]]:
    """Return maker, state and version of each object of one annotation."""

    def of(*regions: dict[str, Any], predictions: tuple[dict[str, Any], ...] = (), **more: Any) -> list[tuple[str, str, str]]:
        row = with_parents(task(annotation(*regions, **more), predictions=predictions))
        (annotation_record,) = parse_annotations(row, config, report=lambda reason, **_: pytest.fail(reason))
        origins = [obj.provenance for obj in annotation_record.objects]
        return [(obj.made_by, obj.state, obj.version) for obj in origins]

    return of


@pytest.fixture
def box(region: Say) -> Callable[..., dict[str, Any]]:
    def make(x: float = 1.0, **more: Any) -> dict[str, Any]:
        return region("boxes", Box(x, 2, 3, 4), label="Star", size=SIZE, **more)

    return make


def test_a_region_that_a_person_drew_names_no_model(origins_of: Any, box: Any) -> None:
    assert origins_of(box(), predictions=({"id": 8, "model_version": "v0001", "result": []},)) == [("human", "drawn", "")]


def test_accepted_and_edited_predictions_name_their_version(origins_of: Any, box: Any) -> None:
    same_box, moved_box = box(origin="prediction"), box(origin="prediction-changed")
    before = {**moved_box, "value": {**moved_box["value"], "x": 50.0}}
    predictions = (
        {"id": 7, "model_version": "v0001", "result": []},
        {"id": 8, "model_version": "v0002", "result": [same_box, before]},
    )
    origins = origins_of(same_box, moved_box, predictions=predictions, parent_prediction=8)
    assert origins == [("model", "accepted", "v0002"), ("model", "edited", "v0002")]


def test_a_kept_prediction_of_a_pruned_version_names_it(origins_of: Any, box: Any) -> None:
    proposal = box(origin="prediction")
    predictions = ({"id": 8, "model_version": "v0002 (annotated)", "result": [proposal]},)
    assert origins_of(proposal, predictions=predictions, parent_prediction=8) == [("model", "accepted", "v0002")]


def test_the_parent_of_a_draft_is_found_by_the_ids_of_its_regions(origins_of: Any, box: Any) -> None:
    proposal = box(origin="prediction")
    predictions = (
        {"id": 7, "model_version": "v0001", "result": [box()]},
        {"id": 8, "model_version": "v0002", "result": [proposal]},
    )
    assert origins_of(proposal, predictions=predictions) == [("model", "accepted", "v0002")]


def test_a_deleted_prediction_leaves_a_model_without_a_version(origins_of: Any, box: Any) -> None:
    assert origins_of(box(origin="prediction"), parent_prediction=8) == [("model", "accepted", "")]


def test_regions_without_an_origin_are_compared_with_their_prediction(origins_of: Any, box: Any) -> None:
    same, moved_box, drawn_box = box(origin=None), box(origin=None), box(origin=None)
    before = {**moved_box, "value": {**moved_box["value"], "x": 50.0}}
    predictions = ({"id": 8, "model_version": "v0002", "result": [same, before]},)
    origins = origins_of(same, moved_box, drawn_box, predictions=predictions, parent_prediction=8)
    assert origins == [("model", "accepted", "v0002"), ("model", "edited", "v0002"), ("human", "drawn", "")]


def test_an_object_has_annotator_annotation_and_time(config: LabelConfig, task: Say, annotation: Say, box: Any) -> None:
    note = annotation(box(), by=9, at="2026-11-05T00:00:00Z")
    row = task({**note, "completed_by": {"id": 9, "email": "person@example.com"}})
    (annotation_record,) = parse_annotations(row, config, report=lambda reason, **_: pytest.fail(reason))
    origin = annotation_record.objects[0].provenance
    assert (origin.annotators, origin.annotations, origin.time) == ((9,), (note["id"],), "2026-11-05T00:00:00Z")


# --- broken regions


@pytest.fixture
def read(config: LabelConfig, task: Say) -> Callable[..., tuple[int, list[tuple[Any, str]]]]:
    """Return the numbers of objects and answers, and the reported regions."""

    def of(*annotations: Any) -> tuple[int, list[tuple[Any, str]]]:
        reports: list[tuple[Any, str]] = []
        annotation_record = parse_annotations(
            task(*annotations), config, report=lambda reason, *, region=None, **_: reports.append((region, reason))
        )
        return sum(len(annotation.objects) + len(annotation.answers) for annotation in annotation_record), reports

    return of


def test_a_malformed_region_is_reported_and_the_rest_is_read(read: Any, annotation: Say, region: Say, box: Any) -> None:
    rle = {**region("masks", np.ones((30, 40), bool), label="Arm", size=SIZE)}
    rle["value"] = {**rle["value"], "rle": rle["value"]["rle"][:9]}
    unknown = {**box(), "value": {**box()["value"], "rectanglelabels": ["Quasar"]}}
    count, reports = read(annotation(rle, unknown, "no region", box(), region("morphology", ["Spiral"])))
    assert count == 2
    assert [name for name, _ in reports] == [rle["id"], unknown["id"], None]
    assert "Quasar" in reports[1][1]


@pytest.mark.parametrize(
    "entry", ["no object", {"id": None}, {"id": 5, "result": "no list", "updated_at": "2026"}, {"id": 5, "result": []}]
)
def test_a_malformed_annotation_is_reported_and_the_other_is_read(read: Any, annotation: Say, box: Any, entry: Any) -> None:
    count, reports = read(entry, annotation(box()))
    assert (count, len(reports)) == (1, 1)


def test_skipped_annotations_are_left_out_without_a_report(read: Any, annotation: Say, box: Any) -> None:
    assert read(annotation(box(), was_cancelled=True), annotation(box())) == (1, [])


def test_controls_that_are_not_exported_are_not_a_fault(read: Any, annotation: Say, box: Any) -> None:
    comment = {"id": "n", "from_name": "note", "to_name": "image", "type": "textarea", "value": {"text": ["odd"]}}
    relation = {"from_id": "a", "to_id": "b", "type": "relation"}
    assert read(annotation(comment, relation, box())) == (1, [])


def test_a_region_that_states_another_size_than_the_others_is_read(read: Any, annotation: Say, box: Any, region: Say) -> None:
    assert read(annotation(box(), region("boxes", Box(1, 2, 3, 4), label="Star", size=(80, 60)))) == (2, [])


def test_a_negative_prompt_is_not_an_object(read: Any, annotation: Say, region: Say) -> None:
    point = {**region("points", Point(1, 2), label="Nucleus", size=SIZE), "is_positive": False}
    count, reports = read(annotation(point))
    assert (count, len(reports)) == (0, 1)
