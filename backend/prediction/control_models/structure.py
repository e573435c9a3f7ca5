"""Model of Number controls that name a measured quantity: the measurement on the image, calibrated by annotators' values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.calibration import Calibration
from backend.heads.feature_blocks import STRUCTURE, Block, FeatureBlocks
from backend.measurement.measured_object import ERROR, STRETCHED
from backend.measurement.science import DISPLAY_BAND
from backend.measurement.task_reader import TASK_KEYS
from backend.prediction.control_models.agreement import number_agreement
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.results import ControlRow, RegionPredictions, Scores
from backend.prediction.control_models.training_data import TrainingData
from backend.prediction.image_features import ImageFeatures
from sync.controls import ANSWERS
from sync.controls.bounds import check_bounds
from sync.controls.control import Control
from sync.controls.number_meta import add_number_meta
from sync.controls.region import Region
from sync.errors.controls import ControlError
from sync.geometry.shapes import Size
from sync.labelling.quantities import Quantity, quantity_of
from sync.labelling.reading import read_region

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["StructureModel", "measured_quantity"]

HALF_TURN_DEG = 180.0
ANGLE = "position_angle_deg"
SIGNIFICANT_DIGITS = 2
"""Digits of the error that a predicted number shows."""
DIGITS_WITHOUT_ERROR = 4
LEVEL_90 = 1.645
"""Half-width of the central 90 % of a normal distribution, in standard deviations."""


def measured_quantity(control: Control) -> Quantity | None:
    """Return the quantity of a control that is filled by measurement; None for any other control."""
    quantity = quantity_of(control)
    return quantity if quantity is not None and quantity.is_measured else None


class StructureModel(ControlModel):
    """Fills a Number control with a measured quantity; without a trained calibration, with the measurement itself."""

    trains_on = frozenset({STRUCTURE})
    needs_blocks = frozenset({STRUCTURE})
    data_keys = TASK_KEYS

    def __init__(self, control: Control, calibration: Calibration | None) -> None:
        quantity = measured_quantity(control)
        assert quantity is not None, f"{control.name} names no measured quantity"
        self.control = control
        self.needs_indices = quantity.is_index
        self._quantity = quantity
        self._calibration = calibration

    @classmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        head = heads.by_control.get(control.name)
        return cls(control, head if isinstance(head, Calibration) else None)

    @classmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any]:
        return [read_region(region, control) for region in regions]

    @classmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> float:
        numbers = np.array([values[0] for _, values in answers], np.float64)
        quantity = measured_quantity(control)
        if quantity is not None and quantity.name == ANGLE:
            double_angles = np.radians(2 * numbers)  # 179 and 1 degree have the mean 0, not 90
            return float(np.degrees(np.arctan2(np.sin(double_angles).sum(), np.cos(double_angles).sum())) / 2 % HALF_TURN_DEG)
        return float(numbers.mean())

    @classmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> Calibration:
        quantity = measured_quantity(control)
        assert quantity is not None, f"{control.name} names no measured quantity"
        blocks = [examples.blocks.get(image, {}).get(STRUCTURE, Block()) for image in examples.labels]
        values, errors = _read_blocks(blocks, quantity)
        return Calibration.fit(quantity, values, errors, np.array(list(examples.labels.values()), np.float64))

    @classmethod
    def stratum(cls, label: float, labels: Sequence[Any]) -> str:
        return str(int(np.searchsorted(np.quantile(labels, [1 / 3, 2 / 3]), label)))

    def predict(self, features_of_images: Sequence[ImageFeatures]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values and errors of n images, shape (n,) each; NaN where the quantity is missing or has no error."""
        return self.predict_blocks([features.blocks for features in features_of_images])

    def predict_blocks(self, blocks_of_images: Sequence[FeatureBlocks]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values and errors of n images from their feature blocks, as `predict` does."""
        values, errors = _read_blocks([blocks.get(STRUCTURE, Block()) for blocks in blocks_of_images], self._quantity)
        return (values, errors) if self._calibration is None else self._calibration.predict(values, errors)

    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        values, errors = self.predict(features_of_images)
        return [
            self._predict_image(features, value, error if math.isfinite(error) else None)
            for features, value, error in zip(features_of_images, values.tolist(), errors.tolist(), strict=True)
        ]

    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        values, errors = self.predict(features_of_images)
        truth = np.array(labels, np.float64)
        if self._quantity.name == ANGLE:
            values = truth + (values - truth + HALF_TURN_DEG / 2) % HALF_TURN_DEG - HALF_TURN_DEG / 2
        spread = float(np.std(all_labels))
        missing = ~np.isfinite(values)  # counts against the model, like an error of many times the spread
        agreement = np.where(missing, 0.0, number_agreement(np.where(missing, truth, values), truth, spread=spread))
        if missing.any():
            return Scores.of_agreement(agreement)
        halves = np.nan_to_num(errors)
        return Scores.of_numbers(agreement, np.column_stack([values, halves, LEVEL_90 * halves]))

    def column_type(self) -> pa.DataType:
        import pyarrow as pa  # of the extra `survey`; without it tasks are predicted all the same

        return pa.struct({"value": pa.float32(), "deviation": pa.float32()})

    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[ControlRow]:
        values, errors = self.predict(features_of_images)
        return [
            ControlRow(
                {"value": _finite_or_none(value), "deviation": _finite_or_none(error)},
                self._confidence(value, error),
                (STRUCTURE,) if math.isfinite(value) else (),
                "" if math.isfinite(value) else self._reason(features),
            )
            for features, value, error in zip(features_of_images, values.tolist(), errors.tolist(), strict=True)
        ]

    def _reason(self, features: ImageFeatures) -> str:
        """Return why the quantity is missing for an image, in a part of a sentence."""
        missing = features.blocks.get(STRUCTURE, Block()).missing
        return missing.get(self._quantity.name, "") or missing.get("", "") or "nothing was measured"

    def _predict_image(self, features: ImageFeatures, value: float, error: float | None) -> RegionPredictions:
        if not math.isfinite(value):
            return RegionPredictions([], None)
        confidence = self._confidence(value, math.nan if error is None else error)
        number = _round(value, error)
        try:
            region = ANSWERS[self.control.tag].encode(
                check_bounds(number, self.control), control=self.control, score=confidence
            )
        except ControlError:
            return RegionPredictions([], None)  # a value at the bound would be another value than the measured one
        text, origin = self._describe(features, error)
        return RegionPredictions([add_number_meta(region, error=error, text=text, origin=origin)], confidence)

    def _confidence(self, value: float, error: float) -> float | None:
        """Return the acquisition confidence, from the error relative to the value; None without an error."""
        if not (math.isfinite(value) and math.isfinite(error)):
            return None
        size = abs(value) if self._quantity.is_positive else HALF_TURN_DEG / 2 if self._quantity.name == ANGLE else 1.0
        return float(np.clip(1 - error / size, 0, 1)) if size > 0 else 0.0

    def _describe(self, features: ImageFeatures, error: float | None) -> tuple[str, dict[str, Any]]:
        """Return a sentence about the origin of a number, and its facts."""
        quantity, measurement = self._quantity, features.structure
        spread = "" if error is None else f"± {error:.2g} {quantity.unit}".rstrip() + " (68 %), "
        calibration_note = "" if self._calibration is None else f", calibrated with {self._calibration.labels} labels"
        facts: dict[str, Any] = {"quantity": quantity.name, "unit": quantity.unit}
        if measurement is None:
            return f"{spread}measured{calibration_note}", facts
        facts |= {"psf": measurement.psf_source, "band": measurement.band}
        psf = "no PSF: not corrected for the seeing" if measurement.psf_source == "none" else f"PSF: {measurement.psf_source}"
        band = "" if measurement.band in ("", DISPLAY_BAND) else f" in band {measurement.band}"
        stretch_note = f"; {STRETCHED}" if measurement.band == DISPLAY_BAND else ""
        return f"{spread}measured{band}, {psf}{calibration_note}{stretch_note}", facts


def _read_blocks(blocks: Sequence[Block], quantity: Quantity) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and errors of a quantity, shape (n,) each; NaN where missing."""
    name = quantity.name
    values = [block.values.get(name, math.nan) for block in blocks]
    errors = [block.values.get(f"{name}{ERROR}", math.nan) for block in blocks]
    return np.array(values, np.float64), np.array(errors, np.float64)


def _finite_or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _round(value: float, error: float | None) -> float:
    """Return a value with the digits that its error justifies."""
    scale = error if error is not None and error > 0 else abs(value) * 10.0 ** (SIGNIFICANT_DIGITS - DIGITS_WITHOUT_ERROR)
    if scale <= 0:
        return value
    return round(value, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(scale)))
