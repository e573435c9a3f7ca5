"""Examples: the annotations by control, in the form that the heads are trained on."""

from __future__ import annotations

import logging
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.heads.classification.questions import QuestionTree
from backend.loop.examples.examples import gather_examples
from backend.prediction.control_models.drawn_objects import MOST_REGIONS, LabelledObject
from backend.prediction.control_models.examples import Examples, ImageOfTask
from sync.controls import OBJECTS, brushlabels, choices, ellipselabels, number, polygonlabels, rectanglelabels, taxonomy
from sync.geometry.shapes import Box, Ellipse, Polygon
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

CONFIG = parse("""<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>
<Choices name="marks" toName="image" choice="multiple"><Choice value="Bar"/><Choice value="Ring"/></Choices>
<Taxonomy name="tree" toName="image"><Choice value="Disk"><Choice value="Arms"/></Choice></Taxonomy>
<Number name="redshift" toName="image"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
<EllipseLabels name="rings" toName="image"><Label value="Galaxy"/></EllipseLabels>
<BrushLabels name="mask" toName="image"><Label value="Galaxy"/></BrushLabels>
<PolygonLabels name="outline" toName="image"><Label value="Galaxy"/></PolygonLabels></View>""")
IMAGE = ImageOfTask(1, "image")
SIZE = (40, 30)
DISC = np.hypot(*(np.mgrid[:30, :40] - np.array([15, 20])[:, None, None])) < 6


def control(name: str) -> Any:
    control = CONFIG.control(name)
    assert control is not None
    return control


def choice(name: str, *labels: str) -> dict[str, Any]:
    return choices.encode(labels, control=control(name))


def box_region(box: Box) -> dict[str, Any]:
    return rectanglelabels.encode(box, control=control("boxes"), label="Galaxy", size=SIZE)


def annotation(*regions: dict[str, Any], task: int = 1, by: int = 1) -> Annotation:
    at = f"2026-01-0{by}T00:00:00Z"
    return Annotation(task * 100 + by, task, {"image": f"{task}.png"}, list(regions), at, by, False, None, None)


def gather(*annotations: Annotation) -> dict[str, Examples]:
    return gather_examples(annotations, CONFIG, CONFIG.controls, sizes_of=lambda references: [SIZE] * len(references))


def pixels_of(drawn_object: LabelledObject) -> NDArray[np.bool_]:
    assert drawn_object.outline is not None
    return drawn_object.outline.footprint().to_mask(drawn_object.outline.size)


def test_every_control_has_examples_even_if_they_are_empty() -> None:
    examples_of_controls = gather()
    assert list(examples_of_controls) == [each.name for each in CONFIG.controls]
    assert all(examples == Examples() for examples in examples_of_controls.values())


def test_one_vote_gives_a_probability_of_one() -> None:
    examples = gather(annotation(choice("class", "Elliptical")))["class"]
    assert examples.labels[IMAGE].tolist() == [0, 1]
    assert examples.references[IMAGE] == "1.png"


def test_several_votes_give_the_share_of_each_class() -> None:
    votes = [annotation(choice("class", label), by=by) for by, label in enumerate(["Spiral", "Spiral", "Elliptical"], start=1)]
    assert gather(*votes)["class"].labels[IMAGE] == pytest.approx([2 / 3, 1 / 3])


def test_each_choice_of_a_multiple_control_is_independent() -> None:
    votes = [annotation(choice("marks", "Bar", "Ring"), by=1), annotation(choice("marks", "Ring"), by=2)]
    assert gather(*votes)["marks"].labels[IMAGE].tolist() == [0.5, 1]


