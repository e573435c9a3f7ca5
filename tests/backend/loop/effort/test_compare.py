"""Effort: regions accepted unchanged, edited and by how much, rejected or added, whatever Label Studio's own marks are."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.effort.compare import compare_regions, shape_overlap
from backend.registry.records import Effort
from sync.controls import CONTROLS, brushlabels, choices, ellipselabels, number, polygonlabels, rectanglelabels, taxonomy
from sync.controls.region import Region
from sync.geometry.shapes import Box, Ellipse, Labelled, Mask, Polygon
from sync.labelling.config import parse

CONFIG = parse("""<View><Image name="image" value="$image"/>
<Choices name="shape" toName="image" choice="multiple"><Choice value="Disk"/><Choice value="Arms"/></Choices>
<Taxonomy name="tree" toName="image"><Choice value="Disk"><Choice value="Arms"/></Choice><Choice value="Smooth"/></Taxonomy>
<Number name="redshift" toName="image"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>
<RectangleLabels name="rare" toName="image"><Label value="Comet"/></RectangleLabels>
<EllipseLabels name="ellipses" toName="image"><Label value="Galaxy"/></EllipseLabels>
<BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>
<PolygonLabels name="outlines" toName="image"><Label value="Galaxy"/></PolygonLabels>
<KeyPointLabels name="click" toName="image"><Label value="Galaxy"/></KeyPointLabels></View>""")
PREDICTED_CONTROLS = [control for control in CONFIG.controls if control.tag != "KeyPointLabels"]
SIZE = (60, 50)
ACCEPTED, REJECTED, ADDED = Effort(accepted=1), Effort(rejected=1), Effort(added=1)


def control(name: str) -> Any:
    control = CONFIG.control(name)
    assert control is not None
    return control


def box(x: float = 10, y: float = 10, width: float = 20, height: float = 10, *, rotation: float = 0) -> Region:
    shape = Box(x, y, width, height, rotation)
    return rectanglelabels.encode(shape, control=control("boxes"), label="Galaxy", size=SIZE, score=0.8)


def mask(left: int, right: int) -> Mask:
    mask = np.zeros(SIZE[::-1], bool)
    mask[10:20, left:right] = True
    return mask


def mask_region(left: int, right: int) -> Region:
    return brushlabels.encode(mask(left, right), control=control("masks"), label="Galaxy", size=SIZE)


def ellipse(x: float, *, radius: float = 5) -> Region:
    shape = Ellipse(x, 25, radius, radius, 30)
    return ellipselabels.encode(shape, control=control("ellipses"), label="Galaxy", size=SIZE)


def polygon(x: float) -> Region:
    corners = np.array([[x, 10], [x + 20, 10], [x + 20, 30], [x, 30]])
    return polygonlabels.encode(Polygon(corners), control=control("outlines"), label="Galaxy", size=SIZE)


def class_(*labels: str) -> Region:
    return choices.encode(labels, control=control("shape"))


def path(*names: str) -> Region:
    return taxonomy.encode([names], control=control("tree"))


def value(effort_of_control: float) -> Region:
    return number.encode(effort_of_control, control=control("redshift"))


def edit(region: Region, to: Region, *, origin: str = "prediction-changed") -> Region:
    """Return the region as an annotator edited it, with its old id."""
    return to | {"id": region["id"], "origin": origin}


def keep(region: Region) -> Region:
    return copy.deepcopy(region) | {"origin": "prediction"}


def effort(before: list[Region], after: list[Region]) -> dict[str, Effort]:
    return compare_regions(before, after, PREDICTED_CONTROLS)


EVERY_KIND = [class_("Disk"), path("Disk", "Arms"), value(0.5), box(), ellipse(30), mask_region(10, 20), polygon(10)]


@pytest.mark.parametrize("region", EVERY_KIND, ids=lambda region: region["type"])
def test_an_unchanged_region_is_accepted(region: Region) -> None:
    assert effort([region], [keep(region)]) == {region["from_name"]: ACCEPTED}


@pytest.mark.parametrize("region", EVERY_KIND, ids=lambda region: region["type"])
def test_a_deleted_region_is_rejected(region: Region) -> None:
    assert effort([region], []) == {region["from_name"]: REJECTED}


@pytest.mark.parametrize("region", EVERY_KIND, ids=lambda region: region["type"])
def test_a_region_without_a_predicted_one_is_added(region: Region) -> None:
    assert effort([], [region | {"origin": "manual"}]) == {region["from_name"]: ADDED}


@pytest.mark.parametrize(
    ("before", "after", "overlap"),
    [
        (box(), box(20), 1 / 3),
        (box(), box(width=40), 1 / 2),
        (mask_region(10, 20), mask_region(10, 30), 1 / 2),
        (mask_region(10, 20), mask_region(30, 40), 0),
        (polygon(10), polygon(20), 1 / 3),
        (ellipse(30), ellipse(30, radius=10), 1 / 4),
        (ellipse(20), ellipse(40), 0),
    ],
)
def test_a_changed_shape_is_edited_with_its_overlap(before: Region, after: Region, overlap: float) -> None:
    (effort_of_control,) = effort([before], [edit(before, after)]).values()
    assert (
        effort_of_control.accepted,
        effort_of_control.edited,
        effort_of_control.rejected,
        effort_of_control.added,
        effort_of_control.compared,
    ) == (0, 1, 0, 0, 1)
    assert effort_of_control.mean_overlap == pytest.approx(overlap, abs=0.01)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (class_("Disk"), class_("Arms")),
        (class_("Disk"), class_("Disk", "Arms")),
        (path("Disk", "Arms"), path("Disk")),
        (value(1), value(2)),
    ],
)
def test_another_answer_for_the_whole_image_is_an_edit(before: Region, after: Region) -> None:
    assert effort([before], [edit(before, after)]) == {before["from_name"]: Effort(edited=1)}


def test_a_class_that_was_cleared_and_chosen_again_is_edited() -> None:
    assert effort([class_("Disk")], [class_("Arms") | {"origin": "manual"}]) == {"shape": Effort(edited=1)}


def test_another_label_is_an_edit_with_full_overlap() -> None:
    region = box()
    star = edit(region, rectanglelabels.encode(Box(10, 10, 20, 10), control=control("boxes"), label="Star", size=SIZE))
    assert effort([region], [star]) == {"boxes": Effort(edited=1, compared=1, overlap=1)}


def test_a_label_of_another_control_is_an_edit() -> None:
    region = box()
    comet = rectanglelabels.encode(Box(10, 10, 20, 10), control=control("rare"), label="Comet", size=SIZE)
    both = [keep(region), edit(region, comet)]
    assert effort([region], both) == effort([region], both[1:]) == {"boxes": Effort(edited=1, compared=1, overlap=1)}


def test_each_region_of_a_control_is_counted() -> None:
    first_box, second_box, third_box = box(0), box(20), box(40)
    new = box(5, 30)
    effort_of_control = effort([first_box, second_box, third_box], [keep(first_box), edit(second_box, box(30)), new])
    assert effort_of_control == {"boxes": Effort(1, 1, 1, 1, compared=1, overlap=pytest.approx(1 / 3))}  # type: ignore[arg-type]


# -- wrong marks of Label Studio --


def test_a_moved_polygon_marked_as_predicted_is_edited() -> None:
    region = polygon(10)
    assert effort([region], [edit(region, polygon(20), origin="prediction")])["outlines"].edited == 1


def test_a_copied_region_marked_as_predicted_is_added() -> None:
    region = box()
    assert effort([region], [keep(region), keep(region) | {"id": "another"}]) == {"boxes": ACCEPTED + ADDED}


def test_a_region_that_was_changed_back_is_accepted() -> None:
    for region in EVERY_KIND:
        assert effort([region], [edit(region, copy.deepcopy(region))]) == {region["from_name"]: ACCEPTED}


def test_rounding_errors_are_not_an_edit() -> None:
    for region in (box(), polygon(10), ellipse(30), value(0.1)):
        noisy = copy.deepcopy(region)
        noisy["value"] = {name: _nudge(part) for name, part in noisy["value"].items()}
        assert noisy["value"] != region["value"]
        assert effort([region], [noisy]) == {region["from_name"]: ACCEPTED}


def _nudge(part: Any) -> Any:
    if isinstance(part, list) and part and isinstance(part[0], list):
        return [[number * (1 + 1e-14) for number in point] for point in part]
    return part * (1 + 1e-14) if isinstance(part, float) else part


def test_the_order_of_labels_does_not_matter() -> None:
    assert effort([class_("Disk", "Arms")], [class_("Arms", "Disk")]) == {"shape": ACCEPTED}


# -- skipped and broken regions --


def test_regions_of_controls_that_are_not_predicted_are_ignored() -> None:
    point = {
        "id": "p",
        "from_name": "click",
        "to_name": "image",
        "type": "keypointlabels",
        "value": {"keypointlabels": ["Galaxy"]},
    }
    strange: list[dict[str, Any]] = [
        point,
        {"type": "relation"},
        {"from_name": "boxes", "type": "ellipselabels"},
        {"from_name": ["boxes"]},
        {},
    ]
    assert effort(strange, strange) == {}


@pytest.mark.parametrize("broken_region", [{}, None, {"x": "left"}, {"rectanglelabels": []}])
def test_an_unreadable_change_is_an_edit_without_an_overlap(broken_region: Any) -> None:
    region = box()
    assert effort([region], [region | {"value": broken_region}]) == {"boxes": Effort(edited=1)}


def test_masks_of_different_sizes_are_compared_on_the_predicted_image() -> None:
    region = mask_region(0, 20)
    other = brushlabels.encode(
        mask(0, 20)[::2, ::2], control=control("masks"), label="Galaxy", size=(SIZE[0] // 2, SIZE[1] // 2)
    )
    effort_of_control = effort([region], [edit(region, other)])["masks"]
    assert effort_of_control == Effort(accepted=1) or effort_of_control.overlap > 0.9


@pytest.mark.parametrize("stated_size", [{}, {"original_width": 5, "original_height": 5}, {"original_width": "40"}])
def test_the_size_stated_by_a_submitted_region_is_ignored(stated_size: dict[str, Any]) -> None:
    for region in (box(rotation=30), ellipse(20), polygon(10), mask_region(0, 20)):
        submission = {key: value for key, value in region.items() if not key.startswith("original_")} | stated_size
        submission["value"] = {**submission["value"], "extra": 1}  # not identical JSON
        assert effort([region], [submission])[region["from_name"]] == Effort(accepted=1)


def test_an_erased_mask_has_no_overlap() -> None:
    region = mask_region(10, 20)
    assert shape_overlap(CONTROLS["BrushLabels"].decode(region), Labelled(np.zeros(SIZE[::-1], bool), ("Galaxy",), SIZE)) == 0


# -- overlaps --

boxes = st.builds(
    Box, st.floats(0, 30), st.floats(0, 30), st.floats(2, 20), st.floats(2, 20), st.sampled_from([0.0, 30.0, 90.0, 200.0])
)
ellipses = st.builds(Ellipse, st.floats(0, 30), st.floats(0, 30), st.floats(2, 15), st.floats(2, 15), st.floats(0, 359))


def make_drawn(shape: Any) -> Labelled[Any]:
    return Labelled(shape, ("Galaxy",), SIZE)


@given(boxes | ellipses, boxes | ellipses)
def test_overlap_is_symmetric_between_0_and_1_and_1_with_itself(first: Any, second: Any) -> None:
    overlap = shape_overlap(make_drawn(first), make_drawn(second))
    assert overlap is not None
    assert 0 <= overlap <= 1
    assert overlap == pytest.approx(shape_overlap(make_drawn(second), make_drawn(first)))
    assert shape_overlap(make_drawn(first), make_drawn(first)) == pytest.approx(1)


@pytest.mark.parametrize("other", [Box(20, 10, 20, 10), Box(40, 10, 10, 20, rotation=90), Box(40, 20, 20, 10, rotation=180)])
def test_equivalent_rotations_of_a_box_have_equal_overlaps(other: Box) -> None:
    assert shape_overlap(make_drawn(Box(10, 10, 20, 10)), make_drawn(other)) == pytest.approx(1 / 3, abs=0.01)


def test_small_and_large_shapes_are_compared_with_equal_accuracy() -> None:
    large, small = ((make_drawn(Ellipse(x * scale, 0, scale, scale)) for x in (3, 4)) for scale in (10, 0.1))
    assert shape_overlap(*large) == pytest.approx(shape_overlap(*small), abs=1e-3)


def test_efforts_add_up() -> None:
    total = Effort(1, 1, 0, 2, compared=1, overlap=0.5) + Effort(0, 1, 3, 0, compared=1, overlap=1)
    assert total == Effort(1, 2, 3, 2, compared=2, overlap=1.5)
    assert (total.predicted_count, total.mean_overlap, Effort().mean_overlap) == (6, 0.75, None)
