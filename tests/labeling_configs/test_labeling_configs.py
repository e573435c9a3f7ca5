from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from skimage.data import hubble_deep_field
from typer.testing import CliRunner

from backend.annotators import BASE_MORPHOLOGY
from backend.cli import app
from backend.fillers import fillers_of
from backend.heads.masks import PromptedMasks
from backend.heads.morphology import Morphology
from backend.heads.parameters import Parameters
from backend.project_heads import ProjectHeads, controls_to_fill
from backend.segmenters import BASE_SEGMENTER
from sync.labelconfig import LabelConfig, match_labels, parse
from sync.validation import check_prediction

CLASSES = ["elliptical", "spiral", "edge_on", "merger"]
SHIPPED = {path.name: path.read_text() for path in files("labeling_configs").iterdir() if path.name.endswith(".xml")}
SPIRAL = (slice(344, 456), slice(67, 179))
"""Rows and columns of the Hubble deep field."""


def shipped(name: str) -> LabelConfig:
    return parse(SHIPPED[name])


def test_these_configs_are_shipped() -> None:
    assert sorted(SHIPPED) == [
        "boxes.xml",
        "decision_tree.xml",
        "everything.xml",
        "low_surface_brightness.xml",
        "masks.xml",
        "morphology.xml",
        "parameters.xml",
        "rings_and_bars.xml",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_config_says_what_it_is_for(name: str) -> None:
    assert SHIPPED[name].startswith("<!-- ")


@pytest.mark.parametrize("name", SHIPPED)
def test_label_studio_accepts_a_config_and_we_fill_all_of_it(name: str) -> None:
    interface = LabelInterface(SHIPPED[name])
    interface.validate()
    config = shipped(name)
    assert [control.name for control in config.controls] == [control.name for control in interface.controls]
    assert config.image_key == {"image": "image"}


@pytest.mark.parametrize("name", ["morphology.xml", "everything.xml", "decision_tree.xml"])
def test_every_class_of_the_model_has_a_label_of_its_own(name: str) -> None:
    (control,) = (one for one in shipped(name).controls if one.tag in ("Choices", "Taxonomy"))
    assert len(set(match_labels(CLASSES, control).values())) == len(CLASSES)


@pytest.mark.parametrize("name", ["masks.xml", "everything.xml", "low_surface_brightness.xml"])
def test_prompts_ask_for_labels_that_the_brush_has(name: str) -> None:
    controls = shipped(name).controls
    prompts = [control for control in controls if control.smart]
    (brush,) = (control for control in controls if control.tag == "BrushLabels")
    assert {control.tag for control in prompts} == {"KeyPointLabels", "RectangleLabels"}
    for control in prompts:
        assert [label.value for label in control.labels] == [label.value for label in brush.labels]


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in ("morphology.xml", "decision_tree.xml")])
def test_shapes_are_filled_for_galaxies(name: str) -> None:
    shapes = [control for control in shipped(name).controls if control.tag.endswith("Labels")]
    assert shapes
    for control in shapes:
        assert match_labels(["galaxy"], control) == {"galaxy": "Galaxy"}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_backend_fills_a_config_on_its_first_day(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    galaxy, output = tmp_path / "galaxy.png", tmp_path / "tasks.json"
    Image.fromarray(np.asarray(hubble_deep_field())[SPIRAL]).resize((384, 384)).save(galaxy)
    words = ["predict", str(galaxy), "--config", name.removesuffix(".xml"), "--output", str(output)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    ((prediction,),) = [task["predictions"] for task in json.loads(output.read_text())]
    config = shipped(name)
    assert check_prediction(prediction, config, LabelInterface(SHIPPED[name])) == []
    # Numbers need a batch of examples: before that there is nothing honest to say. Prompts wait for a person.
    expected = {control.name for control in controls_to_fill(config) if control.tag != "Number"}
    assert {region["from_name"] for region in prediction["result"]} == expected
    assert expected


def test_numbers_are_filled_once_they_have_been_taught() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 8)).astype(np.float32)
    numbers = [control for control in controls_to_fill(shipped("parameters.xml")) if control.tag == "Number"]
    heads = ProjectHeads({control.name: Parameters.fit(embeddings, rng.uniform(0, 1, 40)) for control in numbers})
    fillers = fillers_of(numbers, heads, base=Morphology.load(BASE_MORPHOLOGY), masks=PromptedMasks.load(BASE_SEGMENTER))
    assert [filler.control.name for filler in fillers] == ["half_light_radius", "axis_ratio", "redshift"]
