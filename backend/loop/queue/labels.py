"""Labels of the training tasks that a ranking reads: the number of labels of each class, and ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.loop.examples.examples import gather_examples
from backend.prediction.control_models.class_targets import leaf_targets
from sync.controls import NUMBERS
from sync.controls.control import Control
from sync.geometry.shapes import Size
from sync.label_studio.annotations import Annotation
from sync.labelling.config import LabelConfig

__all__ = ["count_classes", "rating_of", "read_ratings"]


def count_classes(annotations: Sequence[Annotation], config: LabelConfig, control: Control) -> NDArray[np.float64]:
    """Count the labels of each class of Choices or a Taxonomy, shape (k,); shares of several annotators count as shares.

    Parameters
    ----------
    annotations : sequence of Annotation
        Of the training tasks.
    config : LabelConfig
    control : Control
    """
    examples = gather_examples(annotations, config, [control], sizes_of=_no_sizes)[control.name]
    counts = np.zeros(len(control.labels))
    for label in examples.labels.values():
        counts += leaf_targets(label[None], control)[0]
    return counts


def read_ratings(annotations: Sequence[Annotation], config: LabelConfig) -> dict[int, float]:
    """Return the rating of each rated task, the mean of several; of the config's first Rating.

    Parameters
    ----------
    annotations : sequence of Annotation
        Of the training tasks.
    config : LabelConfig
    """
    control = rating_of(config)
    if control is None:
        return {}
    examples = gather_examples(annotations, config, [control], sizes_of=_no_sizes)[control.name]
    return {image.task: label for image, label in examples.labels.items()}


def rating_of(config: LabelConfig) -> Control | None:
    """Return the first Rating of a config; None without one."""
    ratings = (control for control in config.controls if control.tag in NUMBERS and NUMBERS[control.tag].RATES_INTEREST)
    return next(ratings, None)


def _no_sizes(references: Sequence[str]) -> Sequence[Size | None]:
    return [None] * len(references)  # classes and numbers need no size
