"""Groups of images that the same control models predict: the features of a group are extracted together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from backend.prediction.control_models import ControlModel
from backend.prediction.prediction import ImageName, PredictionTask
from backend.prediction.task_features import Place
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.task_images import images_of_control
from sync.labelling.config import LabelConfig

__all__ = ["group_images"]


def group_images(
    tasks: Sequence[PredictionTask], config: LabelConfig, to_name: str, models: Sequence[ControlModel]
) -> tuple[list[tuple[list[Place], list[ControlModel]]], dict[int, str]]:
    """Group the images of an Image tag by the models that predict them.

    A control may be on some pages of a task only, so the images of one task may have different models.

    Parameters
    ----------
    tasks : sequence of PredictionTask
    config : LabelConfig
    to_name : str
        Name of the Image tag.
    models : sequence of ControlModel
        Models of the tag's controls.

    Returns
    -------
    tuple
        Images with their models, and the index of each task whose images cannot be listed with the reason.
    """
    models_of: dict[Place, list[ControlModel]] = {}
    problems: dict[int, str] = {}
    for index, task in enumerate(tasks):
        pairs = attempt(partial(_pair_images, task, config, to_name, models))
        if isinstance(pairs, ImageError):
            problems[index] = str(pairs)
            continue
        for model, image in pairs:
            models_of.setdefault((index, image), []).append(model)
    groups: dict[tuple[int, ...], list[Place]] = {}
    for place, models_of_place in models_of.items():
        groups.setdefault(tuple(map(id, models_of_place)), []).append(place)
    return [(places, models_of[places[0]]) for places in groups.values()], problems


def _pair_images(
    task: PredictionTask, config: LabelConfig, to_name: str, models: Sequence[ControlModel]
) -> list[tuple[ControlModel, ImageName]]:
    """Pair each model with the images of an Image tag that it predicts."""
    return [
        (model, image)
        for model in models
        for image in images_of_control(task.data, config, model.control)
        if image[0] == to_name
    ]