def test_a_taxonomy_path_counts_for_each_of_its_nodes() -> None:
    path_lists: list[list[tuple[str, ...]]] = [[("Disk", "Arms")], [("Disk",)]]
    votes = [annotation(taxonomy.encode(paths, control=control("tree")), by=by) for by, paths in enumerate(path_lists, start=1)]
    nodes = ["/".join(node) for node in QuestionTree.of(control("tree").paths).nodes]
    shares = gather(*votes)["tree"].labels[IMAGE]
    assert dict(zip(nodes, shares, strict=True)) == {"Disk": 1, "Disk/": 0.5, "Disk/Arms": 0.5}


def test_several_numbers_are_averaged() -> None:
    votes = [annotation(number.encode(value, control=control("redshift")), by=by) for by, value in ((1, 0.2), (2, 0.4))]
    assert gather(*votes)["redshift"].labels[IMAGE] == pytest.approx(0.3)


def test_for_objects_the_newest_annotation_counts() -> None:
    old, new = Box(1, 1, 5, 5), Box(20, 10, 8, 6)
    (drawn_object,) = gather(annotation(box_region(new), by=2), annotation(box_region(old), by=1))["boxes"].labels[IMAGE]
    assert (drawn_object.box.x, drawn_object.box.width, drawn_object.outline) == (pytest.approx(20), pytest.approx(8), None)


def test_a_rotated_box_gives_its_bounding_box() -> None:
    (drawn_object,) = gather(annotation(box_region(Box(20, 5, 10, 4, rotation=90))))["boxes"].labels[IMAGE]
    box = drawn_object.box
    assert (box.x, box.y, box.width, box.height) == pytest.approx((16, 5, 4, 10))


@pytest.mark.parametrize(("rotation", "frame"), [(0, (12, 12, 16, 6)), (90, (17, 7, 6, 16))])
def test_an_ellipse_gives_its_bounding_box(rotation: float, frame: tuple[float, ...]) -> None:
    region = ellipselabels.encode(Ellipse(20, 15, 8, 3, rotation), control=control("rings"), label="Galaxy", size=SIZE)
    (drawn_object,) = gather(annotation(region))["rings"].labels[IMAGE]
    assert (drawn_object.box.x, drawn_object.box.y, drawn_object.box.width, drawn_object.box.height) == pytest.approx(frame)


def test_a_brush_region_gives_its_mask_and_bounding_box() -> None:
    region = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=SIZE)
    (drawn_object,) = gather(annotation(region))["mask"].labels[IMAGE]
    assert (pixels_of(drawn_object) == DISC).all()
    assert (drawn_object.box.x, drawn_object.box.y, drawn_object.box.width, drawn_object.box.height) == (15, 10, 11, 11)


def test_the_mask_of_an_outline_includes_its_interior() -> None:
    (region,) = polygonlabels.encode_mask(DISC, control=control("outline"), label="Galaxy", score=1.0, size=SIZE)
    (drawn_object,) = gather(annotation(region))["outline"].labels[IMAGE]
    assert (pixels_of(drawn_object) & DISC).sum() / (pixels_of(drawn_object) | DISC).sum() > 0.8


def test_a_class_without_boxes_means_that_there_are_no_objects() -> None:
    examples = gather(annotation(choice("class", "Spiral")))
    assert examples["boxes"].labels == {IMAGE: []}
    assert examples["redshift"].labels == {}
    assert examples["marks"].labels == {}


def remove_size(region: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in region.items() if not key.startswith("original_")}


BROKEN = [{"x": float("nan")}, {"rectanglelabels": ["Nebula"]}, {"rectanglelabels": []}, {"width": -3}, {"x": 150}]


