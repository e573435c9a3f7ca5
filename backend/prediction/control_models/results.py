"""Results of control models: the regions or the column value of an image, and the scores on annotated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_REGIONS", "ControlRow", "RegionPredictions", "Scores"]


@dataclass(frozen=True, slots=True)
class ControlRow:
    """A control's prediction for one image, as a value of a survey's column.

    Attributes
    ----------
    value : dict, list or None
        As the control model's `column_type` describes it.
    confidence : float or None
        None: no prediction.
    inputs : tuple of str
        Names of the inputs that the prediction used: `IMAGE`, and names of feature blocks. Empty without a prediction, and for
        controls of objects, which are always found in the image.
    missing : str
        Why inputs are missing, in a part of a sentence; empty if none is.
    """

    value: Any
    confidence: float | None
    inputs: tuple[str, ...] = ()
    missing: str = ""

    @property
    def has_value(self) -> bool:
        """Whether the control was predicted for the image."""
        value = self.value
        return value is not None and not (isinstance(value, dict) and all(each is None for each in value.values()))


@dataclass(frozen=True, slots=True)
class RegionPredictions:
    """A control's regions on one image, and the acquisition confidence, in [0, 1] (None: no prediction)."""

    regions: list[dict[str, Any]]
    confidence: float | None


NO_REGIONS = RegionPredictions([], None)


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement of a model with the annotators on each of n images.

    Attributes
    ----------
    agreement : ndarray, shape (n,)
        Between 0 and 1. Classes: one minus the Brier score. Numbers: from the error relative to the spread. Objects: F1 of
        boxes. 0 for an image that is not predicted.
    predicted_counts, hits : ndarray of int, shape (n,)
        Number of objects predicted, and of drawn objects that were found; 0 for other controls.
    probabilities : ndarray, shape (n, k), or None
        Predicted probabilities of a control's labels; NaN for an image that is not predicted.
    numbers : ndarray, shape (n, 3), or None
        Predicted value, and half-widths of its 68 % and 90 % intervals; NaN for an image that is not predicted.
    """

    agreement: NDArray[np.float64]
    predicted_counts: NDArray[np.int64]
    hits: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None = None
    numbers: NDArray[np.float64] | None = None

    @classmethod
    def of_agreement(cls, agreement: NDArray[np.float64], probabilities: NDArray[np.float64] | None = None) -> Self:
        """Create the scores of a control without objects.

        Parameters
        ----------
        agreement : ndarray, shape (n,)
        probabilities : ndarray, shape (n, k), optional
            Predicted probabilities of a control's labels.
        """
        zeros = np.zeros(len(agreement), np.int64)
        return cls(agreement, zeros, zeros, probabilities)

    @classmethod
    def of_numbers(cls, agreement: NDArray[np.float64], numbers: NDArray[np.float64]) -> Self:
        """Create the scores of a Number or Rating; the arguments are those of the class."""
        none = np.zeros(len(agreement), np.int64)
        return cls(agreement, none, none, None, numbers)

    def of(self, places: Sequence[int]) -> Scores:
        """Return the scores of the images at the given indices."""
        index = np.asarray(places, np.intp)
        probabilities = None if self.probabilities is None else self.probabilities[index]
        numbers = None if self.numbers is None else self.numbers[index]
        return Scores(self.agreement[index], self.predicted_counts[index], self.hits[index], probabilities, numbers)
