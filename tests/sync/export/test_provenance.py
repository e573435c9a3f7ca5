"""Origin of each object, from annotations as Label Studio lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sync.export.reading.spool import with_parents
from sync.export.reading.statements import read_statements
from sync.geometry.shapes import Box, Point
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def made(config: LabelConfig, task: Say, annotation: Say) -> Callable[..., list[tuple[str, str, str]]]:
    """Return maker, state and version of each object of one annotation."""

    def of(*regions: dict[str, Any], predictions: tuple[dict[str, Any], ...] = (), **more: Any) -> list[tuple[str, str, str]]:
        listed = with_parents(task(annotation(*regions, **more), predictions=predictions))
        (said,) = read_statements(listed, config, report=lambda reason, **_: pytest.fail(reason))
        found = [one.provenance for one in said.objects]
        return [(one.made_by, one.state, one.version) for one in found]

    return of


@pytest.fixture
def box(region: Say) -> Callable[..., dict[str, Any]]:
    def make(x: float = 1.0, **more: Any) -> dict[str, Any]:
        return region("boxes", Box(x, 2, 3, 4), label="Star", size=SIZE, **more)

    return make


def test_what_a_person_drew_names_no_model(made: Any, box: Any) -> None:
    assert made(box(), predictions=({"id": 8, "model_version": "v0001", "result": []},)) == [("human", "drawn", "")]


def test_what_a_model_proposed_was_accepted_or_edited_and_names_its_version(made: Any, box: Any) -> None:
    kept, moved = box(origin="prediction"), box(origin="prediction-changed")
    before = {**moved, "value": {**moved["value"], "x": 50.0}}
    predictions = (
        {"id": 7, "model_version": "v0001", "result": []},
        {"id": 8, "model_version": "v0002", "result": [kept, before]},
    )
    found = made(kept, moved, predictions=predictions, parent_prediction=8)
    assert found == [("model", "accepted", "v0002"), ("model", "edited", "v0002")]


def test_a_prediction_that_outlived_its_version_keeps_its_name(made: Any, box: Any) -> None:
    proposed = box(origin="prediction")
    predictions = ({"id": 8, "model_version": "v0002 (annotated)", "result": [proposed]},)
    assert made(proposed, predictions=predictions, parent_prediction=8) == [("model", "accepted", "v0002")]


def test_a_draft_that_lost_its_parent_finds_it_by_the_ids_of_its_regions(made: Any, box: Any) -> None:
    proposed = box(origin="prediction")
    predictions = (
        {"id": 7, "model_version": "v0001", "result": [box()]},
        {"id": 8, "model_version": "v0002", "result": [proposed]},
    )
    assert made(proposed, predictions=predictions) == [("model", "accepted", "v0002")]


def test_a_prediction_that_is_gone_leaves_a_model_without_a_version(made: Any, box: Any) -> None:
    assert made(box(origin="prediction"), parent_prediction=8) == [("model", "accepted", "")]


def test_regions_without_an_origin_are_compared_with_their_prediction(made: Any, box: Any) -> None:
    same, moved, own = box(origin=None), box(origin=None), box(origin=None)
    before = {**moved, "value": {**moved["value"], "x": 50.0}}
    predictions = ({"id": 8, "model_version": "v0002", "result": [same, before]},)
    found = made(same, moved, own, predictions=predictions, parent_prediction=8)
    assert found == [("model", "accepted", "v0002"), ("model", "edited", "v0002"), ("human", "drawn", "")]


def test_annotator_annotation_and_time_stand_with_the_object(config: LabelConfig, task: Say, annotation: Say, box: Any) -> None:
    said = annotation(box(), by=9, at="2026-11-05T00:00:00Z")
    listed = task({**said, "completed_by": {"id": 9, "email": "person@example.com"}})
    (statement,) = read_statements(listed, config, report=lambda reason, **_: pytest.fail(reason))
    made = statement.objects[0].provenance
    assert (made.annotators, made.annotations, made.time) == ((9,), (said["id"],), "2026-11-05T00:00:00Z")


# --- broken regions


@pytest.fixture
def read(config: LabelConfig, task: Say) -> Callable[..., tuple[int, list[tuple[Any, str]]]]:
    """Return the numbers of objects and answers, and the reported regions."""

    def of(*annotations: Any) -> tuple[int, list[tuple[Any, str]]]:
        reports: list[tuple[Any, str]] = []
        said = read_statements(
            task(*annotations), config, report=lambda reason, *, region=None, **_: reports.append((region, reason))
        )
        return sum(len(one.objects) + len(one.answers) for one in said), reports

    return of


def test_a_broken_region_is_reported_and_the_rest_is_read(read: Any, annotation: Say, region: Say, box: Any) -> None:
    rle = {**region("masks", np.ones((30, 40), bool), label="Arm", size=SIZE)}
    rle["value"] = {**rle["value"], "rle": rle["value"]["rle"][:9]}
    unknown = {**box(), "value": {**box()["value"], "rectanglelabels": ["Quasar"]}}
    left, reports = read(annotation(rle, unknown, "no region", box(), region("morphology", ["Spiral"])))
    assert left == 2
    assert [name for name, _ in reports] == [rle["id"], unknown["id"], None]
    assert "Quasar" in reports[1][1]


@pytest.mark.parametrize(
    "broken", ["no object", {"id": None}, {"id": 5, "result": "no list", "updated_at": "2026"}, {"id": 5, "result": []}]
)
def test_a_broken_annotation_is_reported_and_the_other_one_is_read(read: Any, annotation: Say, box: Any, broken: Any) -> None:
    left, reports = read(broken, annotation(box()))
    assert (left, len(reports)) == (1, 1)


def test_skipped_annotations_are_left_out_in_silence(read: Any, annotation: Say, box: Any) -> None:
    assert read(annotation(box(), was_cancelled=True), annotation(box())) == (1, [])


def test_controls_that_are_not_exported_are_no_fault(read: Any, annotation: Say, box: Any) -> None:
    comment = {"id": "n", "from_name": "note", "to_name": "image", "type": "textarea", "value": {"text": ["odd"]}}
    relation = {"from_id": "a", "to_id": "b", "type": "relation"}
    assert read(annotation(comment, relation, box())) == (1, [])


def test_a_region_that_states_another_size_than_the_others_is_read(read: Any, annotation: Say, box: Any, region: Say) -> None:
    assert read(annotation(box(), region("boxes", Box(1, 2, 3, 4), label="Star", size=(80, 60)))) == (2, [])


def test_a_prompt_that_says_not_here_is_no_object(read: Any, annotation: Say, region: Say) -> None:
    point = {**region("points", Point(1, 2), label="Nucleus", size=SIZE), "is_positive": False}
    left, reports = read(annotation(point))
    assert (left, len(reports)) == (0, 1)
