"""Predictions as values, one row per image, instead of regions of Label Studio: for surveys and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.heads.feature_blocks import STRUCTURE
from backend.prediction.control_models.control_model import ControlModel
from backend.prediction.control_models.results import ControlRow
from backend.prediction.features import FeatureExtractor
from backend.prediction.image_features import ImageFeatures
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_structure import add_structure
from sync.errors.failures import attempt_together
from sync.errors.images import ImageError

__all__ = ["ImageRows", "predict_rows"]

ImageRows = tuple[ImageFeatures, dict[str, ControlRow]]
"""The features of an image, and the prediction of each control by the control's name."""


def predict_rows(
    references: Sequence[str],
    models: Sequence[ControlModel],
    extractor: FeatureExtractor,
    *,
    blocks: TaskBlocks | None = None,
    data: Sequence[Mapping[str, Any]] | None = None,
) -> list[ImageRows | ImageError]:
    """Predict the values of all controls for each image.

    Parameters
    ----------
    references : sequence of str
        References of n images, which the extractor's image store opens.
    models : sequence of ControlModel
    extractor : FeatureExtractor
    blocks : TaskBlocks, optional
        Measures the galaxies for controls that name a measured quantity, which are empty without it.
    data : sequence of mapping, length n, optional
        What tasks of these images would have as data: `blocks` reads columns and spectra from it. An unreadable image is then
        predicted by the models that predict tasks without their image.

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
    if blocks is not None and data is not None:
        features_of_images = _add_data(features_of_images, data, models, blocks)
    measurer = None if blocks is None else blocks.structure
    if measurer is not None and any(STRUCTURE in model.needs_blocks for model in models):
        features_of_images = [
            add_structure(result, {}, models, measurer=measurer)
            if isinstance(result, ImageFeatures) and result.image is not None
            else result
            for result in features_of_images
        ]
    values: list[dict[str, ControlRow]] = [{} for _ in references]
    for model in models:
        features = {
            index: result
            for index, result in enumerate(features_of_images)
            if isinstance(result, ImageFeatures) and (result.image is not None or model.blocks_without_image)
        }
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


def _add_data(
    features_of_images: Sequence[ImageFeatures | ImageError],
    data: Sequence[Mapping[str, Any]],
    models: Sequence[ControlModel],
    blocks: TaskBlocks,
) -> list[ImageFeatures | ImageError]:
    """Return the features with the blocks of their data, also those of unreadable images that models predict from the data."""
    names = frozenset().union(*(model.needs_blocks for model in models))
    names_without_image = frozenset().union(*(model.blocks_without_image for model in models))
    results: list[ImageFeatures | ImageError] = []
    for features, fields in zip(features_of_images, data, strict=True):
        if isinstance(features, ImageFeatures):
            results.append(replace(features, blocks=blocks.read(fields, only=names)))
        elif names_without_image:
            own_blocks = blocks.read(fields, only=names_without_image)
            results.append(ImageFeatures.without_image(own_blocks, reason=str(features)))
        else:
            results.append(features)
    return results
