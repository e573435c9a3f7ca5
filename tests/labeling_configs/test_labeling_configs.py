from __future__ import annotations

from importlib.resources import files

import pytest
from label_studio_sdk.label_interface import LabelInterface

from sync.labelconfig import LabelConfig, match_labels, parse

CLASSES = ["elliptical", "spiral", "edge_on", "merger"]
SHIPPED = {path.name: path.read_text() for path in files("labeling_configs").iterdir() if path.name.endswith(".xml")}


def shipped(name: str) -> LabelConfig:
    return parse(SHIPPED[name])


def test_these_configs_are_shipped() -> None:
    assert sorted(SHIPPED) == [
        "boxes.xml",
        "decision_tree.xml",
        "everything.xml",
        "masks.xml",
        "morphology.xml",
        "parameters.xml",
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


@pytest.mark.parametrize("name", ["masks.xml", "everything.xml"])
def test_prompts_ask_for_labels_that_the_brush_has(name: str) -> None:
    controls = shipped(name).controls
    prompts = [control for control in controls if control.smart]
    (brush,) = (control for control in controls if control.tag == "BrushLabels")
    assert {control.tag for control in prompts} == {"KeyPointLabels", "RectangleLabels"}
    for control in prompts:
        assert [label.value for label in control.labels] == [label.value for label in brush.labels]


@pytest.mark.parametrize("name", ["boxes.xml", "masks.xml", "everything.xml", "parameters.xml"])
def test_shapes_are_filled_for_galaxies(name: str) -> None:
    for control in shipped(name).controls:
        if control.tag.endswith("Labels"):
            assert match_labels(["galaxy"], control) == {"galaxy": "Galaxy"}
