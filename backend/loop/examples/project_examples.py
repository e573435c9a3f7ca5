"""The training examples of a project: the annotated labels, with the feature blocks and measured structure of their images."""

from __future__ import annotations

from collections.abc import Sequence

from backend.loop.examples.annotated_structure import structure_reader
from backend.loop.examples.examples import gather_examples
from backend.prediction.control_models import Examples
from backend.prediction.live import LivePredictors
from sync.label_studio.annotations import Annotation
from sync.labelling.config import Control, LabelConfig

__all__ = ["gather_project_examples"]


def gather_project_examples(
    annotations: Sequence[Annotation], config: LabelConfig, controls: Sequence[Control], *, predictors: LivePredictors
) -> dict[str, Examples]:
    """Gather the labels of annotations by control, with the inputs that the predictors of the project read.

    Parameters
    ----------
    annotations : sequence of Annotation
        From a snapshot: submitted, not empty, ordered by task.
    config : LabelConfig
    controls : sequence of Control
    predictors : LivePredictors
        Read the sizes, the feature blocks and the measured structure of images.

    Returns
    -------
    dict
        Control's name to its examples.
    """
    return gather_examples(
        annotations,
        config,
        controls,
        sizes_of=predictors.extractor.sizes,
        blocks_of=predictors.blocks.read,
        structure_of=structure_reader(predictors.extractor, predictors.blocks, config),
    )
