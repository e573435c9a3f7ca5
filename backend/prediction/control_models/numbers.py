"""Model of Number and Rating: a regression on embeddings and feature blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import BLOCKS, STRUCTURE, describe_inputs, describe_missing
from backend.heads.regression import NumberPredictions, Parameters, Regression, predict_numbers
from backend.lvm.joined_embeddings import Float
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.agreement import is_redshift, number_agreement
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.results import NO_REGIONS, ControlRow, RegionPredictions, Scores
from backend.prediction.control_models.training_data import TrainingData, inputs_of, read_inputs
from backend.prediction.image_features import ImageFeatures
from backend.prediction.task_blocks import data_keys_of
from sync.controls import ANSWERS
from sync.controls.control import Control
from sync.controls.number_meta import add_number_meta
from sync.controls.region import Region
from sync.geometry.shapes import Size
from sync.labelling.quantities import QUANTITIES
from sync.labelling.reading import read_region

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NumberModel"]


class NumberModel(ControlModel):
    """Predicts Number and Rating by regression on embeddings, columns, the spectrum and the measured structure."""

    trains_on = frozenset(BLOCKS)

    def __init__(self, control: Control, head: Regression | Parameters, base: BaseClassifier) -> None:
        self.control = control
        if isinstance(head, Regression):
            self.needs_blocks, self.blocks_without_image = head.blocks, head.blocks_without_image
            self.data_keys = data_keys_of(head.features_of(self.needs_blocks | self.blocks_without_image))
            self.needs_indices = any(
                name in QUANTITIES and QUANTITIES[name].is_index for name in head.features_of(head.blocks).get(STRUCTURE, ())
            )
        self._head = head
        self._base = base

    @classmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        head = heads.by_control.get(control.name)
        return cls(control, head, heads.base) if isinstance(head, Regression | Parameters) else None

    @classmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any]:
        return [read_region(region, control) for region in regions]

    @classmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> float:
        return float(np.mean([values[0] for _, values in answers]))

    @classmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> Regression:
        values, inputs = read_inputs(examples, data)
        own_inputs = data.base.read_inputs(inputs, data.encoder) if values else inputs
        head = Regression.fit(own_inputs, np.array(values), control=control.name, relative=is_redshift(control))
        return replace(head, encoder=data.encoder)

    @classmethod
    def stratum(cls, label: float, labels: Sequence[Any]) -> str:
        return str(int(np.searchsorted(np.quantile(labels, [1 / 3, 2 / 3]), label)))

    def predict(self, features_of_images: Sequence[ImageFeatures]) -> NumberPredictions:
        """Return the predicted values of n images with their intervals."""
        return predict_numbers(self._head, self._base.read_inputs(inputs_of(features_of_images), self._head.encoder))

    def own_columns(self, embeddings: NDArray[Float]) -> NDArray[Float]:
        """Return the columns of the encoder that the head stands on, shape (n, dimension)."""
        return self._base.read(embeddings, self._head.encoder)

    def acquisition_confidence(self, deviations: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return noise / deviation, shape (n,): 1 within the training data, lower where the expected error is larger."""
        confidence = np.divide(self._head.noise, deviations, out=np.ones(len(deviations)), where=deviations > 0)
        return np.asarray(confidence.clip(0, 1), np.float64)

    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        if not features_of_images:
            return []
        encode = ANSWERS[self.control.tag].encode
        predictions = self.predict(features_of_images)
        confidences = self.acquisition_confidence(predictions.half_widths[0]).tolist()
        regions = []
        for place, confidence in enumerate(confidences):
            if np.isnan(predictions.values[place]):
                regions.append(NO_REGIONS)
                continue
            error, blocks_used = float(predictions.half_widths[0, place]), predictions.used_blocks[place]
            region = encode(float(predictions.values[place]), control=self.control, score=confidence)
            features = features_of_images[place]
            text = _describe(error, blocks_used, describe_missing(blocks_used, features.blocks, self._features_for(features)))
            region = add_number_meta(region, error=error, text=text, origin={"used": list(blocks_used)})
            regions.append(RegionPredictions([region], confidence))
        return regions

    def _features_for(self, features: ImageFeatures) -> Mapping[str, tuple[str, ...]]:
        """Return the features, by block, of the head's predictions of galaxies with or without an image, as this one."""
        if not isinstance(self._head, Regression):
            return {}
        return self._head.features_of(self.blocks_without_image if features.image is None else self.needs_blocks)

    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        predictions = self.predict(features_of_images)
        relative = is_redshift(self.control)
        agreement = number_agreement(predictions.values, np.array(labels), spread=float(np.std(all_labels)), relative=relative)
        agreement = np.where(np.isnan(predictions.values), 0.0, agreement)
        return Scores.of_numbers(agreement, np.column_stack([predictions.values, predictions.half_widths.T]))

    def column_type(self) -> pa.DataType:
        import pyarrow as pa  # of the extra `survey`; without it tasks are predicted all the same

        return pa.struct({"value": pa.float32(), "deviation": pa.float32()})

    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[ControlRow]:
        predictions = self.predict(features_of_images)
        deviations = predictions.half_widths[0]
        confidences = self.acquisition_confidence(deviations).tolist()
        rows = []
        for place, (value, deviation) in enumerate(zip(predictions.values.tolist(), deviations.tolist(), strict=True)):
            has_value, features = not np.isnan(value), features_of_images[place]
            blocks_used = predictions.used_blocks[place] if has_value else ()
            missing = describe_missing(blocks_used, features.blocks, self._features_for(features))
            fields = {"value": value, "deviation": deviation} if has_value else {"value": None, "deviation": None}
            rows.append(ControlRow(fields, confidences[place] if has_value else None, blocks_used, missing))
        return rows


def _describe(error: float, blocks_used: Sequence[str], missing: str) -> str:
    """Return the error of a prediction and its inputs in a sentence, with the reasons why values are missing."""
    source = describe_inputs(blocks_used) if blocks_used else "the mean of the labels, since no input predicts it better"
    return f"± {error:.2g} (68 %), {source}{'; ' if missing else ''}{missing}"
