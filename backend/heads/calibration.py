"""Calibration: what annotators change in a measured quantity, as an offset and a scale of the measurement.

Quantities that are positive are calibrated in logarithms, so that a scale is a power and an offset a factor; angles have an
offset only. Few labels change little: the prior is the uncalibrated measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.errors import HeadError, NotEnoughLabels
from sync.labelling.quantities import QUANTITIES, Quantity

__all__ = ["MINIMUM_LABELS", "Calibration"]

NAME = "calibration"
MINIMUM_LABELS = 6
PRIOR_LABELS = 3.0
"""Weight of the uncalibrated measurement, in labels."""
LABELS_FOR_A_SCALE = 10
"""With fewer labels only the offset is fitted."""
OUTLIER_SIGMA = 2.0
"""Labels whose residual is larger have a smaller weight (Huber 1964)."""
ROUNDS = 20
HALF_TURN_DEG = 180.0
ANGLES = frozenset({"position_angle_deg"})


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted calibration ``label = offset + scale * (measured - centre) + centre``, in logarithms where positive.

    Attributes
    ----------
    quantity : Quantity
    offset, scale, centre : float
    scatter : float
        Standard deviation of labels about calibrated measurements that the errors of the measurements do not explain.
    labels : int
        Number of labels that it was fitted to.
    """

    quantity: Quantity
    offset: float
    scale: float
    centre: float
    scatter: float
    labels: int

    @classmethod
    def fit(
        cls, quantity: Quantity, values: NDArray[np.float64], errors: NDArray[np.float64], labels: NDArray[np.float64]
    ) -> Self:
        """Fit a calibration.

        Parameters
        ----------
        quantity : Quantity
        values, errors, labels : ndarray, shape (n,)
            Measurements with their errors, and the values that annotators gave, in the unit of the quantity; an error is NaN
            if it is unknown.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_LABELS` usable labels.
        """
        usable = np.isfinite(values) & np.isfinite(labels)
        if quantity.is_positive:
            usable &= (values > 0) & (labels > 0)
        if usable.sum() < MINIMUM_LABELS:
            raise NotEnoughLabels(
                f"{int(usable.sum())} images have a value and a measurement of {quantity.name}, and at least {MINIMUM_LABELS} "
                "are needed to calibrate it"
            )
        x, sigma = _scale(quantity, values[usable], errors[usable])
        y, _ = _scale(quantity, labels[usable], np.zeros(int(usable.sum())))
        difference = _wrap(quantity, y - x)
        centre = float(np.median(x))
        fits_scale = len(x) >= LABELS_FOR_A_SCALE and quantity.name not in ANGLES and float(np.ptp(x)) > 0
        offset, slope, weights = _fit_line(x - centre, difference, fits_scale=fits_scale)
        residuals = _wrap(quantity, difference - offset - slope * (x - centre))
        variance = np.nan_to_num(sigma * (1 + slope)) ** 2
        excess = float(np.average(residuals**2 - variance, weights=weights))
        return cls(quantity, offset, 1 + slope, centre, math.sqrt(max(excess, 0.0)), len(x))

    def predict(
        self, measurements: NDArray[np.float64], errors: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return calibrated values and their standard deviations, shape (n,); NaN stays NaN.

        Parameters
        ----------
        measurements, errors : ndarray, shape (n,)
            As for `fit`.
        """
        x, sigma = _scale(self.quantity, measurements, errors)
        centre = self.centre + self.offset + self.scale * (x - self.centre)
        spread = np.hypot(self.scale * np.nan_to_num(sigma), self.scatter)
        if self.quantity.is_positive:
            values = np.exp(centre)
            return values, values * spread
        if self.quantity.name in ANGLES:
            centre = centre % HALF_TURN_DEG
        return centre, np.where(np.isfinite(centre), spread, np.nan)

    def save(self, folder: Path) -> None:
        """Write JSON into `folder`."""
        fields = {name: float(getattr(self, name)) for name in ("offset", "scale", "centre", "scatter")}
        storage.write(folder, head=NAME, fields={"quantity": self.quantity.name, "labels": self.labels, **fields})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        name = record.field("quantity", str)
        if name not in QUANTITIES:
            raise HeadError(f"the head in {record.folder} calibrates the unknown quantity {name!r}")
        numbers = [record.field(key, float) for key in ("offset", "scale", "centre", "scatter")]
        if not all(map(math.isfinite, numbers)):
            raise HeadError(f"the head in {record.folder} has numbers that are not finite: {numbers}")
        offset, scale, centre, scatter = numbers
        return cls(QUANTITIES[name], offset, scale, centre, scatter, record.field("labels", int))


def _scale(
    quantity: Quantity, values: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and errors in the scale of the calibration: logarithms where the quantity is positive."""
    if not quantity.is_positive:
        return values, errors
    positive = np.where(values > 0, values, np.nan)
    return np.log(positive), errors / positive


def _wrap(quantity: Quantity, difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences of directions in [-90, 90) degrees, and other differences unchanged."""
    if quantity.name not in ANGLES:
        return difference
    return (difference + HALF_TURN_DEG / 2) % HALF_TURN_DEG - HALF_TURN_DEG / 2


def _fit_line(
    x: NDArray[np.float64], difference: NDArray[np.float64], *, fits_scale: bool
) -> tuple[float, float, NDArray[np.float64]]:
    """Fit ``difference = offset + slope * x`` robustly, with a prior of 0 for both; return them and the weights of the labels.

    The prior of the slope has the weight of `PRIOR_LABELS` labels at one standard deviation of `x`.
    """
    design = np.column_stack([np.ones_like(x), x if fits_scale else np.zeros_like(x)])
    prior = np.diag([PRIOR_LABELS, PRIOR_LABELS * max(float(np.var(x)), 1e-12)])
    weights = np.ones_like(x)
    solution = np.zeros(2)
    for _ in range(ROUNDS):
        weighted_design = design * weights[:, None]
        solution = np.linalg.solve(weighted_design.T @ design + prior, weighted_design.T @ difference)
        residuals = np.abs(difference - design @ solution)
        sigma = 1.4826 * float(np.median(residuals))
        if sigma <= 0:
            break
        weights = np.minimum(1.0, OUTLIER_SIGMA * sigma / np.maximum(residuals, 1e-300))
    return float(solution[0]), float(solution[1]), weights
