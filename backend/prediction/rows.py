"""Predictions as values, one row per image, instead of regions of Label Studio: for surveys and tables."""

from __future__ import annotations

from collections.abc import Sequence

from backend.heads.feature_blocks import STRUCTURE
from backend.measurement.task_reader import TaskMeasurer
from backend.prediction.control_models.control_model import ControlModel
from backend.prediction.control_models.results import Row
from backend.prediction.features import FeatureExtractor
from backend.prediction.image_features import ImageFeatures
from backend.prediction.task_structure import add_structure
from sync.errors.failures import attempt_together
from sync.errors.images import ImageError

__all__ = ["ImageRows", "predict_rows"]

ImageRows = tuple[ImageFeatures, dict[str, Row]]
"""The features of an image, and the value and the confidence of each control by the control's name."""


def predict_rows(
    references: Sequence[str],
    models: Sequence[ControlModel],
    extractor: FeatureExtractor,
    *,
    measurer: TaskMeasurer | None = None,
) -> list[ImageRows | ImageError]:
    """Predict the values of all controls for each image.

    Parameters
    ----------
    references : sequence of str
        References of n images, which the extractor's image store opens.
    models : sequence of ControlModel
    extractor : FeatureExtractor
    measurer : TaskMeasurer, optional
        Measures the galaxies for controls that name a measured quantity, which are empty without it.

    Returns
    -------
    list
        For each image its features and values, or the error for which it is left out; length n.
    """
    if not references:
        return []
    features_of_images: list[ImageFeatures | ImageError] = extractor.extract_features(
        list(references),
        embed=True,
        extractions=[settings for model in models if (settings := model.needs_sources)],
        pyramid=any(model.needs_pyramid for model in models),
    )
    if measurer is not None and any(STRUCTURE in model.needs_blocks for model in models):
        features_of_images = [
            add_structure(result, {}, models, measurer=measurer) if isinstance(result, ImageFeatures) else result
            for result in features_of_images
        ]
    values: list[dict[str, Row]] = [{} for _ in references]
    for model in models:
        features = {index: result for index, result in enumerate(features_of_images) if isinstance(result, ImageFeatures)}
        answers = attempt_together(model.rows, list(features.values()))
        for index, answer in zip(features, answers, strict=True):
            if isinstance(answer, ImageError):
                features_of_images[index] = answer
            else:
                values[index][model.control.name] = answer
    return [
        (result, rows) if isinstance(result, ImageFeatures) else result
        for result, rows in zip(features_of_images, values, strict=True)
    ]
