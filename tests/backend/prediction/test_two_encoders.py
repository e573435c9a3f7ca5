"""Heads on two encoders: each reads the embeddings of its own encoder, and the shipped classifier those of the shipped one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads import EmbeddedHead
from backend.heads.classification.morphology import Morphology
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Parameters, Regression
from backend.images.store import StoredImage
from backend.lvm.joined_embeddings import EmbeddingColumns, WrongEncoderError
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ClassModel, NumberModel
from backend.prediction.control_models.class_targets import fit_classes
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.image_features import ImageFeatures
from backend.prediction.project_heads import ProjectHeads, encoders_in
from sync.labelling.config import Control, parse

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>
<Number name="size" toName="image"/></View>"""
CLASS, SIZE = parse(CONFIG).controls
MORPHOLOGY = Morphology.load(BASE_MORPHOLOGY)
OWN, DIMENSION = 5, len(MORPHOLOGY.mean)
OTHER = "00ff00ff00ff00ff"
ALONE = BaseClassifier.alone(MORPHOLOGY)
JOINED = BaseClassifier(MORPHOLOGY, EmbeddingColumns({OTHER: slice(0, OWN), MORPHOLOGY.encoder: slice(OWN, OWN + DIMENSION)}))
SOURCE = np.random.default_rng(0)
KINDS = np.arange(40) % 2
OWN_ROWS = (SOURCE.normal(size=(40, OWN)) + 3 * KINDS[:, None]).astype(np.float32)
SHIPPED_ROWS = (MORPHOLOGY.mean + MORPHOLOGY.scale * SOURCE.normal(size=(40, DIMENSION))).astype(np.float32)
ROWS = np.concatenate([OWN_ROWS, SHIPPED_ROWS], axis=1)
INPUTS = HeadInputs.of_images(ROWS)
TARGETS = np.eye(2)[KINDS]


def features_of(rows: NDArray[np.float32]) -> list[ImageFeatures]:
    return [ImageFeatures(StoredImage("", bytes, 1), row, None, {}) for row in rows]


def test_the_shipped_head_predicts_the_same_beside_another_encoder() -> None:
    alone, joined_model = ClassModel(CLASS, None, ALONE), ClassModel(CLASS, None, JOINED)
    assert joined_model.probabilities(INPUTS) == pytest.approx(alone.probabilities(HeadInputs.of_images(SHIPPED_ROWS)))


def test_a_classifier_reads_its_own_encoder_and_starts_from_the_shipped_one() -> None:
    head = fit_classes(INPUTS, TARGETS, control=CLASS, base=JOINED, encoder=OTHER)
    assert isinstance(head, Morphology)
    assert (head.encoder, len(head.mean)) == (OTHER, OWN)
    model = ClassModel(CLASS, head, JOINED)
    probabilities = model.probabilities(INPUTS)
    assert (probabilities.argmax(axis=1) == KINDS).mean() > 0.9
    assert model.own_columns(ROWS).tolist() == OWN_ROWS.tolist()
    shuffled_inputs = HeadInputs.of_images(np.concatenate([OWN_ROWS[::-1], SHIPPED_ROWS], axis=1))
    assert model.probabilities(shuffled_inputs)[::-1].argmax(axis=1) == pytest.approx(probabilities.argmax(axis=1))


@pytest.mark.parametrize("kind", [Parameters, Regression])
def test_a_number_is_predicted_from_its_own_encoder(kind: type[Parameters] | type[Regression]) -> None:
    values = OWN_ROWS @ np.arange(1, OWN + 1)
    head = Parameters.fit(OWN_ROWS, values) if kind is Parameters else Regression.fit(HeadInputs.of_images(OWN_ROWS), values)
    model = NumberModel(SIZE, replace(head, encoder=OTHER), JOINED)
    values_of_model = model.predict(features_of(ROWS)).values
    assert np.corrcoef(values_of_model, values)[0, 1] > 0.99


@pytest.mark.parametrize("control", [CLASS, SIZE], ids=["class", "size"])
def test_a_head_never_reads_the_embeddings_of_another_encoder(control: Control) -> None:
    features = features_of(SHIPPED_ROWS)
    model: ClassModel | NumberModel
    if control is CLASS:
        model = ClassModel(CLASS, fit_classes(INPUTS, TARGETS, control=CLASS, base=JOINED, encoder=OTHER), ALONE)
    else:
        model = NumberModel(SIZE, replace(Parameters.fit(OWN_ROWS, OWN_ROWS[:, 0]), encoder=OTHER), ALONE)
    with pytest.raises(WrongEncoderError, match=f"^the head stands on the encoder {OTHER}, and the embeddings are from"):
        model.predict_regions(features)


def test_the_record_of_a_version_names_the_encoder_of_each_head(tmp_path: Path) -> None:
    heads = ProjectHeads(
        {
            "class": fit_classes(INPUTS, TARGETS, control=CLASS, base=JOINED, encoder=OTHER),
            "size": Regression.fit(HeadInputs.of_images(SHIPPED_ROWS), KINDS + 0.5),
        }
    )
    heads.save(tmp_path, parse(CONFIG))
    assert encoders_in(tmp_path) == heads.encoders == {OTHER, MORPHOLOGY.encoder}
    project_heads = ProjectHeads.load(tmp_path, parse(CONFIG))
    assert project_heads.encoders == heads.encoders
    head = project_heads.by_control["class"]
    assert isinstance(head, EmbeddedHead)
    assert head.encoder == OTHER
