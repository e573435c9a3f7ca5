from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface

from sync.controls import CONTROLS
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.label_studio.validation import check_prediction, sort_regions
from sync.labelling.config import Control, parse

XML = """<View>
  <Image name="image" value="$image"/>
  <Choices name="morph" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>
  <Choices name="tags" toName="image" choice="multiple"><Choice value="Ring"/><Choice value="Bar"/></Choices>
  <Taxonomy name="tree" toName="image"><Choice value="Disk"><Choice value="Spiral"/></Choice></Taxonomy>
  <RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels>
  <EllipseLabels name="ellipse" toName="image"><Label value="Galaxy"/></EllipseLabels>
  <BrushLabels name="mask" toName="image"><Label value="Galaxy"/></BrushLabels>
  <BitmaskLabels name="bitmask" toName="image"><Label value="Galaxy"/></BitmaskLabels>
  <VectorLabels name="vector" toName="image" closable="true"><Label value="Galaxy"/></VectorLabels>
  <PolygonLabels name="outline" toName="image"><Label value="Galaxy"/></PolygonLabels>
  <KeyPointLabels name="point" toName="image"><Label value="Galaxy"/></KeyPointLabels>
  <Number name="z" toName="image" min="0" max="10" step="0.5"/>
</View>"""
CONFIG = parse(XML)
INTERFACE = LabelInterface(XML)
SIZE = (200, 100)
ON_IMAGE: dict[str, Any] = {"label": "Galaxy", "size": SIZE, "score": 0.5}


def control(name: str) -> Control:
    control_of_name = CONFIG.control(name)
    assert control_of_name is not None
    return control_of_name


def encode(name: str, what: Any, **more: Any) -> dict[str, Any]:
    return CONTROLS[control(name).tag].encode(what, control=control(name), **more)


def regions() -> list[dict[str, Any]]:
    """Return one valid region of every control."""
    mask = np.zeros((100, 200), dtype=np.bool_)
    mask[20:50, 30:90] = True
    return [
        encode("morph", ["Spiral"], score=0.7),
        encode("tags", ["Ring", "Bar"], score=0.7),
        encode("tree", [("Disk", "Spiral")], score=0.7),
        encode("box", Box(33.3, 12.1, 500, 500), **ON_IMAGE),
        encode("box", Box(100, 50, 90, 10, rotation=300), **ON_IMAGE),
        encode("ellipse", Ellipse(100, 50, 90, 20, rotation=359), **ON_IMAGE),
        encode("mask", mask, **ON_IMAGE),
        encode("bitmask", mask, **ON_IMAGE),
        encode("vector", Polygon(np.array([[-5.0, 0.0], [250.0, 0.0], [30.0, 80.0]])), **ON_IMAGE),
        encode("outline", Polygon(np.array([[-5.0, 0.0], [250.0, 0.0], [30.0, 80.0]])), **ON_IMAGE),
        encode("point", Point(200, 100), **ON_IMAGE),
        encode("z", 11.2, score=1),
    ]


def faults(result: Any, **more: Any) -> list[str]:
    return check_prediction({"result": result, "score": 0.5, "model_version": "v0001", **more}, CONFIG, INTERFACE)


def test_encoded_regions_are_valid_here_and_on_the_server() -> None:
    assert faults(regions()) == []
    assert faults([]) == []
    assert faults([], score=None) == []


@pytest.mark.parametrize("score", [-0.1, 1.1, 7.5, math.nan, "0.5", True])
def test_a_score_outside_0_to_1_is_a_fault(score: Any) -> None:
    (fault,) = faults([], score=score)
    assert "score of the prediction" in fault
    (fault,) = faults([{**regions()[0], "score": score}])
    assert "score of region 0" in fault


@pytest.mark.parametrize("result", [None, {}, "[]"])
def test_a_result_that_is_not_a_list_is_a_fault(result: Any) -> None:
    assert len(faults(result)) == 1
    assert check_prediction([], CONFIG) == ["a prediction must be an object, not []"]  # type: ignore[arg-type]


