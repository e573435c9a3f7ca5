from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from skimage.data import hubble_deep_field
from typer.testing import CliRunner

from backend.cli.app import app
from backend.heads.classification.morphology import Morphology
from backend.heads.regression import Parameters
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import create_models
from backend.prediction.control_models.structure import measured_quantity
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.project_heads import ProjectHeads, controls_to_predict, prompt_target
from sync.controls import MASKS, OBJECTS
from sync.label_studio.validation import check_prediction
from sync.labelling.config import LabelConfig, parse
from sync.labelling.matching import match_labels

CLASSES = ["elliptical", "spiral", "edge_on", "merger"]
SHIPPED = {path.name: path.read_text() for path in files("labeling_configs").iterdir() if path.name.endswith(".xml")}
TOOL_KEYS = "hkmprvu"
"""Keys of Label Studio 1.23.2 itself: pan, point, smart tool, polygon, rectangle, move, unselect."""
SPIRAL = (slice(344, 456), slice(67, 179))
"""Rows and columns of the Hubble deep field."""


def read_shipped(name: str) -> LabelConfig:
    return parse(SHIPPED[name])


def test_these_configs_are_shipped() -> None:
    assert sorted(SHIPPED) == [
        "boxes.xml",
        "decision_tree.xml",
        "everything.xml",
        "interest.xml",
        "low_surface_brightness.xml",
        "masks.xml",
        "morphology.xml",
        "parameters.xml",
        "redshift.xml",
        "restoration.xml",
        "rings_and_bars.xml",
        "structure.xml",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_config_starts_with_a_comment(name: str) -> None:
    assert SHIPPED[name].startswith("<!-- ")


@pytest.mark.parametrize("name", SHIPPED)
def test_label_studio_accepts_a_config_and_all_controls_are_predicted(name: str) -> None:
    interface = LabelInterface(SHIPPED[name])
    interface.validate()
    config = read_shipped(name)
    assert [control.name for control in config.controls] == [control.name for control in interface.controls]
    second = {"restoration.xml": {"restored": "restored"}, "redshift.xml": {"plot": "spectrum_plot"}}
    assert config.image_key == {"image": "image"} | second.get(name, {})


@pytest.mark.parametrize("name", ["morphology.xml", "everything.xml", "interest.xml", "decision_tree.xml"])
def test_every_class_of_the_model_has_its_own_label(name: str) -> None:
    (control,) = (each for each in read_shipped(name).controls if each.tag in ("Choices", "Taxonomy"))
    assert len(set(match_labels(CLASSES, control).values())) == len(CLASSES)


@pytest.mark.parametrize("name", ["masks.xml", "everything.xml", "low_surface_brightness.xml"])
def test_every_prompt_label_is_an_object_label_and_gets_that_label(name: str) -> None:
    config = read_shipped(name)
    prompts = [control for control in config.controls if control.smart]
    (target,) = (control for control in config.controls if control.tag in MASKS)
    assert {control.tag for control in prompts} == {"KeyPointLabels", "RectangleLabels"}
    for control in prompts:
        assert control.smart_only
        assert [label.value for label in control.labels] == [label.value for label in target.labels]
        for label in control.labels:
            assert prompt_target(config, label=label.value, to_name="image") == (target, label.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_two_labels_on_the_page_have_the_same_name(name: str) -> None:
    display_names = [
        label.display_name for control in read_shipped(name).controls for label in control.labels if control.tag != "Taxonomy"
    ]
    assert len(display_names) == len(set(display_names))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_label_has_its_own_hot_key(name: str) -> None:
    """For a label without a key Label Studio uses any free key, and `M` would no longer select the smart tool."""
    keys = list(hotkeys(name).values())
    assert all(keys)
    assert len(keys) == len(set(keys))
    assert not set(keys) & set(TOOL_KEYS)


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "decision_tree.xml"])
def test_classes_have_the_hot_keys_from_1(name: str) -> None:
    (first, *_) = (control for control in read_shipped(name).controls if control.labels)
    keys = hotkeys(name)
    assert [keys[first.name, label.display_name] for label in first.labels] == list("123456789")[: len(first.labels)]


