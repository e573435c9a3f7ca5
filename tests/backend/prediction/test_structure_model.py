"""Number controls that are filled with measured quantities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.heads.calibration import Calibration
from backend.heads.feature_blocks import STRUCTURE, Block
from backend.heads.regression import Parameters
from backend.heads.structure.measurement import Measured
from backend.images.store import StoredImage
from backend.measurement.measured_object import MeasuredObject
from backend.prediction.control_models import ControlModel, Examples, ImageOfTask, NumberModel, StructureModel, create_models
from backend.prediction.control_models.results import ControlRow
from backend.prediction.image_features import ImageFeatures
from backend.prediction.project_heads import ProjectHeads
from sync.controls.number_meta import predicted_error
from sync.label_studio.validation import check_prediction
from sync.labelling.config import LabelConfig, parse
from sync.labelling.quantities import QUANTITIES

UNUSED: Any = None
"""Shipped heads and training data, which measured numbers do not need."""
RADIUS = '<Number name="half_light_radius" toName="image" min="0" max="100"/>'
ANGLE = '<Number name="pa" toName="image" min="0" max="180"/>'
MAGNITUDE = '<Number name="mag" toName="image"/>'


def config_of(control: str) -> LabelConfig:
    return parse(f'<View><Image name="image" value="$image"/>{control}</View>')


def model_of(control: str, **heads: Any) -> ControlModel:
    (model,) = create_models(
        config_of(control).controls,
        ProjectHeads(heads),
        base=UNUSED,
        masks=UNUSED,
    )
    return model


def features_of(**values: tuple[float, float | None]) -> ImageFeatures:
    measurement = MeasuredObject(
        {name: Measured(*each) for name, each in values.items()}, {"mag": "no zero point"}, "header", "r"
    )
    image = StoredImage("key", bytes, 1)
    return ImageFeatures(image, None, None, {}, blocks={STRUCTURE: measurement.as_block()}, structure=measurement)


def test_a_measured_value_is_filled_in_with_its_error_and_origin() -> None:
    (prediction,) = model_of(RADIUS).predict_regions([features_of(re_px=(6.54321, 0.123))])
    (region,) = prediction.regions
    assert region["value"]["number"] == 6.54
    assert region["meta"]["error"] == 0.123
    assert region["meta"]["psf"] == "header"
    assert region["meta"]["unit"] == "pix"
    assert region["meta"]["text"] == ["± 0.12 pix (68 %), measured in band r, PSF: header"]
    assert predicted_error(region) == 0.123
    assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, config_of(RADIUS)) == []


@pytest.mark.parametrize(
    "features",
    [
        features_of(mag=(20.0, 0.1)),
        features_of(re_px=(250.0, 1.0)),
        ImageFeatures(StoredImage("key", bytes, 1), None, None, {}),
    ],
    ids=["not measured", "beyond the maximum", "without a task"],
)
def test_a_value_that_is_missing_or_does_not_fit_is_left_empty(features: ImageFeatures) -> None:
    (prediction,) = model_of(RADIUS).predict_regions([features])
    assert prediction.regions == []
    if not features.blocks:
        assert model_of(RADIUS).rows([features]) == [
            ControlRow({"value": None, "deviation": None}, None, (), "nothing was measured")
        ]
    assert prediction.confidence is None


def test_only_controls_that_name_a_measured_quantity_are_measured() -> None:
    assert isinstance(model_of(MAGNITUDE), StructureModel)
    models = create_models(
        config_of('<Number name="interest" toName="image"/>').controls,
        ProjectHeads(),
        base=UNUSED,
        masks=UNUSED,
    )
    assert models == []


def test_a_version_with_a_regression_keeps_it() -> None:
    embeddings = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert isinstance(model_of(RADIUS, half_light_radius=Parameters.fit(embeddings, embeddings[:, 0])), NumberModel)


def test_values_of_annotators_calibrate_the_measurement(tmp_path: Path) -> None:
    (control,) = config_of(RADIUS).controls
    radii = np.exp(np.random.default_rng(0).uniform(0, 3, 60))
    images = [ImageOfTask(number, "image") for number in range(60)]
    examples = Examples(
        dict.fromkeys(images, "a.png"),
        {image: 1.3 * radius for image, radius in zip(images, radii.tolist(), strict=True)},
        {image: {STRUCTURE: Block({"re_px": radius, "re_px_err": 0.01})} for image, radius in zip(images, radii, strict=True)},
    )

    head = StructureModel.fit(examples, control, UNUSED)
    assert isinstance(head, Calibration)
    ProjectHeads({control.name: head}).save(tmp_path, config_of(RADIUS))
    heads = ProjectHeads.load(tmp_path, config_of(RADIUS)).by_control
    features = features_of(re_px=(5.0, 0.01))
    calibrated_model, raw = model_of(RADIUS, **heads), model_of(RADIUS)
    (region,) = calibrated_model.predict_regions([features])[0].regions
    assert region["value"]["number"] == pytest.approx(6.5, rel=0.03)
    assert "calibrated with 60 labels" in region["meta"]["text"][0]
    scores = [model.score([features], [6.5], [1.0, 5.0, 10.0]).agreement[0] for model in (calibrated_model, raw)]
    assert scores[0] > scores[1]


def test_a_calibration_is_not_used_after_its_control_names_another_unit(tmp_path: Path) -> None:
    pixels = config_of('<Number name="size" toName="image" predicted_values="re_px"/>')
    arcsec = config_of('<Number name="size" toName="image" predicted_values="re_arcsec"/>')
    ProjectHeads({"size": Calibration(QUANTITIES["re_px"], 0.1, 1.0, 0.0, 0.1, 10)}).save(tmp_path, pixels)
    assert ProjectHeads.load(tmp_path, pixels).by_control
    assert not ProjectHeads.load(tmp_path, arcsec).by_control


def test_angles_are_compared_and_averaged_across_north() -> None:
    (control,) = config_of(ANGLE).controls
    assert StructureModel.make_label([("", [178.0]), ("", [4.0])], control) == pytest.approx(1.0)
    scores = model_of(ANGLE).score([features_of(position_angle_deg=(179.0, 2.0))], [1.0], [0.0, 90.0])
    assert scores.agreement[0] > 0.9
    assert scores.numbers is not None
    assert scores.numbers[0, 0] == pytest.approx(-1.0)


def test_a_missing_measurement_counts_against_the_model() -> None:
    scores = model_of(MAGNITUDE).score([features_of(re_px=(3.0, 0.1)), features_of(mag=(20.0, 0.1))], [20.0, 20.0], [19, 21])
    assert scores.agreement.tolist() == [0.0, 1.0]
