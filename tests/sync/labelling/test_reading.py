"""Regions of annotators and scripts: those that Label Studio's page shows are read, the others are reported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import brushlabels, choices, ellipselabels, number, polygonlabels, rectanglelabels
from sync.errors.controls import ControlError
from sync.geometry.shapes import Box, Ellipse, Polygon
from sync.labelling.config import Control, parse
from sync.labelling.reading import read_region

CONFIG = parse("""<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth" alias="elliptical"/></Choices>
<Choices name="marks" toName="image" choice="multiple"><Choice value="Bar"/><Choice value="Ring"/></Choices>
<Taxonomy name="tree" toName="image"><Choice value="Disk" alias="d"><Choice value="Arms"/></Choice></Taxonomy>
<Number name="redshift" toName="image" min="0" max="10"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star" alias="1_star"/></RectangleLabels>
<EllipseLabels name="rings" toName="image"><Label value="Galaxy"/></EllipseLabels>
<BrushLabels name="mask" toName="image"><Label value="Galaxy"/></BrushLabels>
<PolygonLabels name="outline" toName="image"><Label value="Galaxy"/></PolygonLabels></View>""")
IMAGE_SIZE = (200, 100)
DISC = np.hypot(*(np.mgrid[:100, :200] - np.array([50, 80])[:, None, None])) < 20

STATED_SIZES: list[dict[str, Any]] = [
    {},
    {"original_width": None, "original_height": None},
    {"original_width": 0, "original_height": 0},
    {"original_width": 100, "original_height": 50},
    {"original_width": 200.0, "original_height": 100.0},
    {"original_width": "200", "original_height": "100.0"},
    {"original_width": 4000, "original_height": 100},
    {"original_width": "wide", "original_height": math.nan},
    {"original_width": 100, "original_height": 200},
    {"original_width": 400, "original_height": 50},
]


def control(name: str) -> Control:
    control_of_name = CONFIG.control(name)
    assert control_of_name is not None
    return control_of_name


def stating(region: dict[str, Any], stated_values: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in region.items() if not key.startswith("original_")}
    return bare | stated_values


def box_region(**value: Any) -> dict[str, Any]:
    numbers = {"x": 20, "y": 20, "width": 15, "height": 30, "rectanglelabels": ["Galaxy"]} | value
    return {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": numbers}


def label_region(name: str, *labels: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": list(labels)}}


@pytest.mark.parametrize("stated_values", STATED_SIZES)
def test_a_box_ignores_the_stated_size(stated_values: dict[str, Any]) -> None:
    assert read_region(stating(box_region(), stated_values), control("boxes"), size=IMAGE_SIZE).shape == Box(40, 20, 30, 30)


@pytest.mark.parametrize("stated_values", STATED_SIZES)
def test_ellipses_and_polygons_ignore_the_stated_size(stated_values: dict[str, Any]) -> None:
    ellipse = ellipselabels.encode(Ellipse(80, 50, 20, 10, 30), control=control("rings"), label="Galaxy", size=IMAGE_SIZE)
    read = read_region(stating(ellipse, stated_values), control("rings"), size=IMAGE_SIZE).shape
    assert (read.x, read.y, read.radius_x, read.radius_y, read.rotation) == pytest.approx((80, 50, 20, 10, 30))
    corners = np.array([[10, 10], [60, 10], [60, 70]], float)
    outline = polygonlabels.encode(Polygon(corners), control=control("outline"), label="Galaxy", size=IMAGE_SIZE)
    assert read_region(stating(outline, stated_values), control("outline"), size=IMAGE_SIZE).shape.points == pytest.approx(
        corners
    )


@pytest.mark.parametrize("stated_values", STATED_SIZES)
def test_a_mask_with_the_size_of_the_image_is_unchanged(stated_values: dict[str, Any]) -> None:
    region = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=IMAGE_SIZE)
    assert (read_region(stating(region, stated_values), control("mask"), size=IMAGE_SIZE).shape == DISC).all()


def test_a_mask_of_a_thumbnail_is_scaled_to_the_image() -> None:
    region = brushlabels.encode(DISC[::2, ::2], control=control("mask"), label="Galaxy", size=(100, 50))
    read = read_region(region, control("mask"), size=IMAGE_SIZE).shape
    assert read.shape == DISC.shape
    assert (read & DISC).sum() / (read | DISC).sum() > 0.9


def test_a_mask_of_one_pixel_is_kept_on_a_smaller_image() -> None:
    spot = np.zeros((100, 200), bool)
    spot[51, 33] = True
    region = brushlabels.encode(spot, control=control("mask"), label="Galaxy", size=IMAGE_SIZE)
    assert np.argwhere(read_region(region, control("mask"), size=(20, 10)).shape).tolist() == [[5, 3]]


def test_a_mask_that_fits_neither_size_is_named() -> None:
    region = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=IMAGE_SIZE)
    with pytest.raises(ControlError, match="does not fit an image of 30x30"):
        read_region(stating(region, {}), control("mask"), size=(30, 30))


@given(
    st.floats(0, 90), st.floats(0, 90), st.floats(0.1, 10), st.floats(0.1, 10),
    st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(STATED_SIZES), st.sampled_from([float, str]),
)  # fmt: skip
def test_percentages_need_no_size(
    x: float, y: float, width: float, height: float, across: int, down: int, stated_values: dict[str, Any], kind: Any
) -> None:
    region = stating(box_region(x=kind(x), y=kind(y), width=kind(width), height=kind(height)), stated_values)
    box = read_region(region, control("boxes"), size=(across, down)).shape
    expected = (x / 100 * across, y / 100 * down, width / 100 * across, height / 100 * down)
    assert (box.x, box.y, box.width, box.height) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["rectanglelabels", "RectangleLabels", " rectanglelabels ", "labels", None])
def test_a_type_may_be_spelt_differently_or_be_missing(kind: str | None) -> None:
    assert read_region(box_region() | {"type": kind}, control("boxes"), size=IMAGE_SIZE).labels == ("Galaxy",)


@pytest.mark.parametrize("label", ["Galaxy", "galaxy", " GALAXY ", "galaxies", "Object"])
def test_a_label_is_read_by_the_rules_of_matching(label: str) -> None:
    assert read_region(box_region(rectanglelabels=[label]), control("boxes"), size=IMAGE_SIZE).labels == ("Galaxy",)


@pytest.mark.parametrize("label", ["Star", "1_star", "1_STAR", "star"])
def test_a_labels_value_and_its_alias_are_both_read(label: str) -> None:
    assert read_region(box_region(rectanglelabels=[label]), control("boxes"), size=IMAGE_SIZE).labels == ("1_star",)


def test_labels_of_a_shape_that_the_page_shows_are_read() -> None:
    read = read_region(box_region(rectanglelabels=["Nebula", "star", "Galaxy", "Star"]), control("boxes"), size=IMAGE_SIZE)
    assert read.labels == ("1_star", "Galaxy")


def test_the_labels_may_be_under_the_general_key() -> None:
    region = box_region(labels=["Galaxy"])
    del region["value"]["rectanglelabels"]
    assert read_region(region, control("boxes"), size=IMAGE_SIZE).labels == ("Galaxy",)


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (box_region(rectanglelabels=["Nebula"]), "not in the labelling config"),
        (box_region(rectanglelabels=[]), "must be a list of label names"),
        (box_region() | {"type": "rectangle"}, "the rectangle of 'boxes' has no label"),
        (box_region() | {"type": "ellipselabels"}, "of type 'rectanglelabels' is needed"),
        (box_region() | {"value": None}, "value must be an object"),
        (box_region(x=math.nan), "x must lie"),
        (box_region(x="left"), "x must be a number"),
        (box_region(x=None), "x must be a number"),
        (box_region(width=-5), "width must be above 0"),
        (box_region(width=0), "width must be above 0"),
        (box_region(x=120), "outside the image"),
        (box_region(y=-40), "outside the image"),
    ],
)
def test_a_box_that_cannot_be_read_is_named(region: dict[str, Any], reason: str) -> None:
    with pytest.raises(ControlError, match=reason):
        read_region(region, control("boxes"), size=IMAGE_SIZE)


def test_a_polygon_of_two_corners_and_an_empty_mask_are_named() -> None:
    line = {"type": "polygonlabels", "value": {"points": [[1, 1], [9, 9]], "polygonlabels": ["Galaxy"]}}
    with pytest.raises(ControlError, match="3 to"):
        read_region(line, control("outline"), size=IMAGE_SIZE)
    region = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=IMAGE_SIZE)
    region["value"]["rle"] = []
    with pytest.raises(ControlError, match="RLE"):
        read_region(region, control("mask"), size=IMAGE_SIZE)


def test_hidden_regions_and_other_keys_change_nothing() -> None:
    region = box_region(hidden=True) | {"hidden": True, "meta": {"text": ["x"]}, "score": "high", "locked": True}
    assert read_region(region, control("boxes"), size=IMAGE_SIZE).shape == Box(40, 20, 30, 30)


@pytest.mark.parametrize("label", ["Smooth", "elliptical", "ELLIPTICAL", "early type", " smooth "])
def test_choices_are_read_as_the_config_stores_them(label: str) -> None:
    assert read_region(label_region("class", label), control("class")) == ("elliptical",)


def test_a_choice_may_be_a_text() -> None:
    region = label_region("class")
    region["value"]["choices"] = "spiral"
    assert read_region(region, control("class")) == ("Spiral",)


def test_a_removed_choice_makes_the_answer_unreadable() -> None:
    assert read_region(label_region("marks", "ring", "Ring", "bar"), control("marks")) == ("Ring", "Bar")
    with pytest.raises(ControlError, match="'Dust'"):
        read_region(label_region("marks", "Ring", "Dust"), control("marks"))


@pytest.mark.parametrize("path", [["d", "Arms"], ["Disk", "Arms"], ["disk", " arms "], ["D", "ARMS"]])
def test_a_path_is_read_by_the_names_of_its_levels(path: list[str]) -> None:
    region = {"type": "taxonomy", "value": {"taxonomy": [path]}}
    assert read_region(region, control("tree")) == (("d", "Arms"),)


def test_a_path_that_was_removed_from_the_config_is_named() -> None:
    with pytest.raises(ControlError, match="not in the labelling config"):
        read_region({"type": "taxonomy", "value": {"taxonomy": [["Disk", "Bar"]]}}, control("tree"))


@pytest.mark.parametrize("text", [3.2, "3.2", " 3.2 ", "32e-1"])
def test_a_number_may_be_a_text(text: object) -> None:
    assert read_region({"type": "number", "value": {"number": text}}, control("redshift")) == 3.2


@pytest.mark.parametrize("text", ["", "3,2", "nan", math.inf, None, True, [3.2], -99, 10.5, "11"])
def test_an_invalid_number_is_named(text: object) -> None:
    with pytest.raises(ControlError):
        read_region({"type": "number", "value": {"number": text}}, control("redshift"))


def test_encoded_regions_are_read_back() -> None:
    assert read_region(choices.encode(["Spiral"], control=control("class")), control("class")) == ("Spiral",)
    assert read_region(number.encode(2.5, control=control("redshift")), control("redshift")) == 2.5
    region = rectanglelabels.encode(Box(1, 2, 3, 4), control=control("boxes"), label="Galaxy", size=IMAGE_SIZE)
    assert read_region(region, control("boxes")).size == IMAGE_SIZE