def test_morphology_and_everything_have_the_same_classes_and_hot_keys() -> None:
    hotkey_maps = [{key: value for key, value in hotkeys(name).items() if key[0] == "morphology"} for name in
             ("morphology.xml", "everything.xml")]  # fmt: skip
    assert hotkey_maps[0] == hotkey_maps[1]


@pytest.mark.parametrize(
    "name", ["morphology.xml", "everything.xml", "interest.xml", "decision_tree.xml", "rings_and_bars.xml"]
)
def test_every_config_offers_a_label_for_unclear_images(name: str) -> None:
    (control,) = (each for each in read_shipped(name).controls if each.tag in ("Choices", "Taxonomy"))
    assert {"Star or artifact", "Can't tell"} <= {label.value for label in control.labels}
    assert "Can't tell" not in match_labels([*CLASSES, "star", "artifact", "galaxy"], control).values()


@pytest.mark.parametrize("name", SHIPPED)
def test_shapes_are_drawn_as_outlines(name: str) -> None:
    for element in fromstring(SHIPPED[name]).iter():
        if element.tag in OBJECTS and element.get("smartOnly") != "true" and element.tag != "BrushLabels":
            assert (element.get("opacity"), element.get("strokeWidth")) == ("0.05", "2")
        assert element.tag != "BrushLabels" or name == "masks.xml", "only masks.xml asks for pixels"


def test_in_everything_an_object_is_one_region() -> None:
    names = controls_to_predict(read_shipped("everything.xml"))
    assert [control.tag for control in names] == ["Choices", "PolygonLabels"]


def hotkeys(name: str) -> dict[tuple[str, str], str]:
    """Return the key of every label with a button, by its control and the name on the page."""
    return {
        (control.get("name", ""), label.get("value", "")): label.get("hotkey", "")
        for control in fromstring(SHIPPED[name]).iter()
        if control.tag != "Taxonomy"
        for label in control
        if label.tag in ("Choice", "Label") and control.get("name")
    }


@pytest.mark.parametrize(
    "name", [name for name in SHIPPED if name not in ("morphology.xml", "interest.xml", "decision_tree.xml", "redshift.xml")]
)
def test_detected_galaxies_get_the_label_galaxy(name: str) -> None:
    shapes = [control for control in read_shipped(name).controls if control.tag.endswith("Labels")]
    assert shapes
    for control in shapes:
        assert match_labels(["galaxy"], control) == {"galaxy": "Galaxy"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "redshift.xml"])  # learned from the first batch
def test_a_config_is_predicted_before_any_training(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    galaxy, output = tmp_path / "galaxy.png", tmp_path / "tasks.json"
    Image.fromarray(np.asarray(hubble_deep_field())[SPIRAL]).resize((192, 192)).save(galaxy)
    words = ["predict", str(galaxy), "--config", name.removesuffix(".xml"), "--output", str(output)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    ((prediction,),) = [task["predictions"] for task in json.loads(output.read_text())]
    config = read_shipped(name)
    assert check_prediction(prediction, config, LabelInterface(SHIPPED[name])) == []
    # Numbers are predicted after the first batch, or measured as far as a display image allows; the verdict on a restored
    # image is predicted after the first batch; prompts need an annotator.
    later = ("Number", "Rating")
    expected = {control.name for control in controls_to_predict(config) if control.tag not in later} - {"verdict"}
    measured_names = {control.name for control in config.controls if measured_quantity(control) is not None}
    answer_names = {region["from_name"] for region in prediction["result"]}
    assert expected <= answer_names <= expected | measured_names  # a fit of a display image may fail
    assert expected


def test_numbers_are_predicted_after_training() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 8)).astype(np.float32)
    numbers = [control for control in controls_to_predict(read_shipped("parameters.xml")) if control.tag == "Number"]
    heads = ProjectHeads({control.name: Parameters.fit(embeddings, rng.uniform(0, 1, 40)) for control in numbers})
    models = create_models(
        numbers, heads, base=BaseClassifier.alone(Morphology.load(BASE_MORPHOLOGY)), masks=PromptedMasks.load(BASE_SEGMENTER)
    )
    assert [model.control.name for model in models] == ["half_light_radius", "axis_ratio", "redshift"]
