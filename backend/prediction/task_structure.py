"""The measured structure of the galaxy on an image of a task, inside the outlines that the models predict."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from backend.heads.feature_blocks import STRUCTURE, Block
from backend.measurement.task_reader import TASK_KEYS, TaskMeasurer
from backend.prediction.control_models import ControlModel, ObjectModel
from backend.prediction.image_features import ImageFeatures
from backend.prediction.prediction import ImageName
from sync.controls import MASKS
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.footprint import Footprint
from sync.labelling.config import LabelConfig

__all__ = ["add_structure", "data_of_image"]

log = logging.getLogger("galaxyloop.measurement")


def add_structure(
    features: ImageFeatures, data: Mapping[str, Any], models: Sequence[ControlModel], *, measurer: TaskMeasurer
) -> ImageFeatures:
    """Return the features of an image with the measured structure of its galaxy, or with the reason why there is none.

    Parameters
    ----------
    features : ImageFeatures
    data : mapping
        The task's data, from `data_of_image`.
    models : sequence of ControlModel
        Models of the image; the first one that outlines objects decides which pixels are the galaxy and its neighbours.
    measurer : TaskMeasurer
    """
    block = attempt(partial(_measure, features, data, models, measurer))
    if isinstance(block, ImageError):
        log.info("event=not_measured image=%s reason=%r", features.stored_image.key, str(block))
        return replace(features, blocks={**features.blocks, STRUCTURE: Block(missing={"": str(block)})})
    return replace(features, blocks={**features.blocks, STRUCTURE: block.as_block()}, structure=block)


def data_of_image(data: Mapping[str, Any], image: ImageName, config: LabelConfig) -> Mapping[str, Any]:
    """Return the data of a task for one of its images: an import stores the science file of the first image only."""
    if image == (next(iter(config.image_key), ""), 0):
        return data
    return {key: value for key, value in data.items() if key not in TASK_KEYS}


def _measure(features: ImageFeatures, data: Mapping[str, Any], models: Sequence[ControlModel], measurer: TaskMeasurer) -> Any:
    with_indices = any(model.needs_indices for model in models)
    return measurer.measure(
        features.stored_image, data, _outlines(features, models), size=features.size, with_indices=with_indices
    )


def _outlines(features: ImageFeatures, models: Sequence[ControlModel]) -> list[Footprint] | None:
    """Return the predicted outlines of an image; None if no model outlines objects."""
    model = next((each for each in models if isinstance(each, ObjectModel) and each.control.tag in MASKS), None)
    if model is None or features.size is None:
        return None
    sources = [detection.source for detection in model.objects(features)]
    return [Footprint.of_mask(source.crop, x=source.corner[0], y=source.corner[1]) for source in sources if source.crop.any()]
