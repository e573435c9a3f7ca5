"""The control of a shape, its conversion to the control's type, and its label."""

from __future__ import annotations

import numpy as np
import pytest

from sync import controls
from sync.controls import CONTROLS, PIXELS
from sync.geometry.corners import box_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.labelling.config import LabelConfig, parse
from sync.labelling.reading import read_region
from sync.regions.fitting import RegionFitter
from sync.regions.marks import Canvas, ImportedAnswer, Mark, PlacedMark, RegionsError, Shape
from sync.regions.region_ids import unique_ids
from sync.regions.shapes import ellipse_pixels

CANVAS = Canvas((64, 48))
ONE = '<Label value="Galaxy"/>'
BOTH = '<Label value="Galaxy" alias="G"/><Label value="Star" predicted_values="stellar"/>'
OUTLINES = ["PolygonLabels", "VectorLabels"]
TURNED = Box(60, 10, 30, 8, 70)
MASK = np.zeros((48, 64), dtype=bool)
MASK[5:20, 5:30] = True
MASK[9:12, 20:24] = False
MASK[40:44, 50:60] = True
SHAPES: dict[str, Shape] = {
    "mask": Footprint.of_mask(MASK),
    "polygon": Polygon(np.array([[3.2, 4.1], [40.3, 6.2], [21.1, 42.9]])),
    "ellipse": Ellipse(30.2, 20.1, 12.3, 6.2, 40),
    "box": Box(3.5, 4.25, 20.5, 11),
    "point": Point(12.5, 7.25),
}


def config(*tags: str, labels: str = ONE, more: str = "") -> LabelConfig:
    controls = "".join(f'<{tag} name="{tag}" toName="i">{labels}</{tag}>' for tag in tags)
    return parse(f'<View><Image name="i" value="$i"/>{controls}{more}</View>')


def mark(shape: Shape, *labels: str, free: bool = False, control: str = "") -> Mark:
    return Mark("it", lambda _: PlacedMark(shape), labels, may_be_unlabelled=free, score=0.5, control=control)


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("mask", [*PIXELS, *OUTLINES, "RectangleLabels", "EllipseLabels"]),
        ("polygon", [*OUTLINES, *PIXELS, "RectangleLabels", "EllipseLabels"]),
        ("ellipse", ["EllipseLabels", *PIXELS, *OUTLINES, "RectangleLabels"]),
        ("box", ["RectangleLabels", *OUTLINES, *PIXELS, "EllipseLabels"]),
        ("point", ["KeyPointLabels"]),
    ],
)
def test_a_shape_is_assigned_to_the_best_control(kind: str, tags: list[str]) -> None:
    for number in range(len(tags)):
        fitting = RegionFitter(config(*reversed(tags[number:])))
        region = fitting.object_region(mark(SHAPES[kind]), CANVAS, image="i")
        assert region["from_name"] == tags[number]
        assert sum(fitting.changed_regions.values()) == (
            controls.SHAPES[tags[number]].SHAPE is not controls.SHAPES[tags[0]].SHAPE
        )
    with pytest.raises(RegionsError, match=f"no control for a {kind}"):
        RegionFitter(config("KeyPointLabels" if kind != "point" else "BrushLabels")).object_region(
            mark(SHAPES[kind]), CANVAS, image="i"
        )


@pytest.mark.parametrize("tag", [*PIXELS, *OUTLINES])
def test_masks_and_outlines_keep_the_pixels_of_a_mask(tag: str) -> None:
    region = RegionFitter(config(tag)).object_region(mark(SHAPES["mask"]), CANVAS, image="i")
    assert region["type"] == tag.lower()
    shape = CONTROLS[tag].decode(region).shape
    pixels = Footprint.of_polygon(shape, CANVAS.size).to_mask(CANVAS.size) if isinstance(shape, Polygon) else shape
    assert np.array_equal(pixels, MASK)


def test_an_ellipse_has_the_second_moments_of_the_mask() -> None:
    ellipse = Ellipse(30.2, 20.1, 12.3, 6.2, 40)
    region = RegionFitter(config("EllipseLabels")).object_region(mark(ellipse_pixels(ellipse, CANVAS.size)), CANVAS, image="i")
    shape = CONTROLS["EllipseLabels"].decode(region).shape
    for name in ("x", "y", "radius_x", "radius_y", "rotation"):
        assert getattr(shape, name) == pytest.approx(getattr(ellipse, name), abs=1)


def test_a_rotated_box_starts_at_a_corner_on_the_image() -> None:
    assert not 0 <= box_corners(Box(66, 10, 30, 8, 110)).points[0, 0] <= 64
    for box in (TURNED, Box(66, 10, 30, 8, 110)):
        region = RegionFitter(config("RectangleLabels")).object_region(mark(box), CANVAS, image="i")
        second_points = box_corners(CONTROLS["RectangleLabels"].decode(region).shape).points
        assert sorted(map(tuple, second_points.round(6))) == sorted(map(tuple, box_corners(box).points.round(6)))


def test_an_ellipse_that_is_too_long_is_rejected() -> None:
    region = RegionFitter(config("EllipseLabels", "BrushLabels")).object_region(mark(Ellipse(30, 20, 40, 9)), CANVAS, image="i")
    assert region["from_name"] == "BrushLabels"
    with pytest.raises(RegionsError, match="half the image"):
        RegionFitter(config("EllipseLabels")).object_region(mark(Ellipse(30, 20, 40, 9)), CANVAS, image="i")