@pytest.mark.parametrize("region", BROKEN)
def test_unreadable_objects_do_not_count_as_no_objects(region: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    good, bad = box_region(Box(1, 1, 5, 5)), box_region(Box(2, 2, 5, 5))
    bad["value"] |= region
    with caplog.at_level(logging.WARNING):
        examples = gather(annotation(good, bad, choice("class", "Spiral")))
    assert examples["boxes"].labels == {}
    assert examples["rings"].labels == {IMAGE: []}
    assert examples["class"].labels[IMAGE].tolist() == [1, 0]
    assert [record.getMessage().count("task=1 annotation=101 control=boxes") for record in caplog.records] == [1]


def test_the_readable_annotations_of_a_task_count() -> None:
    bad = box_region(Box(2, 2, 5, 5))
    bad["value"]["x"] = None
    examples = gather(annotation(box_region(Box(1, 1, 5, 5)), by=1), annotation(bad, by=2))
    assert [drawn_object.box.x for drawn_object in examples["boxes"].labels[IMAGE]] == pytest.approx([1])


@pytest.mark.parametrize("stated_size", [{}, {"original_width": 20, "original_height": 15}, {"original_width": "40.0"}])
def test_objects_are_in_image_pixels_whatever_size_they_state(stated_size: dict[str, Any]) -> None:
    ellipse = ellipselabels.encode(Ellipse(20, 15, 8, 3), control=control("rings"), label="Galaxy", size=SIZE)
    (outline,) = polygonlabels.encode_mask(DISC, control=control("outline"), label="Galaxy", size=SIZE)
    stroke = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=SIZE)
    regions = [remove_size(region) | stated_size for region in (box_region(Box(8, 6, 12, 9)), ellipse, outline, stroke)]
    examples = gather(annotation(*regions))
    (box,), (ring,) = examples["boxes"].labels[IMAGE], examples["rings"].labels[IMAGE]
    (polygon,), (brush_mask,) = examples["outline"].labels[IMAGE], examples["mask"].labels[IMAGE]
    assert (box.box.x, box.box.y, box.box.width, box.box.height) == pytest.approx((8, 6, 12, 9))
    assert (ring.box.x, ring.box.y, ring.box.width, ring.box.height) == pytest.approx((12, 12, 16, 6))
    assert (pixels_of(brush_mask) == DISC).all()
    assert (pixels_of(polygon) & DISC).sum() / (pixels_of(polygon) | DISC).sum() > 0.8


def test_a_box_is_clipped_to_the_image() -> None:
    region = box_region(Box(30, 20, 8, 8))
    region["value"] |= {"x": -10, "width": 120}
    (drawn_object,) = gather(annotation(region))["boxes"].labels[IMAGE]
    assert (drawn_object.box.x, drawn_object.box.width) == (0, 40)


def test_an_outline_smaller_than_a_pixel_covers_that_pixel() -> None:
    tiny = Polygon(np.array([[10.6, 10.6], [10.9, 10.6], [10.9, 10.9]]))
    region = polygonlabels.encode(tiny, control=control("outline"), label="Galaxy", size=SIZE)
    (drawn_object,) = gather(annotation(region))["outline"].labels[IMAGE]
    assert np.argwhere(pixels_of(drawn_object)).tolist() == [[10, 10]]


def test_objects_on_an_unreadable_image_do_not_count_as_no_objects() -> None:
    region = box_region(Box(1, 1, 5, 5))
    examples = gather_examples([annotation(region)], CONFIG, CONFIG.controls, sizes_of=lambda references: [None])
    assert examples["boxes"].labels == {}


def test_regions_of_a_renamed_control_do_not_count_as_no_objects() -> None:
    unknown_region = box_region(Box(1, 1, 5, 5)) | {"from_name": "objects"}
    examples = gather(annotation(unknown_region, choice("class", "Spiral")))
    assert examples["boxes"].labels == {}
    assert examples["rings"].labels == {IMAGE: []}


def test_an_annotation_with_only_relations_gives_no_example() -> None:
    examples = gather(annotation({"type": "relation", "from_id": "a", "to_id": "b"}))
    assert examples["boxes"].labels == {}


