"""The predictor: exactly one prediction per task, in order, valid under the project's config."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files as resources
from itertools import count
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from backend.prediction.predictor import CHUNK, EMPTY_SCORE, PredictionTask, Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.controls import OBJECTS
from sync.label_studio.validation import check_prediction
from sync.labelling.config import parse

SHIPPED = {path.name: path.read_text() for path in resources("labeling_configs").iterdir() if path.name.endswith(".xml")}
CHOICES = '<Choices name="{0}" toName="{1}"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>'
SIMPLE = f'<View><Image name="image" value="$image"/>{CHOICES.format("c", "image")}</View>'
NAMES = count()


@pytest.fixture
def predictor(predicting: Services) -> Callable[[str], Predictor]:
    return lambda xml: predicting.predictors.build(parse(xml), ProjectHeads(), version="v0042")


@pytest.fixture
def upload(files: Any, png: Callable[..., bytes]) -> Callable[..., str]:
    def put(content: bytes | None = None, **options: Any) -> str:
        return str(files.put(f"/data/upload/77/{next(NAMES)}.png", png(**options) if content is None else content))

    return put


def tasks(*references: Any) -> list[PredictionTask]:
    return [PredictionTask(number, {"image": reference}) for number, reference in enumerate(references, start=1)]


@pytest.mark.parametrize("name", SHIPPED)
def test_predictions_are_valid_under_every_shipped_config(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], name: str
) -> None:
    config, interface = parse(SHIPPED[name]), LabelInterface(SHIPPED[name])
    images = [upload(), upload(size=(64, 64), spots=((32, 32, 7),)), upload(spots=()), upload(size=(9, 300))]
    for prediction in predictor(SHIPPED[name]).predict(tasks(*images)):
        assert check_prediction(prediction.as_json(), config, interface) == []
        assert 0 <= prediction.score <= 1
        assert prediction.model_version == "v0042"


@pytest.mark.parametrize("tag", OBJECTS)
def test_every_control_of_objects_gets_valid_predictions(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], tag: str
) -> None:
    xml = f'<View><Image name="image" value="$image"/><{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}></View>'
    (prediction,) = predictor(xml).predict(tasks(upload()))
    assert {region["type"] for region in prediction.result} == {tag.lower()}
    assert check_prediction(prediction.as_json(), parse(xml), LabelInterface(xml)) == []


def test_an_invalid_region_is_dropped_and_logged(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    xml = f'<View><Image name="image" value="$image"/>{BOXES.format("image")}{CHOICES.format("c", "image")}</View>'
    other_predictor = predictor(xml)
    other_predictor.config = parse(xml.replace("Galaxy", "Nebula"))
    with caplog.at_level(logging.ERROR):
        (prediction,) = other_predictor.predict(tasks(upload()))
    assert [region["from_name"] for region in prediction.result] == ["c"]
    assert {"task=1" in line and "does not offer" in line for line in caplog.messages if "event=region_dropped" in line} == {
        True
    }


@pytest.mark.parametrize("name", ["morphology.xml", "everything.xml", "decision_tree.xml"])
def test_without_trained_heads_a_class_is_predicted(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], name: str
) -> None:
    (prediction,) = predictor(SHIPPED[name]).predict(tasks(upload()))
    control = next(each for each in parse(SHIPPED[name]).controls if each.tag in ("Choices", "Taxonomy"))
    (region,) = (each for each in prediction.result if each["from_name"] == control.name)
    value = region["value"][control.tag.lower()][0]
    assert (tuple(value) in control.paths) if control.paths else value in [label.value for label in control.labels]


def test_region_ids_are_new_each_time(predictor: Callable[[str], Predictor], upload: Callable[..., str]) -> None:
    full_predictor, image = predictor(SHIPPED["everything.xml"]), upload()
    ids = [region["id"] for _ in range(2) for item in full_predictor.predict(tasks(image, image)) for region in item.result]
    assert len(set(ids)) == len(ids) > 4


def test_each_task_has_one_prediction_in_order(predictor: Callable[[str], Predictor], upload: Callable[..., str]) -> None:
    boxes = predictor(SHIPPED["boxes.xml"])
    empty_sky, single, double = upload(spots=()), upload(spots=((60, 50, 5),)), upload()
    references = [double, empty_sky, single] * (CHUNK // 3 + 1)
    assert [len(item.result) for item in boxes.predict(tasks(*references))] == [2, 0, 1] * (CHUNK // 3 + 1)


def test_no_tasks_give_no_predictions(predictor: Callable[[str], Predictor]) -> None:
    assert predictor(SIMPLE).predict([]) == []
    assert predictor(SIMPLE).answer([], {"result": []}) == []


@pytest.mark.parametrize(
    "reference", ["/data/upload/77/missing.png", "file:///etc/passwd", "", None, 7, [], {}, ["x", 7], True]
)
def test_a_task_without_an_image_has_an_empty_prediction_and_comes_last(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], reference: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        good, bad_task = predictor(SIMPLE).predict(tasks(upload(), reference))
    assert good.result
    assert (bad_task.result, bad_task.score) == ([], EMPTY_SCORE)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "galaxyloop.predictor"]
    assert line.startswith("event=image_not_read task=2 version=v0042 image=image page=0 reason=")


def test_the_first_of_a_list_of_images_is_predicted(predictor: Callable[[str], Predictor], upload: Callable[..., str]) -> None:
    assert predictor(SIMPLE).predict(tasks([upload(), "/data/upload/77/missing.png"]))[0].result


BOXES = '<RectangleLabels name="boxes" toName="{}"><Label value="Galaxy"/></RectangleLabels>'


def places(prediction: Any) -> list[tuple[str, str, int | None]]:
    return [(region["from_name"], region["to_name"], region.get("item_index")) for region in prediction.result]


def test_objects_are_predicted_on_each_page_and_classes_on_the_first(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    xml = SIMPLE.replace('value="$image"', 'valueList="$image"').replace("</View>", BOXES.format("image") + "</View>")
    pages = [upload(spots=((60, 50, 5),)), upload(spots=()), upload(), None]
    alone, page_list = predictor(xml).predict(tasks(pages[0], pages))
    assert places(alone) == [("c", "image", 0), ("boxes", "image", 0)]
    assert places(page_list) == [("c", "image", 0), ("boxes", "image", 0), *[("boxes", "image", 2)] * 2]
    assert "page 4" in page_list.problem
    assert check_prediction(page_list.as_json(), parse(xml), LabelInterface(xml)) == []


def test_a_per_item_control_is_predicted_on_each_page(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    xml = SIMPLE.replace('value="$image"', 'valueList="$image"').replace("<Choices", '<Choices perItem="true"')
    (prediction,) = predictor(xml).predict(tasks([upload(), "/data/upload/77/missing.png", upload()]))
    assert places(prediction) == [("c", "image", 0), ("c", "image", 2)]


def test_a_control_of_two_images_is_predicted_on_both(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    xml = f'<View><Image name="g" value="$g"/><Image name="r" value="$data.r[1].url"/>{BOXES.format("g,r")}</View>'
    data = {"g": upload(spots=()), "data": {"r": [None, {"url": upload()}]}}
    (prediction,) = predictor(xml).predict([PredictionTask(1, data)])
    assert places(prediction) == [("boxes", "r", None)] * 2
    assert check_prediction(prediction.as_json(), parse(xml), LabelInterface(xml)) == []


@pytest.mark.parametrize("hiding", ["<View {}>{}</View>", "<RectangleLabels {}{}"])
def test_a_hidden_control_is_not_predicted(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], hiding: str
) -> None:
    task = tasks(upload())
    (region_of_class,) = predictor(SIMPLE).predict(task)[0].result
    (label,) = region_of_class["value"]["choices"]
    other = {"Spiral": "Elliptical", "Elliptical": "Spiral"}[label]
    boxes = BOXES.format("image")
    for value, is_predicted in ((label, True), (other, False), (f"{other},{label}", True)):
        condition = f'visibleWhen="choice-selected" whenTagName="c" whenChoiceValue="{value}"'
        xml = hiding.format(condition, boxes if hiding.startswith("<View") else boxes.removeprefix("<RectangleLabels"))
        (prediction,) = predictor(SIMPLE.replace("</View>", xml + "</View>")).predict(task)
        assert any(region["from_name"] == "boxes" for region in prediction.result) == is_predicted


def test_each_image_of_a_config_is_predicted_from_its_own_file(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    pair = '<View><Image name="a" value="$one"/><Image name="b" value="$two"/>{}{}</View>'
    both = predictor(pair.format(CHOICES.format("ca", "a"), CHOICES.format("cb", "b")))
    (prediction,) = both.predict([PredictionTask(1, {"one": upload(), "two": "/data/upload/77/missing.png"})])
    assert [(region["from_name"], region["to_name"]) for region in prediction.result] == [("ca", "a")]


def test_a_config_without_controls_gives_empty_predictions(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    (prediction,) = predictor("<View/>").predict(tasks(upload()))
    assert (prediction.result, prediction.score) == ([], EMPTY_SCORE)


def prompt(x: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": 50, "width": 0.2, "keypointlabels": ["Galaxy"]}
    region = {"from_name": "click", "to_name": "image", "type": "keypointlabels", "value": value}
    return region | {"original_width": 200, "original_height": 100} | more


def test_prompts_are_answered_for_the_first_task_only(
    predictor: Callable[[str], Predictor], upload: Callable[..., str]
) -> None:
    answers = predictor(SHIPPED["everything.xml"]).answer(tasks(upload(), upload()), {"result": [prompt(30)]})
    assert [bool(answer.result) for answer in answers] == [True, False]


@pytest.mark.parametrize(
    ("reference", "context"),
    [
        (None, {"result": [prompt(30)]}),
        ("/data/upload/77/missing.png", {"result": [prompt(30)]}),
        ("good", {"result": [prompt(float("nan"))]}),
        ("good", {"result": [prompt(30, to_name="nowhere")]}),
        ("good", {"result": []}),
        ("good", {}),
    ],
)
def test_a_prompt_that_cannot_be_answered_gets_an_empty_answer(
    predictor: Callable[[str], Predictor], upload: Callable[..., str], reference: str | None, context: dict[str, Any]
) -> None:
    image = upload() if reference == "good" else reference
    (answer,) = predictor(SHIPPED["everything.xml"]).answer(tasks(image), context)
    assert answer.result == []
