"""Features of the images of tasks: the references in the tasks' data, and what the models need of each image."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from backend.heads.feature_blocks import STRUCTURE
from backend.prediction.control_models import ControlModel
from backend.prediction.features import FeatureExtractor
from backend.prediction.image_features import ImageFeatures
from backend.prediction.prediction import ImageName, PredictionTask
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_structure import add_structure, data_of_image
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.task_images import references_of, value_at
from sync.labelling.config import LabelConfig

__all__ = ["Place", "extract_task_features", "reference_of"]

log = logging.getLogger("galaxyloop.predictor")

Place = tuple[int, ImageName]
"""Index of a task in a list of tasks, and one of its images."""


def extract_task_features(
    extractor: FeatureExtractor,
    config: LabelConfig,
    tasks: Sequence[PredictionTask],
    places: Sequence[Place],
    models: Sequence[ControlModel],
    *,
    blocks: TaskBlocks,
    version: str,
) -> list[ImageFeatures]:
    """Extract the features of images that models need.

    Parameters
    ----------
    extractor : FeatureExtractor
    config : LabelConfig
    tasks : sequence of PredictionTask
    places : sequence of (int, (str, int))
        The images: index of the task, name of the Image tag and number of the page.
    models : sequence of ControlModel
    blocks : TaskBlocks
        Reads the feature blocks of the tasks, as far as the models need them.
    version : str
        Model version for log lines.

    Returns
    -------
    list of ImageFeatures
        In the order of `places`. Those of an image that cannot be read, which is logged, have only the blocks from which models
        predict a task without its image.
    """
    outcomes: dict[int, ImageFeatures | ImageError] = {}
    references: dict[int, str] = {}
    for number, (index, image) in enumerate(places):
        reference = attempt(partial(reference_of, tasks[index], image, config))
        if isinstance(reference, ImageError):
            outcomes[number] = reference
        else:
            references[number] = reference
    features_of_images = extractor.extract_features(
        list(references.values()),
        embed=True,  # the order of the queue needs the embedding, whatever the controls hold
        extractions=[settings for model in models if (settings := model.needs_sources)],
        pyramid=any(model.needs_pyramid for model in models),
    )
    block_names = frozenset().union(*(model.needs_blocks for model in models))
    for number, features in zip(references, features_of_images, strict=True):
        if block_names and isinstance(features, ImageFeatures):
            index, image = places[number]
            features = replace(features, blocks=blocks.read(tasks[index].data, only=block_names))
            if STRUCTURE in block_names and blocks.structure is not None:
                data = data_of_image(tasks[index].data, image, config)
                features = add_structure(features, data, models, measurer=blocks.structure)
        outcomes[number] = features
    names_without_image = frozenset().union(*(model.blocks_without_image for model in models))
    results = []
    for number, (index, (to_name, page)) in enumerate(places):
        outcome = outcomes[number]
        if isinstance(outcome, ImageError):
            log.warning(
                "event=image_not_read task=%d version=%s image=%s page=%d reason=%r",
                tasks[index].id, version, to_name, page, str(outcome),
            )  # fmt: skip
            own_blocks = blocks.read(tasks[index].data, only=names_without_image)
            outcome = ImageFeatures.without_image(own_blocks, reason=str(outcome))
        results.append(outcome)
    return results


def reference_of(task: PredictionTask, image: ImageName, config: LabelConfig) -> str:
    """Return the reference of an image in a task's data.

    Raises
    ------
    ImageError
        If the data have no such image.
    """
    to_name, page = image
    key = config.image_key.get(to_name)
    if key is None:
        raise ImageError(f"the labelling config has no Image called {to_name!r} that shows a key of the task's data")
    references = references_of(task.data, config, to_name)
    if page >= len(references):
        raise ImageError(f"the task has {len(references)} pages under {key!r}, and page {page + 1} was requested")
    if not references[page]:
        where = f" on page {page + 1}" if len(references) > 1 else ""
        hint = " but an object" if isinstance(value_at(task.data, key), Mapping) else ""
        raise ImageError(f"the task's data have no image reference under {key!r}{where}{hint}")
    return references[page]
