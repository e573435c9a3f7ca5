"""Agreement between a prediction and an annotation of one image, between 0 and 1, by which the gate compares versions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backend.heads.detection.detection import Detected
from backend.prediction.control_models.drawn_objects import LabelledObject
from sync.controls.control import Control
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.labelling.quantities import quantity_of

__all__ = ["class_agreement", "is_redshift", "matched_boxes", "number_agreement"]

MATCHED_ABOVE = 0.5
"""Intersection over union from which two boxes are matched."""


def class_agreement(
    probabilities: NDArray[np.float64], targets: NDArray[np.float64], *, exclusive: bool, levels: int = 1
) -> NDArray[np.float64]:
    """Return one minus the Brier score, scaled to [0, 1]; only the true probabilities maximise its expectation.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, k)
        Predicted probability, and share of annotators, of each class or of each node of a taxonomy.
    exclusive : bool
        Whether each galaxy has one class, or one node at each level.
    levels : int
        Depth of a taxonomy: a path that leaves the annotators' path at a deep level scores higher than one that leaves it at
        the first.

    Returns
    -------
    ndarray, shape (n,)

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1.
    """
    squares = (probabilities - targets) ** 2
    agreement: NDArray[np.float64] = 1 - (squares.sum(axis=1) / (2 * levels) if exclusive else squares.mean(axis=1))
    return agreement


def is_redshift(control: Control) -> bool:
    """Return whether a control holds a redshift, by its `predicted_values` or its name; its errors count relative to 1 + z."""
    quantity = quantity_of(control)
    return quantity is not None and quantity.name == "z_phot"


def number_agreement(
    predictions: NDArray[np.float64], values: NDArray[np.float64], *, spread: float, relative: bool = False
) -> NDArray[np.float64]:
    """Return ``1 / (1 + error / spread)``: 1 at the annotator's value, 1/2 where the error equals the spread.

    The gate compares versions by it, since a score must lie between 0 and 1 and one outlier must not decide.

    Parameters
    ----------
    predictions, values : ndarray, shape (n,)
        Predicted numbers, and those that annotators gave.
    spread : float
        Standard deviation of all annotated values.
    relative : bool
        Whether the error counts relative to one plus the value, as of redshifts.

    Returns
    -------
    ndarray, shape (n,)
    """
    scale = 1 + np.maximum(values, 0) if relative else np.ones(len(values))
    agreement: NDArray[np.float64] = 1 / (1 + np.abs(predictions - values) / scale / max(spread, 1e-9))
    return agreement


def matched_boxes(detections: Sequence[Detected], objects: Sequence[LabelledObject]) -> int:
    """Count the boxes that match one to one, with an overlap of at least `MATCHED_ABOVE` and equal labels.

    Parameters
    ----------
    detections : sequence of Detected
    objects : sequence of LabelledObject
        Of the same image.
    """
    if not detections or not objects:
        return 0
    overlaps = box_overlaps(
        box_edges([detection.source.box for detection in detections]), box_edges([each.box for each in objects])
    )
    overlaps *= [[detection.label == each.label for each in objects] for detection in detections]
    rows, columns = linear_sum_assignment(-(overlaps >= MATCHED_ABOVE).astype(float))
    return int((overlaps[rows, columns] >= MATCHED_ABOVE).sum())
