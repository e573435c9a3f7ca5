"""Model of Number and Rating: a regression on embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.regression import Parameters
from backend.prediction.control_models.agreement import number_agreement
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.results import RegionPredictions, Row, Scores
from backend.prediction.control_models.training_data import TrainingData, embedding_of, read_embeddings
from backend.prediction.features import ImageFeatures
from sync.controls import ANSWERS
from sync.controls.control import Control
from sync.controls.region import Region
from sync.geometry.shapes import Size
from sync.labelling.reading import read_region

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NumberModel"]


class NumberModel(ControlModel):
    """Predicts Number and Rating by regression on embeddings."""

    def __init__(self, control: Control, head: Parameters) -> None:
        self.control = control
        self._head = head

    @classmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        head = heads.trained.get(control.name)
        return cls(control, head) if isinstance(head, Parameters) else None

    @classmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any]:
        return [read_region(region, control) for region in regions]

    @classmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> float:
        return float(np.mean([values[0] for _, values in answers]))

    @classmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> Parameters:
        values, embeddings = read_embeddings(examples, data)
        return Parameters.fit(embeddings, np.array(values))

    @classmethod
    def stratum(cls, label: float, labels: Sequence[Any]) -> str:
        return str(int(np.searchsorted(np.quantile(labels, [1 / 3, 2 / 3]), label)))

    def predict(self, features_of_images: Sequence[ImageFeatures]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the predicted values and their standard deviations, shape (n,) each."""
        return self._head.predict(np.stack([embedding_of(features) for features in features_of_images]))

    def acquisition_confidence(self, deviations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return noise / deviation, shape (n,): 1 within the training data, lower for an embedding far from all of them."""
        confidence = np.divide(self._head.noise, deviations, out=np.ones(len(deviations)), where=deviations > 0)
        return np.asarray(confidence.clip(0, 1), np.float64)

    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        if not features_of_images:
            return []
        encode = ANSWERS[self.control.tag].encode
        return [
            RegionPredictions([encode(row["value"], control=self.control, score=confidence)], confidence)
            for row, confidence in self.rows(features_of_images)
        ]

    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        values = np.asarray(self.predict(features_of_images)[0], np.float64)
        return Scores.of_agreement(number_agreement(values, np.array(labels), spread=float(np.std(all_labels))))

    def column_type(self) -> pa.DataType:
        import pyarrow as pa  # of the extra `survey`; without it tasks are predicted all the same

        return pa.struct({"value": pa.float32(), "deviation": pa.float32()})

    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[Row]:
        values, deviations = self.predict(features_of_images)
        confidences = self.acquisition_confidence(deviations).tolist()
        return [
            ({"value": value, "deviation": deviation}, confidence)
            for value, deviation, confidence in zip(values.tolist(), deviations.tolist(), confidences, strict=True)
        ]
