"""Predictions of annotated training images by heads that were not fitted on them, for galleries of small projects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.loop.report.embedded_control import EmbeddedControl
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.learning_curve import fit_head
from backend.loop.report.scored_images import MOST_EMBEDDED, ScoredImages, read_images
from backend.loop.training.cross_validation import assign_folds
from backend.prediction.control_models import model_class

__all__ = ["predict_out_of_fold"]

Floats = NDArray[np.float64]

FOLDS = 5


def predict_out_of_fold(
    inputs: ReportInputs, control: EmbeddedControl, reader: EmbeddingReader
) -> tuple[ScoredImages, Floats] | None:
    """Predict the newest training images, at most `MOST_EMBEDDED`; None if there are too few labels to fit a head.

    Each of `FOLDS` folds is predicted by a head that is fitted on the others; all images of a galaxy are in one fold.
    """
    truth = inputs.truth[control.control.name]
    training = [
        image for image, label in truth.labels.items() if image.task in inputs.training_tasks and control.is_scorable(label)
    ]
    scored_images = read_images(inputs, control.control, inputs.newest(training, limit=MOST_EMBEDDED), reader)
    if scored_images.galaxies < 2:
        return None
    kind = model_class(control.control)
    strata = [kind.stratum(label, scored_images.labels) for label in scored_images.labels]
    folds = assign_folds(scored_images.groups, strata, folds=min(FOLDS, scored_images.galaxies), seed=0)
    predictions: Floats | None = None
    scored_places: list[int] = []
    for fold in np.unique(folds):
        inputs.check()
        inside = np.flatnonzero(folds == fold)
        head = fit_head(control, truth.without_tasks({scored_images.images[place].task for place in inside}), reader)
        predictions_of_fold = None if head is None else control.predict(head, scored_images.inputs.only(inside))
        if predictions_of_fold is not None:
            predictions = np.zeros((len(scored_images), *predictions_of_fold.shape[1:])) if predictions is None else predictions
            predictions[inside] = predictions_of_fold
            scored_places += inside.tolist()
    return None if predictions is None else (scored_images.only(sorted(scored_places)), predictions[sorted(scored_places)])
