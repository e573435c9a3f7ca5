"""The origin of a predicted region follows from its values, and from Label Studio's mark only if the values are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sync.export.reading.annotations import parse_annotations
from sync.export.reading.origins import states_of
from sync.export.reading.spool import with_parents
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]
TRIANGLE = np.array([[3.0, 4], [20, 6], [11, 22]])
MASK = np.tri(30, 40, dtype=bool)


@pytest.fixture
def predictions(region: Say) -> list[dict[str, Any]]:
    """Return a region of every control, as in a prediction: without an origin."""
    shapes = {
        "boxes": (Box(1, 2, 3, 4), "Star"),
        "ellipses": (Ellipse(20, 15, 6, 4, 30), "Galaxy"),
        "polygons": (Polygon(TRIANGLE), "Galaxy"),
        "masks": (MASK, "Arm"),
        "points": (Point(3, 4), "Nucleus"),
    }
    objects = [region(name, shape, label=label, size=SIZE, origin=None) for name, (shape, label) in shapes.items()]
    answers = {"morphology": ["Spiral"], "features": ["Bar", "Ring"], "tree": [("Featured", "Arms")], "redshift": 0.5}
    return objects + [region(name, what, origin=None) for name, what in answers.items()]


def test_an_unchanged_region_is_accepted_for_any_origin(predictions: list[dict[str, Any]]) -> None:
    for origin in ("prediction", "prediction-changed", "manual"):
        assert set(states_of([{**predicted_region, "origin": origin} for predicted_region in predictions], predictions)) == {
            "accepted"
        }


def test_rounded_numbers_are_the_same_to_a_millionth(region: Say) -> None:
    before = region("ellipses", Ellipse(20, 15, 6, 4, 30), label="Galaxy", size=SIZE)
    after = {
        **before,
        "value": {key: number * (1 + 1e-12) if key in "xy" else number for key, number in before["value"].items()},
    }
    assert states_of([after], [before]) == ["accepted"]


def test_a_dragged_polygon_is_edited_despite_its_origin(region: Say) -> None:
    before = region("polygons", Polygon(TRIANGLE), label="Galaxy", size=SIZE)
    after = {**region("polygons", Polygon(TRIANGLE + 2), label="Galaxy", size=SIZE, origin="prediction"), "id": before["id"]}
    assert states_of([after], [before]) == ["edited"]


def test_the_copy_of_a_region_is_drawn_despite_its_origin(predictions: list[dict[str, Any]]) -> None:
    copies = [{**original, "id": "copy", "origin": "prediction"} for original in predictions[:5]]
    assert states_of(copies, predictions) == ["drawn"] * 5


def test_a_class_that_was_cleared_and_chosen_again_is_accepted(region: Say) -> None:
    before, second = region("features", ["Bar", "Ring"]), region("features", ["Ring", "Bar"], origin="manual")
    assert before["id"] != second["id"]
    assert states_of([second], [before]) == ["accepted"]


def test_changed_classes_numbers_and_masks_are_distinguished(region: Say) -> None:
    before = [region("morphology", ["Spiral"]), region("redshift", 0.5), region("masks", MASK, label="Arm", size=SIZE)]
    after = [region("morphology", ["Smooth"]), region("redshift", 0.6), region("masks", ~MASK, label="Arm", size=SIZE)]
    after[2]["id"] = before[2]["id"]
    assert states_of(after, before) == ["relabelled", "relabelled", "edited"]


def test_a_damaged_prediction_accepts_nothing(region: Say) -> None:
    good_box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    assert states_of([good_box, "no region"], [{**good_box, "value": None}, 7]) == ["relabelled", "drawn"]


def test_regions_predicted_without_an_id_have_the_state_of_their_origin(region: Say) -> None:
    before = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    after = [{**before, "id": "new", "origin": origin} for origin in ("prediction", "manual")]
    assert states_of(after, [{key: value for key, value in before.items() if key != "id"}]) == ["accepted", "drawn"]


def test_without_a_prediction_the_origin_decides(region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    origins = ("prediction", "prediction-changed", "manual", None)
    states = states_of([{**box, "origin": origin} for origin in origins], None)
    assert states == ["accepted", "relabelled", "drawn", "drawn"]


# --- the score


def test_the_score_is_kept_with_its_class_only(config: LabelConfig, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=SIZE, score=0.93, origin="prediction")
    moved_box = {**box, "id": "moved", "value": {**box["value"], "x": 50.0}}
    star = {**box, "id": "star", "value": {**box["value"], "rectanglelabels": ["Star"]}}
    choice = region("morphology", ["Spiral"], score=0.8)
    smooth = {**choice, "value": {"choices": ["Smooth"]}}
    predictions = {
        "id": 8,
        "model_version": "v0002",
        "result": [box, {**box, "id": "moved"}, {**box, "id": "star"}, choice],
    }
    tasks = with_parents(task(annotation(box, moved_box, star, smooth, parent_prediction=8), predictions=(predictions,)))
    (read,) = parse_annotations(tasks, config, report=lambda reason, **_: pytest.fail(reason))
    states = [(obj.label, obj.probability, obj.provenance.state) for obj in read.objects]
    assert states == [("Galaxy", 0.93, "accepted"), ("Galaxy", 0.93, "edited"), ("Star", None, "edited")]
    assert [(answer.labels, answer.probability, answer.provenance.state) for answer in read.answers] == [
        (("Smooth",), None, "edited")
    ]
