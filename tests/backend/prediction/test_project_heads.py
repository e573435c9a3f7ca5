"""A project's heads: the head of each control, their storage in a version, and the control that answers a prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.heads import Head, HeadError
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.regression import Parameters
from backend.heads.restoration.share import CorrectionShare
from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.project_heads import PROMPTS, RESTORED_PICTURES, ProjectHeads, controls_to_predict, prompt_target
from sync.labelling.config import LabelConfig, parse

CHOICES = '<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Ring"/></Choices>'
NUMBER = '<Number name="redshift" toName="image"/>'
BOXES = '<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>'
BRUSH = '<BrushLabels name="mask" toName="image"><Label value="Arm"/><Label value="Galaxy"/></BrushLabels>'
CLICK = '<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels>'
SMART = '<RectangleLabels name="drag" toName="image" smart="true"><Label value="Galaxy"/></RectangleLabels>'


def config(*controls: str) -> LabelConfig:
    return parse(f'<View><Image name="image" value="$image"/>{"".join(controls)}</View>')


def names(*controls: str) -> list[str]:
    return [control.name for control in controls_to_predict(config(*controls))]


@pytest.fixture
def heads(embeddings: Callable[..., Any]) -> ProjectHeads:
    """Return one head of each kind."""
    vectors, targets = embeddings([0, 1] * 5, classes=2, dimension=4)
    morphology = Morphology.fit(vectors, targets, classes=["Spiral", "Ring"], exclusive=True)
    parameters = Parameters.fit(vectors, np.arange(10.0))
    heads: dict[str, Head] = {"class": morphology, "redshift": parameters, "boxes": Detection.base(("Galaxy", "Star"))}
    return ProjectHeads(heads, PromptedMasks.blank(SegmenterConfig(channels=(4,)), encoder="some"))


# -- predicted controls --


def test_controls_with_a_head_are_predicted_and_prompts_are_not() -> None:
    assert names(CHOICES, NUMBER, BOXES, BRUSH, CLICK) == ["class", "redshift", "boxes", "mask"]


def test_a_smart_rectangle_is_a_prompt_if_another_control_holds_objects() -> None:
    assert names(BRUSH, SMART) == ["mask"]


def test_a_smart_rectangle_is_predicted_if_no_other_control_holds_objects() -> None:
    assert names(SMART) == ["drag"]
    assert names(SMART.replace('smart="true"', 'smart="true" smartOnly="true"')) == []


# -- the control that answers a prompt --


def target(*controls: str, label: str = "Galaxy", to_name: str = "image", by: str = "click") -> tuple[str, str] | None:
    target_of_prompt = prompt_target(config(*controls), label=label, to_name=to_name, from_name=by)
    return target_of_prompt and (target_of_prompt[0].name, target_of_prompt[1])


def test_a_prompt_is_answered_in_the_most_exact_control_with_its_label() -> None:
    assert target(BOXES, BRUSH, CLICK) == ("mask", "Galaxy")
    assert target(BOXES, BRUSH, CLICK, label="Star") == ("boxes", "Star")


def test_a_prompt_whose_label_no_other_control_has_gets_no_answer() -> None:
    assert target(BOXES, BRUSH, label="Nebula") is None


ALIASED = """<BrushLabels name="brush" toName="image">
<Label value="star" alias="1_brush"/><Label value="galaxy" alias="2_brush"/></BrushLabels>"""
SHORT = """<KeyPointLabels name="click" toName="image" smart="true">
<Label value="star" alias="s"/><Label value="galaxy" alias="g"/></KeyPointLabels>"""


@pytest.mark.parametrize("label", ["galaxy", "Galaxy", "GALAXY ", "2_brush", "galaxies"])
def test_a_prompt_is_answered_with_the_stored_form_of_its_label(label: str) -> None:
    assert target(ALIASED, label=label) == ("brush", "2_brush")


def test_the_alias_of_a_prompts_label_is_recognised() -> None:
    assert target(ALIASED, SHORT, label="g") == ("brush", "2_brush")
    assert target(ALIASED, SHORT, label="s") == ("brush", "1_brush")
    assert target(BRUSH, SHORT, label="g") == ("mask", "Galaxy")


@pytest.mark.parametrize("controls", [(CLICK,), (CHOICES, CLICK), ()])
def test_a_config_without_objects_has_no_prompt_target(controls: tuple[str, ...]) -> None:
    assert target(*controls) is None


def test_an_answer_stays_on_the_image_of_its_prompt() -> None:
    assert target(BRUSH, to_name="another") is None


# -- on disk --


def test_saved_heads_are_read_unchanged(heads: ProjectHeads, tmp_path: Path) -> None:
    project = config(CHOICES, NUMBER, BOXES)
    heads.save(tmp_path, project)
    loaded_heads = ProjectHeads.load(tmp_path, project)
    vectors = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    assert loaded_heads.by_control.keys() == heads.by_control.keys()
    assert loaded_heads.prompted_masks is not None
    assert loaded_heads.prompted_masks.encoder == "some"
    for name in ("class", "redshift"):
        first, second = heads.by_control[name], loaded_heads.by_control[name]
        assert isinstance(first, Morphology | Parameters)
        assert isinstance(second, Morphology | Parameters)
        assert np.array_equal(first.predict(vectors), second.predict(vectors))


def test_a_version_has_only_json_and_safetensors_files(heads: ProjectHeads, tmp_path: Path) -> None:
    heads.save(tmp_path, config(CHOICES, NUMBER, BOXES))
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".json", ".safetensors"}


def test_a_version_reads_heads_from_the_folders_of_other_versions(heads: ProjectHeads, tmp_path: Path) -> None:
    own_folder, other = tmp_path / "v0003", tmp_path / "v0002"
    project = config(CHOICES, NUMBER, BOXES)
    own_folder.mkdir()
    other.mkdir()
    ProjectHeads({"class": heads.by_control["class"]}).save(own_folder, project)
    heads.save(other, project)
    folders = {"redshift": other, PROMPTS: other, "class": tmp_path / "v0001"}
    loaded_heads = ProjectHeads.load(own_folder, project, head_folders=folders)
    assert loaded_heads.by_control.keys() == {"redshift"}  # in the base version, the shipped head predicts the class
    assert loaded_heads.prompted_masks is not None
    assert ProjectHeads.load(own_folder, project).by_control.keys() == {"class"}


def test_the_head_of_restored_pictures_is_stored_and_taken_like_any_other(tmp_path: Path) -> None:
    own, other = tmp_path / "v0003", tmp_path / "v0002"
    for folder, share in ((own, 0.0), (other, 0.5)):
        folder.mkdir()
        ProjectHeads(correction_share=CorrectionShare(share, 20)).save(folder, config(CHOICES))
    assert ProjectHeads.load(own, config(CHOICES)).correction_share == CorrectionShare(0.0, 20)
    heads_of_other = ProjectHeads.load(own, config(CHOICES), head_folders={RESTORED_PICTURES: other})
    assert heads_of_other.correction_share == CorrectionShare(0.5, 20)
    shipped_heads = ProjectHeads.load(own, config(CHOICES), head_folders={RESTORED_PICTURES: tmp_path / "v0001"})
    assert shipped_heads.correction_share is None


def test_the_base_version_has_no_folder_and_no_heads(tmp_path: Path) -> None:
    assert ProjectHeads.load(tmp_path / "v0001", config(CHOICES)) == ProjectHeads()


@pytest.mark.parametrize(
    ("label", "left"),
    [
        (CHOICES.replace("Ring", "Merger"), {"redshift"}),
        (CHOICES.replace('name="class"', 'name="kind"'), {"redshift"}),
        (CHOICES.replace("<Choices", '<Choices choice="multiple"'), {"redshift"}),
        (CHOICES.replace("<Choices", '<Choices required="true"'), {"class", "redshift"}),
        ("", {"redshift"}),
    ],
    ids=["another label", "another name", "several labels", "nothing that matters", "gone"],
)
def test_a_head_whose_control_has_changed_is_not_used(heads: ProjectHeads, tmp_path: Path, label: str, left: set[str]) -> None:
    heads.save(tmp_path, config(CHOICES, NUMBER, BOXES))
    loaded_heads = ProjectHeads.load(tmp_path, config(label, NUMBER))
    assert set(loaded_heads.by_control) == left
    assert loaded_heads.prompted_masks is not None


@pytest.mark.parametrize("damage", [b"", b"\x80\x04K\x01.", b"{}"])
def test_a_damaged_head_is_an_error_that_names_its_folder(heads: ProjectHeads, tmp_path: Path, damage: bytes) -> None:
    heads.save(tmp_path, config(CHOICES))
    place = json.loads((tmp_path / "heads.json").read_text())["class"]["folder"]
    (tmp_path / place / "head.safetensors").write_bytes(damage)
    with pytest.raises(HeadError, match=place):
        ProjectHeads.load(tmp_path, config(CHOICES))