def test_a_remaining_prompt_does_not_count_as_no_mask() -> None:
    config = parse("""<View><Image name="image" value="$image"/>
    <Choices name="class" toName="image"><Choice value="Spiral"/></Choices>
    <BrushLabels name="mask" toName="image"><Label value="Galaxy"/></BrushLabels>
    <KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>""")
    click = {"from_name": "click", "to_name": "image", "type": "keypointlabels", "value": {"x": 1, "y": 1}}
    for regions, objects in ((choice("class", "Spiral"),), {IMAGE: []}), ((choice("class", "Spiral"), click), {}):
        notes = [annotation(*regions)]
        assert gather_examples(notes, config, config.controls, sizes_of=lambda _: [])["mask"].labels == objects


def test_a_class_that_was_removed_from_the_config_gives_no_example() -> None:
    region = choice("class", "Spiral")
    region["value"]["choices"] = ["Nebula"]
    assert gather(annotation(region))["class"].labels == {}


def test_regions_of_other_controls_are_ignored() -> None:
    note = {"from_name": "note", "to_name": "image", "type": "textarea", "value": {"text": ["hello"]}}
    wrong_type = choice("class", "Spiral") | {"type": "rectanglelabels"}
    examples = gather(annotation(note, wrong_type))
    assert examples["class"].labels == {}


PAGES = parse("""<View><Image name="image" valueList="$images"/><Image name="r" value="$r"/>
<RectangleLabels name="boxes" toName="image,r"><Label value="Galaxy"/></RectangleLabels>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>
<Choices name="each" toName="image" perItem="true"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>""")
FIRST, SECOND, RED = ImageOfTask(1, "image", 0), ImageOfTask(1, "image", 1), ImageOfTask(1, "r", 0)


def on_pages(*regions: dict[str, Any], parent: int | None = None) -> dict[str, Examples]:
    data = {"images": ["1.png", "2.png"], "r": "r.png"}
    at = "2026-01-01T00:00:00Z"
    return gather_examples(
        [Annotation(1, 1, data, list(regions), at, 1, False, parent, None)],
        PAGES,
        PAGES.controls,
        sizes_of=lambda references: [SIZE] * len(references),
    )


def test_a_region_is_an_example_of_its_page_and_image() -> None:
    second, red = box_region(Box(1, 1, 5, 5)) | {"item_index": 1}, box_region(Box(2, 2, 5, 5)) | {"to_name": "r"}
    boxes = on_pages(second, red)["boxes"]
    assert {image: [drawn_object.box.x for drawn_object in drawn_on] for image, drawn_on in boxes.labels.items()} == {
        SECOND: pytest.approx([1]),
        RED: pytest.approx([2]),
    }
    assert boxes.references == {SECOND: "2.png", RED: "r.png"}


def test_pages_with_a_prediction_and_no_region_have_no_objects() -> None:
    objects = on_pages(box_region(Box(1, 1, 5, 5)) | {"item_index": 1}, parent=7)["boxes"].labels
    assert {image: len(drawn_object) for image, drawn_object in objects.items()} == {FIRST: 0, SECOND: 1, RED: 0}


@pytest.mark.parametrize("region", [{"item_index": 2}, {"item_index": -1}, {"to_name": "elsewhere"}])
def test_a_region_on_a_missing_page_gives_no_example(region: dict[str, Any]) -> None:
    assert on_pages(box_region(Box(1, 1, 5, 5)) | region, parent=7)["boxes"].labels == {}


def test_a_class_belongs_to_the_first_page_unless_it_is_per_item() -> None:
    each = choice("class", "Spiral") | {"from_name": "each"}
    examples = on_pages(choice("class", "Elliptical"), each, each | {"item_index": 1})
    assert {image: list(target) for image, target in examples["class"].labels.items()} == {FIRST: [0, 1]}
    assert {image: list(target) for image, target in examples["each"].labels.items()} == {FIRST: [1, 0], SECOND: [1, 0]}