def value_of(name: str, **changes: Any) -> Callable[[], dict[str, Any]]:
    """Return a valid region of the control `name` with changes in its value."""

    def make() -> dict[str, Any]:
        region = next(region for region in regions() if region["from_name"] == name)
        region["value"] |= changes
        return region

    return make


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (value_of("z", number=11), "takes 10"),
        (value_of("z", number=-1), "takes 0"),
        (value_of("z", number=1.2), "takes 1.0"),
        (value_of("z", number=math.nan), "finite"),
        (value_of("box", x=90, width=20, y=0, height=5), "x + width"),
        (value_of("box", y=99, height=1.1, x=0, width=5), "y + height"),
        (value_of("box", x=-0.01), "between 0 and 100"),
        (value_of("box", width=0), "above 0"),
        (value_of("box", height=-1), "above 0"),
        (value_of("box", rotation=math.inf), "rotation"),
        (value_of("ellipse", radiusX=0), "above 0"),
        (value_of("point", y=150), "between 0 and 100"),
        (value_of("point", width=math.nan), "not finite"),
        (value_of("outline", points=[[0, 0], [1, 1], [-1, 2]]), "between 0 and 100"),
        (value_of("outline", points=[[0, 0], [1, 1]]), "points"),
        (value_of("outline", points=[[0, 0], [1, 1], [None, 2]]), "must be a number"),
        (value_of("mask", rle=[0] * 20), "does not fit"),
        (value_of("mask", rle=[]), "list of bytes"),
        (value_of("bitmask", imageDataURL="data:image/png;base64,AAAA"), "PNG"),
        (value_of("vector", closed=False), "open"),
        (value_of("vector", vertices=[{"x": x, "y": 101} for x in (0, 1, 2)]), "between 0 and 100"),
        (value_of("morph", choices=["Spiral", "Elliptical"]), "allows one"),
        (value_of("morph", choices=["Cat"]), "does not offer"),
        (value_of("tree", taxonomy=[["Spiral"]]), "does not offer"),
        (lambda: {**regions()[0], "value": None}, "must be an object"),
        (lambda: {**regions()[0], "from_name": "other"}, "not a control of the labelling config"),
        (lambda: {**regions()[0], "from_name": ["morph"]}, "not a control of the labelling config"),
        (lambda: {**regions()[0], "to_name": "text"}, "must be a choices of 'image'"),
        (lambda: {**regions()[0], "type": "taxonomy"}, "must be a choices of 'image'"),
        (lambda: {**regions()[0], "id": None}, "needs an id"),
        (lambda: "region", "must be an object"),
    ],
)
def test_the_fault_of_a_region_is_reported(make: Callable[[], Any], sentence: str) -> None:
    problems = faults([make()])
    assert any(sentence in fault for fault in problems), problems
    assert all(fault.startswith("region 0") for fault in problems)


def test_a_repeated_id_is_a_fault() -> None:
    region = regions()[0]
    (fault,) = faults([region, {**regions()[1], "id": region["id"]}])
    assert fault == f"region 1 has the id {region['id']!r} of an earlier one"


def test_faults_that_only_the_servers_validator_finds_are_reported() -> None:
    wide = value_of("box", width=101, rotation=10)()
    assert check_prediction({"result": [wide]}, CONFIG) == []
    assert faults([wide]) != []


def test_invalid_regions_are_separated_with_their_first_fault() -> None:
    good_regions = regions()
    bad_regions = [value_of("box", width=0)(), {**good_regions[1], "score": 7}, "region"]
    assert sort_regions([bad_regions[0], *good_regions, *bad_regions[1:]], CONFIG) == (
        good_regions,
        [
            "region 0 cannot be read back: width must be above 0, not 0",
            f"region {len(good_regions) + 1} has the id {good_regions[1]['id']!r} of an earlier one",
            f"region {len(good_regions) + 2} must be an object, not 'region'",
        ],
    )
