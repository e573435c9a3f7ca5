"""The images of a task, and the image of each region."""

from __future__ import annotations

from typing import Any

import pytest

from sync.errors.controls import ControlError
from sync.label_studio.task_images import image_of_region, images_of_control, place_region, references_of
from sync.labelling.config import LabelConfig, parse


def config(value: str, to_name: str = "image", choices: str = "") -> LabelConfig:
    return parse(f"""<View><Image name="image" {value}/><Image name="r" value="$r"/>
    <RectangleLabels name="boxes" toName="{to_name}"><Label value="Galaxy"/></RectangleLabels>
    <Choices name="kind" toName="{to_name}" {choices}><Choice value="Spiral"/></Choices></View>""")


@pytest.mark.parametrize(
    ("value", "data", "references"),
    [
        ('value="$i"', {"i": "a.png"}, ["a.png"]),
        ('value="$i"', {"i": ["a.png", "b.png"]}, ["a.png"]),
        ('value="$i"', {"i": []}, [""]),
        ('value="$i"', {"i": {"url": "a.png"}}, [""]),
        ('value="$i"', {}, [""]),
        ('value="$i[1]"', {"i": ["a.png", "b.png"]}, ["b.png"]),
        ('value="$i[2]"', {"i": ["a.png", "b.png"]}, [""]),
        ('value="$i.url"', {"i": {"url": "a.png"}}, ["a.png"]),
        ('value="$i[0].url"', {"i": [{"url": "a.png"}]}, ["a.png"]),
        ('value="$i.url"', {"i": "a.png"}, [""]),
        ('value="$i.url"', {"i.url": "b.png", "i": {"url": "a.png"}}, ["b.png"]),
        ('valueList="$i"', {"i": ["a.png", None, "b.png"]}, ["a.png", "", "b.png"]),
        ('valuelist="$i"', {"i": ["a.png", "b.png"]}, ["a.png", "b.png"]),
        ('valueList="$i.pages"', {"i": {"pages": ["a.png", "b.png"]}}, ["a.png", "b.png"]),
        ('valueList="$i"', {"i": "a.png"}, ["a.png"]),
        ('valueList="$i"', {"i": []}, [""]),
        ('value="$other" valueList="$i"', {"i": ["a.png", "b.png"], "other": "c.png"}, ["a.png", "b.png"]),
    ],
)
def test_references_are_read_as_label_studio_shows_them(value: str, data: dict[str, Any], references: list[str]) -> None:
    assert references_of(data, config(value), "image") == references


def test_objects_have_all_images_of_their_control_and_classes_one() -> None:
    data = {"i": ["a.png", "b.png"], "r": "r.png"}
    pages = config('valueList="$i"', to_name="image, r")
    boxes, kind = pages.controls
    assert images_of_control(data, pages, boxes) == [("image", 0), ("image", 1), ("r", 0)]
    assert images_of_control(data, pages, kind) == [("image", 0)]
    each = config('valueList="$i"', choices='perItem="true"')
    assert images_of_control(data, each, each.controls[1]) == [("image", 0), ("image", 1)]


@pytest.mark.parametrize(
    ("region", "image"),
    [
        ({"to_name": "image", "item_index": 1}, ("image", 1)),
        ({"to_name": "image"}, ("image", 0)),
        ({"to_name": "image", "item_index": None}, ("image", 0)),
        ({"to_name": "r", "item_index": 1}, ("r", 0)),
    ],
)
def test_a_region_lies_on_the_image_and_page_that_it_names(region: dict[str, Any], image: tuple[str, int]) -> None:
    pages = config('valueList="$i"', to_name="image,r")
    assert image_of_region(region, pages.controls[0], pages) == image


@pytest.mark.parametrize("region", [{"to_name": "elsewhere"}, {}, {"to_name": "image", "item_index": -1}])
def test_a_region_without_an_image_is_rejected(region: dict[str, Any]) -> None:
    pages = config('valueList="$i"', to_name="image,r")
    with pytest.raises(ControlError):
        image_of_region(region, pages.controls[0], pages)


def test_a_region_of_another_image_is_rejected() -> None:
    pages = config('value="$i"')
    with pytest.raises(ControlError, match="lies on 'r', and 'boxes' annotates image"):
        image_of_region({"to_name": "r"}, pages.controls[0], pages)
    assert image_of_region({"to_name": "old_name"}, pages.controls[0], pages) == ("image", 0)


def test_a_predicted_region_names_its_page() -> None:
    pages = config('valueList="$i"')
    assert place_region({"id": "a"}, pages, ("image", 0)) == {"id": "a", "to_name": "image", "item_index": 0}
    assert place_region({"id": "a"}, pages, ("r", 0)) == {"id": "a", "to_name": "r"}
