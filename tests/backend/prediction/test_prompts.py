"""Prompts: clicks and boxes become one object, in the project's control for it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.prediction.prompts import MAX_PROMPTS, answer_prompts
from backend.prediction.regions import regions_of_mask
from sync.controls import brushlabels, rle
from sync.images.decode import decode
from sync.label_studio.validation import check_prediction
from sync.labelling.config import parse

BRUSH = '<BrushLabels name="objects" toName="image"><Label value="Galaxy"/></BrushLabels>'
TOOLS = """<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels>
<RectangleLabels name="drag" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></RectangleLabels>"""
SHIPPED = PromptedMasks.load(BASE_SEGMENTER)
SIZE = (200, 100)
LEFT, RIGHT = (60, 50), (150, 50)


def config(tag: str = "BrushLabels") -> Any:
    objects = f'<{tag} name="objects" toName="image"><Label value="Arm"/><Label value="Galaxy"/></{tag}>'
    return parse(f'<View><Image name="image" value="$image"/>{objects}{TOOLS}</View>')


def click(place: tuple[float, float], *, size: tuple[int, int] = SIZE, **more: Any) -> dict[str, Any]:
    value = {"x": place[0] / SIZE[0] * 100, "y": place[1] / SIZE[1] * 100, "width": 0.2, "keypointlabels": ["Galaxy"]}
    region = {"id": "p", "from_name": "click", "to_name": "image", "type": "keypointlabels", "value": value}
    return region | {"original_width": size[0], "original_height": size[1]} | more


def drag(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    value = {"x": x / 2, "y": y, "width": width / 2, "height": height, "rotation": 0, "rectanglelabels": ["Galaxy"]}
    return click(LEFT) | {"from_name": "drag", "type": "rectanglelabels", "value": value}


@pytest.fixture(scope="module")
def pixels(png: Callable[..., bytes]) -> NDArray[np.float32]:
    return decode(png(spots=((*LEFT, 5), (*RIGHT, 6))))


@pytest.fixture
def window_encoder() -> CachedWindowEncoder:
    return CachedWindowEncoder(LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT)), None)


@pytest.fixture
def answer(pixels: NDArray[np.float32], window_encoder: CachedWindowEncoder) -> Callable[..., list[dict[str, Any]]]:
    windowed_image = window_encoder.of_pixels(pixels)

    def ask(*prompts: Any, tag: str = "BrushLabels", task: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        regions = answer_prompts(
            list(prompts),
            task=task or {},
            config=config(tag),
            head=SHIPPED,
            windowed_image_of=lambda _name, _page: windowed_image,
        )
        assert check_prediction({"result": regions}, config(tag)) == []
        return regions

    return ask


def mask_of(regions: list[dict[str, Any]]) -> NDArray[np.bool_]:
    (region,) = regions
    return brushlabels.decode(region).shape


def covers(mask: NDArray[np.bool_], *places: tuple[float, float]) -> list[bool]:
    return [bool(mask[int(y), int(x)]) for x, y in places]


def test_a_click_selects_the_galaxy_under_it(answer: Callable[..., Any]) -> None:
    regions = answer(click(LEFT))
    assert covers(mask_of(regions), LEFT, RIGHT) == [True, False]
    assert (regions[0]["from_name"], regions[0]["value"]["brushlabels"]) == ("objects", ["Galaxy"])
    assert 0 <= regions[0]["score"] <= 1


@pytest.mark.slow
def test_several_clicks_are_combined(answer: Callable[..., Any]) -> None:
    assert covers(mask_of(answer(click(LEFT), click(RIGHT))), LEFT, RIGHT) == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("no", [False, 0])
def test_a_negative_click_removes_a_region(answer: Callable[..., Any], no: object) -> None:
    assert covers(mask_of(answer(click(LEFT), click(RIGHT), click(RIGHT, is_positive=no))), LEFT, RIGHT) == [True, False]


def test_a_negative_click_alone_gets_no_answer(answer: Callable[..., Any]) -> None:
    assert answer(click(LEFT, is_positive=False)) == []


def test_a_box_selects_the_object_inside(answer: Callable[..., Any]) -> None:
    assert covers(mask_of(answer(drag(135, 35, 30, 30))), LEFT, RIGHT) == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "kind"),
    [("PolygonLabels", "polygonlabels"), ("RectangleLabels", "rectanglelabels"), ("EllipseLabels", "ellipselabels")],
)
def test_the_answer_has_the_type_of_the_available_control(answer: Callable[..., Any], tag: str, kind: str) -> None:
    assert [region["type"] for region in answer(click(LEFT), tag=tag)] == [kind]


def test_an_answer_has_a_new_id(answer: Callable[..., Any]) -> None:
    ids = {answer(click(LEFT))[0]["id"] for _ in range(3)}
    assert len(ids - {"p"}) == 3


@pytest.mark.slow
def test_a_click_does_not_depend_on_the_displayed_size(answer: Callable[..., Any]) -> None:
    assert (mask_of(answer(click(RIGHT, size=(2000, 1000)))) == mask_of(answer(click(RIGHT)))).all()


@pytest.mark.parametrize("prompts", [None, [], {}, "text", 7, [None], [7], [[]], ["text"], [{}], [{"type": "choices"}]])
def test_regions_that_are_not_prompts_open_no_image(prompts: object) -> None:
    def never(_name: str, _page: int) -> WindowedImage:
        raise AssertionError("the image was opened")

    assert answer_prompts(prompts, task={}, config=config(), head=SHIPPED, windowed_image_of=never) == []


@pytest.mark.parametrize(
    "value",
    [
        {"value": None},
        {"value": {"x": 5, "y": 5}},
        {"value": {"x": float("nan"), "y": 5, "keypointlabels": ["Galaxy"]}},
        {"value": {"x": "5", "y": 5, "keypointlabels": ["Galaxy"]}},
        {"value": {"x": 500, "y": 5, "keypointlabels": ["Galaxy"]}},
        {"is_positive": "yes"},
    ],
)
def test_an_invalid_prompt_is_an_error_in_one_sentence(answer: Callable[..., Any], value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" ") as refusal:
        answer(click(LEFT) | value)
    assert "\n" not in str(refusal.value)


def test_a_drawn_mask_is_refined(answer: Callable[..., Any], pixels: NDArray[np.float32]) -> None:
    rows, columns = np.indices(pixels.shape[:2])
    mask = np.hypot(columns - LEFT[0], rows - LEFT[1]) < 9
    control = parse(f'<View><Image name="image" value="$image"/>{BRUSH}</View>').controls[0]
    region = brushlabels.encode(mask, control=control, label="Galaxy", score=0.5, size=SIZE)
    assert covers(mask_of(answer(region, click(RIGHT))), LEFT, RIGHT) == [True, True]
    assert covers(mask_of(answer(region)), LEFT, RIGHT) == [True, False]


def test_a_mask_of_another_size_is_an_error_in_one_sentence(answer: Callable[..., Any]) -> None:
    control = parse(f'<View><Image name="image" value="$image"/>{BRUSH}</View>').controls[0]
    region = brushlabels.encode(np.ones((10, 10), bool), control=control, label="Galaxy", score=0.5, size=(10, 10))
    with pytest.raises(ValueError, match="a mask of 100 pixels does not fit an image of 200x100"):
        answer(region)


def claim_size(kind: str, tag: str, value: dict[str, Any], *, side: int = 10_000) -> dict[str, Any]:
    """Return a prompt of a config with smart brushes and polygons that states an image of `side` pixels."""
    value = value | {tag.lower(): ["Galaxy"]}
    region = {"id": "p", "from_name": kind, "to_name": "image", "type": tag.lower(), "value": value}
    return region | {"original_width": side, "original_height": side}


CLAIMS = """<View><Image name="image" value="$image"/>
<BrushLabels name="objects" toName="image"><Label value="Galaxy"/></BrushLabels>
<BrushLabels name="brush" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></BrushLabels>
<PolygonLabels name="outline" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></PolygonLabels></View>"""


def test_the_size_stated_by_a_prompt_needs_no_memory(pixels: NDArray[np.float32], window_encoder: CachedWindowEncoder) -> None:
    windowed_image = window_encoder.of_pixels(pixels)
    triangle = {"points": [[0, 0], [100, 0], [0, 100]], "closed": True}
    everywhere = rle.encode(np.ones((100, 200), bool))
    larger = [*(10_000 * 10_000 * 4).to_bytes(4, "big"), *everywhere[4:]]
    many = {"points": [[0, 0], [1, 1], [0, 1]] * 350_000, "closed": True}

    def ask(*prompts: dict[str, Any]) -> list[dict[str, Any]]:
        return answer_prompts(
            list(prompts), task={}, config=parse(CLAIMS), head=SHIPPED, windowed_image_of=lambda _name, _page: windowed_image
        )

    ask(claim_size("outline", "PolygonLabels", triangle))
    tracemalloc.start()
    assert ask(*[claim_size("outline", "PolygonLabels", triangle)] * 60)
    with pytest.raises(ValueError, match="a mask of 100000000 pixels does not fit an image of 200x100"):
        ask(claim_size("brush", "BrushLabels", {"format": "rle", "rle": larger}))
    for value in (many, {"points": [[1e308, 0], [float("nan"), 0], [0, 100]]}, {"points": [[10**300, 0], [5, 5], [0, 100]]}):
        with pytest.raises(ValueError, match=" "):
            ask(claim_size("outline", "PolygonLabels", value))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_too_many_clicks_are_an_error(answer: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="201 prompts were sent for one object"):
        answer(*[click(LEFT)] * (MAX_PROMPTS + 1))


def test_a_config_without_objects_gets_no_answer(answer: Callable[..., Any]) -> None:
    assert answer(click(LEFT), tag="Choices") == []


PAGES = """<View><Image name="image" valueList="$images"/><BrushLabels name="objects" toName="image"><Label value="Galaxy"/>
</BrushLabels><KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>"""


@pytest.mark.slow
def test_a_click_is_answered_on_its_page(pixels: NDArray[np.float32], window_encoder: CachedWindowEncoder) -> None:
    images = []

    def windowed_image_of(name: str, page: int) -> WindowedImage:
        images.append((name, page))
        return window_encoder.of_pixels(pixels)

    prompts = [click(LEFT, item_index=0), click(RIGHT, item_index=1)]
    (region,) = answer_prompts(prompts, task={}, config=parse(PAGES), head=SHIPPED, windowed_image_of=windowed_image_of)
    assert (images, region["item_index"]) == ([("image", 1)], 1)
    assert covers(brushlabels.decode(region).shape, LEFT, RIGHT) == [False, True]


@pytest.mark.parametrize("page", [-1, 0.5, "1", True])
def test_an_invalid_page_is_an_error(page: object) -> None:
    def never(_name: str, _page: int) -> WindowedImage:
        raise AssertionError("the image was opened")

    with pytest.raises(ValueError, match="item_index must be a whole number from 0"):
        answer_prompts([click(LEFT, item_index=page)], task={}, config=parse(PAGES), head=SHIPPED, windowed_image_of=never)


# -- regions on the screen --


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.indices(SIZE[::-1]) + 0.5
    inside: NDArray[np.bool_] = np.hypot(columns - x, rows - y) < radius
    return inside


def show(mask: NDArray[np.bool_], name: str, *, tag: str = "BrushLabels", label: str = "Galaxy") -> dict[str, Any]:
    (region, *_) = regions_of_mask(mask, control=config(tag).controls[0], label=label, score=0.5)
    return region | {"id": name}


def predict_region(*regions: dict[str, Any]) -> dict[str, Any]:
    return {"predictions": [{"id": 1, "result": list(regions)}], "annotations": [], "drafts": []}


@pytest.mark.parametrize("tag", ["BrushLabels", "PolygonLabels"])
def test_a_click_on_a_predicted_object_refines_and_replaces_it(answer: Callable[..., Any], tag: str) -> None:
    half = disc(*LEFT, 12) & (np.indices(SIZE[::-1])[1] < LEFT[0])
    half[LEFT[1], LEFT[0] - 2 : LEFT[0] + 1] = True
    task = predict_region(show(half, "left", tag=tag), show(disc(*RIGHT, 10), "right", tag=tag))
    (region,) = answer(click((LEFT[0] - 4, LEFT[1])), tag=tag, task=task)
    assert region["id"] == "left"


def test_a_negative_click_reduces_the_shown_object(answer: Callable[..., Any]) -> None:
    wide = disc(*LEFT, 12) | disc(LEFT[0] + 25, LEFT[1], 8) | (np.indices(SIZE[::-1])[0] == LEFT[1]) & disc(*LEFT, 26)
    (region,) = answer(click((LEFT[0] + 25, LEFT[1]), is_positive=False), task=predict_region(show(wide, "left")))
    assert region["id"] == "left"
    assert covers(mask_of([region]), LEFT, (LEFT[0] + 25, LEFT[1])) == [True, False]


def test_a_negative_click_outside_all_objects_gets_no_answer(answer: Callable[..., Any]) -> None:
    assert answer(click((100, 90), is_positive=False), task=predict_region(show(disc(*LEFT, 12), "left"))) == []


def test_a_click_outside_the_shown_objects_gives_a_new_id(answer: Callable[..., Any]) -> None:
    (region,) = answer(click(RIGHT), task=predict_region(show(disc(*LEFT, 12), "left")))
    assert region["id"] not in ("left", "p")
    assert covers(mask_of([region]), LEFT, RIGHT) == [False, True]


def test_an_object_with_another_label_is_not_refined(answer: Callable[..., Any]) -> None:
    (region,) = answer(click(LEFT), task=predict_region(show(disc(*LEFT, 12), "left", label="Arm")))
    assert region["id"] != "left"


@pytest.mark.slow
def test_a_draft_hides_the_annotation_which_hides_the_prediction(answer: Callable[..., Any]) -> None:
    task = predict_region(show(disc(*LEFT, 12), "predicted"))
    task["annotations"] = [{"id": 3, "result": [show(disc(*LEFT, 11), "submitted")]}]
    assert answer(click(LEFT), task=task)[0]["id"] == "submitted"
    task["drafts"] = [
        {"id": 7, "updated_at": "2026-01-01T10:00:00Z", "result": [show(disc(*LEFT, 10), "old")]},
        {"id": 8, "updated_at": "2026-01-01T11:00:00Z", "result": [show(disc(*LEFT, 10), "draft")]},
    ]
    assert answer(click(LEFT), task=task)[0]["id"] == "draft"
    task["drafts"][1]["result"] = []  # deleted by the annotator
    assert answer(click(LEFT), task=task)[0]["id"] not in ("old", "submitted", "predicted")


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, 7, "text", [7], [{}], [{"result": None}], [{"result": [7, {"from_name": "objects"}]}]])
def test_a_malformed_task_is_answered(answer: Callable[..., Any], value: object) -> None:
    task = {"predictions": value, "annotations": value, "drafts": value}
    assert covers(mask_of(answer(click(LEFT), task=task)), LEFT, RIGHT) == [True, False]


# -- regions that are prompts --


def test_only_rectangles_of_the_smart_control_are_prompts(answer: Callable[..., Any]) -> None:
    others = [
        drag(45, 35, 30, 30) | {"id": f"b{n}", "from_name": "boxes", "origin": "prediction"} for n in range(MAX_PROMPTS + 1)
    ]
    assert covers(mask_of(answer(*others, drag(135, 35, 30, 30))), LEFT, RIGHT) == [False, True]
    assert answer(*others) == []


def test_a_submitted_prompt_is_not_a_new_prompt(answer: Callable[..., Any]) -> None:
    task = predict_region() | {"annotations": [{"id": 1, "result": [drag(45, 35, 30, 30) | {"id": "stray"}]}]}
    regions = answer(drag(45, 35, 30, 30) | {"id": "stray"}, drag(135, 35, 30, 30), task=task)
    assert covers(mask_of(regions), LEFT, RIGHT) == [False, True]


def test_an_ellipse_of_a_smart_control_selects_the_object_inside(pixels: NDArray[np.float32]) -> None:
    tools = '<EllipseLabels name="round" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></EllipseLabels>'
    label_config = parse(f'<View><Image name="image" value="$image"/>{BRUSH}{tools}</View>')
    value = {"x": 75, "y": 50, "radiusX": 8, "radiusY": 16, "rotation": 0, "ellipselabels": ["Galaxy"]}
    prompt = click(LEFT) | {"from_name": "round", "type": "ellipselabels", "value": value}
    windows = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    windowed_image = CachedWindowEncoder(windows, None).of_pixels(pixels)
    regions = answer_prompts(
        [prompt], task={}, config=label_config, head=SHIPPED, windowed_image_of=lambda _name, _page: windowed_image
    )
    assert covers(mask_of(regions), LEFT, RIGHT) == [False, True]