def test_a_hidden_control_gives_no_example() -> None:
    config = parse("""<View><Image name="image" value="$image"/>
    <Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>
    <View visibleWhen="choice-selected" whenTagName="class" whenChoiceValue="Spiral">
    <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels></View></View>""")
    annotations = [annotation(choice("class", "Elliptical")), annotation(choice("class", "Spiral"), task=2)]
    examples = gather_examples(annotations, config, config.controls, sizes_of=lambda references: [SIZE] * len(references))
    assert examples["boxes"].labels == {ImageOfTask(2, "image"): []}


@pytest.mark.parametrize("tag", ["RectangleLabels", "Choices", "Taxonomy"])
def test_a_control_with_labels_from_the_task_gives_no_example(tag: str) -> None:
    config = parse(f'<View><Image name="image" value="$image"/><{tag} name="boxes" toName="image" value="$labels"/></View>')
    region = box_region(Box(1, 1, 5, 5))
    notes = [annotation(region | {"type": tag.lower(), "value": region["value"] | {tag.lower(): ["Galaxy"]}})]
    examples = gather_examples(notes, config, config.controls, sizes_of=lambda references: [SIZE] * len(references))
    assert examples["boxes"] == Examples()


TEXTS = ["boxes", "mask", "Galaxy", "20", "image", ""]
KEYS = ["x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points", "format", "rle", "labels"]
TAGS = [each.tag.lower() for each in CONFIG.controls]
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats() | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "points", "rle", "labels"]), inner),
    max_leaves=6,
)
regions = st.fixed_dictionaries(
    {},
    optional={
        "from_name": st.sampled_from([each.name for each in CONFIG.controls]) | anything,
        "to_name": st.just("image") | anything,
        "type": st.sampled_from(TAGS) | anything,
        "item_index": anything,
        "original_width": anything,
        "original_height": anything,
        "value": st.dictionaries(
            st.sampled_from(KEYS + TAGS),
            anything | st.just(["Galaxy"]) | st.just("rle"),
        )
        | anything,
    },
)


@settings(deadline=None)
@given(st.lists(regions, min_size=1, max_size=3))
def test_any_region_is_read_or_left_out(results: list[Any]) -> None:
    examples = gather(annotation(*results), annotation(choice("class", "Spiral"), task=2))
    assert ImageOfTask(2, "image") in examples["class"].labels
    for control_ in CONFIG.controls:
        mine = [region for region in results if region.get("from_name") == control_.name]
        if mine and control_.tag in OBJECTS:
            assert examples[control_.name].labels.get(IMAGE, mine) != []


@pytest.mark.slow
def test_outlines_on_a_large_image_need_memory_for_their_own_pixels() -> None:
    size = (8_000, 8_000)
    triangle = polygonlabels.encode(
        Polygon(np.array([[10, 10], [90, 10], [10, 90]], float)), control=control("outline"), label="Galaxy", size=size
    )
    note = annotation(*[triangle | {"id": str(number)} for number in range(1_000)])
    tracemalloc.start()
    drawn_object = gather_examples([note], CONFIG, [control("outline")], sizes_of=lambda _: [size])["outline"].labels[IMAGE]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(drawn_object) == 1_000
    assert peak < 20 * 2**20


def test_an_annotation_that_is_too_large_is_rejected_before_it_is_read(caplog: pytest.LogCaptureFixture) -> None:
    region = brushlabels.encode(DISC, control=control("mask"), label="Galaxy", size=SIZE)
    many, huge = annotation(*[region] * (MOST_REGIONS + 1)), annotation(*[region] * 500, task=2)
    sizes = {"1.png": SIZE, "2.png": (10_000, 10_000)}
    with caplog.at_level(logging.WARNING):
        examples = gather_examples(
            [many, huge], CONFIG, [control("mask")], sizes_of=lambda names: [sizes[name] for name in names]
        )
    assert examples["mask"].labels == {}
    assert "at most 10000 are read" in caplog.text
    assert "500 masks on an image of 10000x10000 pixels" in caplog.text