@pytest.mark.parametrize(
    ("labels", "free", "default", "label"),
    [
        (("Galaxy",), False, "", "G"),
        (("  gaLAXY ",), False, "", "G"),
        (("stellar",), False, "", "Star"),
        (("comet",), False, "Star", None),
        (("comet",), True, "Star", "Star"),
        (("NGC 1", "star"), True, "", "Star"),
        ((), False, "Star", "Star"),
        ((), False, "", None),
        (("comet",), True, "", None),
    ],
)
def test_labels_are_those_of_the_config(labels: tuple[str, ...], free: bool, default: str, label: str | None) -> None:
    fitting = RegionFitter(config("RectangleLabels", labels=BOTH), label=default)
    if label is None:
        with pytest.raises(RegionsError, match="label"):
            fitting.object_region(mark(SHAPES["box"], *labels, free=free), CANVAS, image="i")
    else:
        region = fitting.object_region(mark(SHAPES["box"], *labels, free=free), CANVAS, image="i")
        assert region["value"]["rectanglelabels"] == [label]


@pytest.mark.parametrize(
    "shape",
    [
        Box(70, 5, 5, 5),
        Box(-9, 5, 5, 5),
        Ellipse(80, 20, 5, 5),
        Point(64.1, 3),
        Polygon(np.array([[-5.0, -5], [-1, -5], [-1, -1]])),
        Box(float("nan"), 5, 5, 5),
        Box(5, 5, float("inf"), 5),
        Box(5, 5, 0, 5),
    ],
)
def test_objects_outside_are_rejected(shape: Shape) -> None:
    tags = ("BrushLabels", "PolygonLabels", "RectangleLabels", "KeyPointLabels", "EllipseLabels")
    with pytest.raises(RegionsError):
        RegionFitter(config(*tags)).object_region(mark(shape), CANVAS, image="i")


def test_prompting_controls_are_skipped_and_the_original_control_is_first() -> None:
    tool = '<RectangleLabels name="drag" toName="i" smart="true" smartOnly="true"><Label value="Galaxy"/></RectangleLabels>'
    further = '<RectangleLabels name="second" toName="i"><Label value="Galaxy"/></RectangleLabels>'
    fitting = RegionFitter(config("RectangleLabels", more=tool + further))
    assert fitting.object_region(mark(SHAPES["box"]), CANVAS, image="i")["from_name"] == "RectangleLabels"
    assert fitting.object_region(mark(SHAPES["box"], control="second"), CANVAS, image="i")["from_name"] == "second"
    assert fitting.object_region(mark(SHAPES["box"], control="drag"), CANVAS, image="i")["from_name"] == "RectangleLabels"


def test_ids_depend_on_the_content_and_are_unique() -> None:
    fitting = RegionFitter(config("RectangleLabels"))
    first, second_points, other = (
        fitting.object_region(mark(shape), CANVAS, image="i") for shape in (SHAPES["box"], SHAPES["box"], Box(1, 1, 2, 2))
    )
    assert first["id"] == second_points["id"] != other["id"]
    assert len({region["id"] for region in unique_ids([first, second_points, other])}) == 3
    assert unique_ids([first, second_points]) == unique_ids([second_points, first])


@pytest.mark.parametrize("number", range(20))
def test_pixels_of_an_ellipse_have_their_centres_inside(number: int) -> None:
    random = np.random.default_rng(number)
    ellipse = Ellipse(*random.uniform((0, 0, 1, 1, 0), (64, 48, 30, 30, 360)))
    y, x = np.indices((48, 64)) + 0.5
    turn = np.radians(ellipse.rotation)
    along = (x - ellipse.x) * np.cos(turn) + (y - ellipse.y) * np.sin(turn)
    across = (y - ellipse.y) * np.cos(turn) - (x - ellipse.x) * np.sin(turn)
    inside = (along / ellipse.radius_x) ** 2 + (across / ellipse.radius_y) ** 2 < 1
    assert np.array_equal(ellipse_pixels(ellipse, CANVAS.size).to_mask(CANVAS.size), inside)


ANSWERS = """
<Choices name="one" toName="i"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
<Choices name="many" toName="i" choice="multiple"><Choice value="Bar"/><Choice value="Ring"/></Choices>
<Taxonomy name="tree" toName="i"><Choice value="Featured"><Choice value="Arms"/></Choice></Taxonomy>
<Number name="z" toName="i" min="0" max="10"/>
"""


@pytest.mark.parametrize(
    ("control", "value", "expected"),
    [
        ("one", "spiral", ("Spiral",)),
        ("many", "Bar|ring", ("Bar", "Ring")),
        ("tree", "Featured/Arms", (("Featured", "Arms"),)),
        ("tree", "arms", (("Featured", "Arms"),)),
        ("z", 0.25, 0.25),
        ("z", "0.25", 0.25),
        ("one", "comet", None),
        ("one", "Spiral|Smooth", None),
        ("tree", "Featured/Bar", None),
        ("z", 11, None),
        ("z", "far", None),
        ("nothing", "Spiral", None),
    ],
)
def test_answers_are_those_of_the_config(control: str, value: str | float, expected: object) -> None:
    read = config("BrushLabels", more=ANSWERS)
    if expected is None:
        with pytest.raises(RegionsError):
            RegionFitter(read).answer_region(ImportedAnswer("it", control, value))
    else:
        target = read.control(control)
        assert target is not None
        assert read_region(RegionFitter(read).answer_region(ImportedAnswer("it", control, value)), target) == expected
