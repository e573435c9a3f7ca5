"""The origin of a predicted region follows from its values, and from Label Studio's mark only if the values are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sync.export.reading.origins import states_of
from sync.export.reading.spool import with_parents
from sync.export.reading.statements import read_statements
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]
TRIANGLE = np.array([[3.0, 4], [20, 6], [11, 22]])
MASK = np.tri(30, 40, dtype=bool)


@pytest.fixture
def predicted(region: Say) -> list[dict[str, Any]]:
    """Return a region of every control, as in a prediction: without an origin."""
    drawn = {
        "boxes": (Box(1, 2, 3, 4), "Star"),
        "ellipses": (Ellipse(20, 15, 6, 4, 30), "Galaxy"),
        "polygons": (Polygon(TRIANGLE), "Galaxy"),
        "masks": (MASK, "Arm"),
        "points": (Point(3, 4), "Nucleus"),
    }
    shapes = [region(name, shape, label=label, size=SIZE, origin=None) for name, (shape, label) in drawn.items()]
    said = {"morphology": ["Spiral"], "features": ["Bar", "Ring"], "tree": [("Featured", "Arms")], "redshift": 0.5}
    return shapes + [region(name, what, origin=None) for name, what in said.items()]


def test_what_comes_back_bit_for_bit_is_accepted_whatever_its_origin(predicted: list[dict[str, Any]]) -> None:
    for origin in ("prediction", "prediction-changed", "manual"):
        assert set(states_of([{**one, "origin": origin} for one in predicted], predicted)) == {"accepted"}


def test_numbers_written_anew_are_the_same_to_a_millionth(region: Say) -> None:
    before = region("ellipses", Ellipse(20, 15, 6, 4, 30), label="Galaxy", size=SIZE)
    after = {**before, "value": {key: one * (1 + 1e-12) if key in "xy" else one for key, one in before["value"].items()}}
    assert states_of([after], [before]) == ["accepted"]


def test_a_dragged_polygon_is_edited_though_its_origin_says_prediction(region: Say) -> None:
    before = region("polygons", Polygon(TRIANGLE), label="Galaxy", size=SIZE)
    after = {**region("polygons", Polygon(TRIANGLE + 2), label="Galaxy", size=SIZE, origin="prediction"), "id": before["id"]}
    assert states_of([after], [before]) == ["edited"]


def test_the_copy_of_a_region_is_drawn_though_its_origin_says_prediction(predicted: list[dict[str, Any]]) -> None:
    copies = [{**one, "id": "copy", "origin": "prediction"} for one in predicted[:5]]
    assert states_of(copies, predicted) == ["drawn"] * 5


def test_a_class_that_was_cleared_and_chosen_again_is_accepted(region: Say) -> None:
    before, again = region("features", ["Bar", "Ring"]), region("features", ["Ring", "Bar"], origin="manual")
    assert before["id"] != again["id"]
    assert states_of([again], [before]) == ["accepted"]


def test_another_class_another_number_and_another_mask_are_told_apart(region: Say) -> None:
    before = [region("morphology", ["Spiral"]), region("redshift", 0.5), region("masks", MASK, label="Arm", size=SIZE)]
    after = [region("morphology", ["Smooth"]), region("redshift", 0.6), region("masks", ~MASK, label="Arm", size=SIZE)]
    after[2]["id"] = before[2]["id"]
    assert states_of(after, before) == ["relabelled", "relabelled", "edited"]


def test_a_damaged_prediction_vouches_for_nothing(region: Say) -> None:
    good = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    assert states_of([good, "no region"], [{**good, "value": None}, 7]) == ["relabelled", "drawn"]


def test_regions_predicted_without_an_id_are_told_by_their_origin(region: Say) -> None:
    before = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    after = [{**before, "id": "new", "origin": origin} for origin in ("prediction", "manual")]
    assert states_of(after, [{key: one for key, one in before.items() if key != "id"}]) == ["accepted", "drawn"]


def test_where_the_prediction_is_gone_the_origin_tells(region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    origins = ("prediction", "prediction-changed", "manual", None)
    said = states_of([{**box, "origin": origin} for origin in origins], None)
    assert said == ["accepted", "relabelled", "drawn", "drawn"]


# --- the score


def test_the_score_goes_with_the_class_that_it_was_given_to(
    config: LabelConfig, task: Say, annotation: Say, region: Say
) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=SIZE, score=0.93, origin="prediction")
    moved = {**box, "id": "moved", "value": {**box["value"], "x": 50.0}}
    star = {**box, "id": "star", "value": {**box["value"], "rectanglelabels": ["Star"]}}
    said = region("morphology", ["Spiral"], score=0.8)
    smooth = {**said, "value": {"choices": ["Smooth"]}}
    predicted = {"id": 8, "model_version": "v0002", "result": [box, *({**box, "id": one["id"]} for one in (moved, star)), said]}
    listed = with_parents(task(annotation(box, moved, star, smooth, parent_prediction=8), predictions=(predicted,)))
    (read,) = read_statements(listed, config, report=lambda reason, **_: pytest.fail(reason))
    found = [(one.label, one.probability, one.provenance.state) for one in read.objects]
    assert found == [("Galaxy", 0.93, "accepted"), ("Galaxy", 0.93, "edited"), ("Star", None, "edited")]
    assert [(one.labels, one.probability, one.provenance.state) for one in read.answers] == [(("Smooth",), None, "edited")]
